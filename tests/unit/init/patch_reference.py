# SPDX-License-Identifier: MIT
"""The patch format done slowly and plainly: what the engine in C is compared with."""

import re

BLANKS = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009" \
         "\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
TWINS = [("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
         ("\u2018\u2019\u201a\u201b", "'"), ("\u201c\u201d\u201e\u201f", '"'),
         ("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " ")]


class Refused(Exception):
    """The patch is wrong, or does not fit."""


def fold(text):
    """Typography as ASCII."""
    for many, one in TWINS:
        for char in many:
            text = text.replace(char, one)
    return text


WAYS = [lambda s: s, lambda s: s.rstrip(BLANKS), lambda s: s.strip(BLANKS),
        lambda s: fold(s.strip(BLANKS))]


def parse(text):
    """A list of (action, path, move, body)."""
    lines = re.split(r"\r?\n", text.strip(BLANKS))

    def framed(some):
        return len(some) > 1 and some[0].strip(BLANKS) == "*** Begin Patch" \
            and some[-1].strip(BLANKS) == "*** End Patch"

    if not framed(lines):
        if len(lines) < 4 or lines[0].strip(BLANKS) not in ("<<EOF", "<<'EOF'", '<<"EOF"') \
                or not lines[-1].endswith("EOF") or not framed(lines[1:-1]):
            raise Refused("frame")
        lines = lines[1:-1]
    rest = lines[1:-1]
    hunks = []
    while rest:
        head = rest.pop(0).strip(BLANKS)
        if head.startswith("*** Add File: "):
            added = ""
            while rest and rest[0].startswith("+"):
                added += rest.pop(0)[1:] + "\n"
            hunks.append(("add", head[14:], None, added))
        elif head.startswith("*** Delete File: "):
            hunks.append(("delete", head[17:], None, None))
        elif head.startswith("*** Update File: "):
            move = None
            if rest and rest[0].strip(BLANKS).startswith("*** Move to: "):
                move = rest.pop(0).strip(BLANKS)[13:]
            hunks.append(("update", head[17:], move, parse_chunks(rest)))
        else:
            raise Refused("header")
    if not hunks:
        raise Refused("empty")
    return hunks


def parse_chunks(rest):
    """Takes chunks off rest: a list of (context, old, new, at_end)."""
    chunks = []
    while rest and not rest[0].startswith("***"):
        if not rest[0].strip(BLANKS):
            rest.pop(0)
            continue
        context, old, new, end = None, [], [], False
        if rest[0] == "@@":
            rest.pop(0)
        elif rest[0].startswith("@@ "):
            context = rest.pop(0)[3:] or None
        elif chunks:
            raise Refused("chunk header")
        count = 0
        while rest:
            line = rest[0]
            if line == "*** End of File":
                if count == 0:
                    raise Refused("nothing before the end")
                end = True
                rest.pop(0)
                break
            if line[:1] not in ("", " ", "+", "-"):
                break
            rest.pop(0)
            count += 1
            if line[:1] in ("", " ", "-"):
                old.append(line[1:])
            if line[:1] in ("", " ", "+"):
                new.append(line[1:])
        if count == 0:
            raise Refused("empty chunk")
        chunks.append((context, old, new, end))
    if not chunks:
        raise Refused("no chunk")
    return chunks


def seek(lines, wanted, start, end=False):
    """The first place at or after start, in the strictest way that finds one."""
    if not wanted:
        return start
    if end and len(wanted) <= len(lines):
        start = len(lines) - len(wanted)
    for way in WAYS:
        for at in range(start, len(lines) - len(wanted) + 1):
            if [way(s) for s in lines[at:at + len(wanted)]] == [way(s) for s in wanted]:
                return at
    return None


def apply(text, chunks):
    """text after the chunks; its lines end in \\n."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    changes, at = [], 0
    for context, old, new, end in chunks:
        if context:
            found = seek(lines, [context], at)
            if found is None:
                raise Refused("context")
            at = found + 1
        if not old:
            where = len(lines) - 1 if lines and lines[-1] == "" else len(lines)
            changes.append((where, 0, new))
            continue
        found = seek(lines, old, at, end)
        if found is None and old[-1] == "":
            old = old[:-1]
            if new and new[-1] == "":
                new = new[:-1]
            found = seek(lines, old, at, end)
        if found is None:
            raise Refused("lines")
        changes.append((found, len(old), new))
        at = found + len(old)
    changes.sort(key=lambda c: c[0])
    covered = 0
    for where, count, _ in changes:
        if where < covered:
            return None  # changes that overlap: no plain answer
        covered = where + count
    for where, count, new in reversed(changes):
        lines[where:where + count] = new
    if not lines or lines[-1] != "":
        lines.append("")
    return "\n".join(lines)
