# SPDX-License-Identifier: MIT
"""glob, grep and .gitignore: against git itself, a plain matcher, and trees without end."""

import functools
import os
import random
import re
import shutil
import subprocess

import pytest

from fs_driver import Driver, ToolError


@pytest.fixture
def workspace(tmp_path):
    """A workspace and its driver."""
    root = tmp_path / "ws"
    root.mkdir()
    with Driver(root) as driver:
        yield root, driver


def fill(root, files):
    """Make files; a name is enough."""
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name] if isinstance(files, dict) else "x\n")


# ---- patterns ----

@functools.lru_cache(maxsize=None)
def plain_match(pattern, path):
    """One step at a time, every choice tried."""
    if pattern == "":
        return path == ""
    if pattern.startswith("**/"):
        cut = path.find("/")
        return plain_match(pattern[3:], path) or (cut >= 0 and plain_match(pattern, path[cut + 1:]))
    return plain_tail(pattern, path)


@functools.lru_cache(maxsize=None)
def plain_tail(pattern, path):
    """Inside a part: "**" is special again only after a slash."""
    if pattern == "":
        return path == ""
    if pattern[0] == "*":
        return plain_tail(pattern.lstrip("*"), path) or (
            path[:1] not in ("", "/") and plain_tail(pattern, path[1:]))
    if path == "":
        return False
    if pattern[0] == "/":
        if path[0] != "/":
            return False
        if pattern[1:] == "**":
            return len(path) > 1
        return plain_match(pattern[1:], path[1:])
    if pattern[0] == "?":
        return path[0] != "/" and plain_tail(pattern[1:], path[1:])
    if pattern[0] == "[":
        match = re.match(r"\[([!^]?)(\]?[^\]]*)\]", pattern)
        if match:
            inside = path[0] != "/" and in_set(match.group(2), path[0])
            good = path[0] != "/" and inside != bool(match.group(1))
            return good and plain_tail(pattern[match.end():], path[1:])
    return pattern[0] == path[0] and plain_tail(pattern[1:], path[1:])


def in_set(items, char):
    """a-c]x without escapes."""
    i = 0
    while i < len(items):
        if i + 2 < len(items) and items[i + 1] == "-":
            if items[i] <= char <= items[i + 2]:
                return True
            i += 3
        else:
            if items[i] == char:
                return True
            i += 1
    return False


@pytest.mark.parametrize("seed", range(4))
def test_random_patterns_agree_with_a_plain_matcher(workspace, seed):
    _, driver = workspace
    rng = random.Random(seed)
    hits = 0
    for _ in range(6000):
        pattern = "".join(rng.choice(["a", "b", "\u00e9", "/", "*", "**/", "/**", "?", "[ab]", "[!a]",
                                      "[a-b]", "[", "*"]) for _ in range(rng.randint(1, 7)))
        path = "/".join("".join(rng.choice("aab\u00e9[") for _ in range(rng.randint(1, 4)))
                        for _ in range(rng.randint(1, 4)))
        want = len(path) > 0 if pattern == "**" else plain_match(pattern, path)
        got = driver.call("glob-match", pattern, path)[0] == b"1"
        assert got == want, (pattern, path)
        hits += want
    assert hits > 200


@pytest.mark.parametrize("pattern, path, want", [
    ("*.{c,h}", "a.h", 1), ("*.{c,h}", "a.o", 0), ("{a,b{c,d}}/x", "bd/x", 1), ("{a}", "{a}", 1),
    ("{a,b", "{a,b", 1), ("a\\{b,c}", "a{b,c}", 1), ("\\*", "*", 1), ("\\*", "a", 0), ("{,x}a", "a", 1),
    ("[[:digit:]]x", "7x", 1), ("[[:digit:]]x", "ax", 0), ("[]a]", "]", 1), ("[a-]", "-", 1),
    ("[\\]]", "]", 1), ("**", "a/b/c", 1), ("a/**", "a", 0), ("a/**/b", "a/b", 1),
    ("a/**/b", "a/x/y/b", 1), ("**/b", "b", 1), ("a**b", "a/b", 0), ("*", ".hidden", 1),
    ("./a", "a", 1), ("[z-a]", "m", 0), ("a\\", "a\\", 1), ("\u65e5?", "\u65e5\u672c", 1),
    ("{a,b}{c,d}/*", "bd/q", 1),
])
def test_patterns(workspace, pattern, path, want):
    _, driver = workspace
    assert driver.call("glob-match", pattern, path) == [str(want).encode()]


def test_patterns_that_grow_or_stall(workspace):
    _, driver = workspace
    with pytest.raises(ToolError, match="more than 256 alternatives"):
        driver.call("glob-match", "{a,b}" * 40, "x")
    with pytest.raises(ToolError, match="longer than"):
        driver.call("glob-match", "a" * 2000, "x")
    assert driver.call("glob-match", "*a" * 200 + "b", "a" * 4000) == [b"0"]
    assert driver.call("glob-match", "**/a/" * 100 + "b", "a/" * 1000 + "c") == [b"0"]


# ---- glob ----

def test_glob_is_sorted_and_rooted(workspace):
    root, driver = workspace
    fill(root, ["a.txt", "a/b.txt", "a/c/d.txt", "a-b.txt", "z.md", ".git/config.txt", ".h/e.txt"])
    (root / "link.txt").symlink_to("z.md")
    (root / "dirlink").symlink_to("a")
    want = [".h/e.txt", "a-b.txt", "a.txt", "a/b.txt", "a/c/d.txt", "link.txt"]
    assert driver.glob("**/*.txt") == (want, False)
    assert driver.glob(f"{root}/**/*.txt") == (want, False)
    assert driver.glob("*.txt") == (["a-b.txt", "a.txt", "link.txt"], False)
    assert driver.glob("**/*.txt", "a") == (["a/b.txt", "a/c/d.txt"], False)
    assert driver.glob("*.txt", root / "a") == (["a/b.txt"], False)
    assert driver.glob("**/*.txt", limit=2) == (want[:2], True)
    assert driver.glob("**/*.txt", limit=len(want)) == (want, False)
    for pattern, path in (("", ""), ("*", "missing")):
        with pytest.raises(ToolError):
            driver.glob(pattern, path)


def test_glob_outside_shows_absolute_paths(workspace, tmp_path):
    _, driver = workspace
    fill(tmp_path / "o", ["x/y.c"])
    assert driver.glob("**", tmp_path / "o") == ([str(tmp_path / "o/x/y.c")], False)


def test_a_very_deep_tree_ends(workspace):
    root, driver = workspace
    here = os.open(root, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    fill(root, ["d/x"])
    assert driver.glob("**") == (["d/x"], True)
    subprocess.run(["rm", "-rf", str(root / "d")], check=True)


# ---- .gitignore ----

def git(root, *args, **kwargs):
    """git without anybody's configuration."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(["git", *args], cwd=root, env=env, check=True, capture_output=True, **kwargs)


def git_files(root):
    """What git would add."""
    out = git(root, "ls-files", "-z", "--others", "--exclude-standard").stdout
    return sorted(out.split(b"\0")[:-1])


RULES = ["*.o", "!keep.o", "build/", "/top", "a/b", "**/deep", "deep/**", "x/**/z", "*.log", "!a/*.log",
         "# no", "\\#yes", "\\!odd", "sp\\ ", "trail   ", "?", "[ab]", "!b", "*/c", "doc/*.txt", "/a",
         "!/a/", "a/", "**", "*", "!*/", "!*.c", "foo**bar", "/**/k", "z/", ""]
NAMES = ["a", "b", "c", "deep", "build", "top", "x", "z", "k.o", "keep.o", "m.log", "t.txt", "#yes",
         "!odd", "sp ", "trail", "n.c", "doc", "fooxbar", "k"]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("seed", range(60))
def test_what_git_ignores_is_ignored(workspace, seed):
    root, driver = workspace
    rng = random.Random(seed)
    git(root, "init", "-q")
    for _ in range(40):
        path = root.joinpath(*[rng.choice(NAMES) for _ in range(rng.randint(1, 4))])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        except OSError:
            continue
    tops = [root] + [d for d in root.rglob("*") if d.is_dir() and ".git" not in d.parts]
    for top in [root] + rng.sample(tops, min(3, len(tops))):
        rules = [rng.choice(RULES) for _ in range(rng.randint(1, 5))]
        (top / ".gitignore").write_text(rng.choice(["\n", "\r\n"]).join(rules) + "\n")
    (root / ".git/info/exclude").write_text(rng.choice(RULES) + "\n")
    got, truncated = driver.glob("**", limit=10000)
    assert [os.fsencode(n) for n in got] == git_files(root) and not truncated


def test_ignored_things_are_there_when_asked_for(workspace):
    root, driver = workspace
    fill(root, {".gitignore": "node_modules/\n*.log\n", "node_modules/p/i.js": "x", "a.log": "x",
                "src/b.log": "x", "src/c.js": "x", "node_modules/p/n.log": "x"})
    assert driver.glob("**/*.js")[0] == ["src/c.js"]
    assert driver.glob("**", "node_modules")[0] == ["node_modules/p/i.js"]
    assert driver.glob("**/*", no_ignore=1)[0] == [
        ".gitignore", "a.log", "node_modules/p/i.js", "node_modules/p/n.log", "src/b.log", "src/c.js"]
    assert driver.glob("**", "src")[0] == ["src/c.js"]
    assert driver.grep("x", "a.log")["matches"] == 1


def test_a_gitignore_that_is_no_file_is_passed_over(workspace):
    root, driver = workspace
    fill(root, ["a"])
    os.mkfifo(root / ".gitignore")
    (root / "d").mkdir()
    (root / "d/.gitignore").symlink_to("/etc/passwd")
    assert driver.glob("**")[0] == [".gitignore", "a", "d/.gitignore"]


# ---- grep ----

TREE = {"a.c": "int main(void)\n{\n\treturn 0;\n}\n", "b/c.h": "#define MAIN 1\nint x;\n",
        "b/bin": "main\0main\n", "n.txt": "one\ntwo\nthree\nfour\nfive\nsix\nseven\ntwo\n"}


@pytest.mark.parametrize("pattern, kwargs, want", [
    ("main", {}, "a.c:1: int main(void)\n"),
    ("main", {"flags": "i"}, "a.c:1: int main(void)\nb/c.h:1: #define MAIN 1\n"),
    ("main(", {"flags": "l"}, "a.c:1: int main(void)\n"),
    ("MAIN(", {"flags": "li"}, "a.c:1: int main(void)\n"),
    ("^int\\s+\\w+", {}, "a.c:1: int main(void)\nb/c.h:2: int x;\n"),
    ("int", {"glob": "*.h"}, "b/c.h:2: int x;\n"),
    ("int", {"glob": "b/*"}, "b/c.h:2: int x;\n"),
    ("int", {"glob": "*.{c,h}", "limit": 1}, "a.c:1: int main(void)\n"),
    ("int", {"path": "b"}, "b/c.h:2: int x;\n"),
    ("int", {"path": "b/c.h"}, "b/c.h:2: int x;\n"),
    ("two", {"context": 1}, "n.txt-1- one\nn.txt:2: two\nn.txt-3- three\n--\nn.txt-7- seven\n"
     "n.txt:8: two\n"),
    ("two|four", {"context": 1}, "n.txt-1- one\nn.txt:2: two\nn.txt-3- three\nn.txt:4: four\n"
     "n.txt-5- five\n--\nn.txt-7- seven\nn.txt:8: two\n"),
    ("nothing", {}, ""),
    ("^$", {}, ""),
])
def test_grep(workspace, pattern, kwargs, want):
    root, driver = workspace
    fill(root, TREE)
    got = driver.grep(pattern, **kwargs)
    assert got["text"] == want
    assert got["truncated"] == ("limit" in kwargs)
    if "glob" not in kwargs and "path" not in kwargs:
        assert got["searched"] == 3


@pytest.mark.parametrize("pattern, words", [
    ("(", "no regular expression"), ("", "empty"), ("(a)\\1", "refers back"), ("x" * 2000, "longer"),
    ("(a{1,200}){1,200}", "repeats more"), ("((a{9}){9}){99}", "repeats more"),
])
def test_patterns_that_are_refused(workspace, pattern, words):
    _, driver = workspace
    with pytest.raises(ToolError, match=words):
        driver.grep(pattern)


def plain_grep(files, word, context):
    """Matching lines with context, as the tool prints them."""
    out = []
    for name in sorted(files):
        lines = files[name].split("\n")
        if lines[-1] == "":
            lines.pop()
        hits = [i for i, line in enumerate(lines) if word in line]
        shown = sorted({j for i in hits for j in range(i - context, i + context + 1)
                        if 0 <= j < len(lines)})
        last = None
        for j in shown:
            if context and out and (last is None or j > last + 1):
                out.append("--")
            sign = ":" if j in hits else "-"
            out.append(f"{name}{sign}{j + 1}{sign} {lines[j]}")
            last = j
    return "".join(line + "\n" for line in out)


@pytest.mark.parametrize("seed", range(5))
def test_random_trees_agree_with_a_plain_grep(workspace, seed):
    root, driver = workspace
    rng = random.Random(seed)
    for turn in range(30):
        files = {}
        for i in range(rng.randint(1, 4)):
            count = rng.choice([0, 1, 5, 50])
            files[f"{turn}/f{i}"] = "\n".join(rng.choice(["foo", "bar", "", "a foo b"])
                                             for _ in range(count)) + rng.choice(["", "\n"])
        fill(root, files)
        context = rng.choice([0, 0, 1, 2, 3])
        got = driver.grep("foo", str(turn), flags=rng.choice(["", "l", "i"]), context=context,
                          limit=100000)
        assert got["text"] == plain_grep(files, "foo", context)
        assert got["matches"] == sum("foo" in line for f in files.values() for line in f.split("\n"))


def test_large_files_are_searched_in_a_window(workspace):
    root, driver = workspace
    lines = [f"line {i} " + "x" * (i % 300) for i in range(40000)]
    for i in (0, 1777, 20000, 39999):
        lines[i] += " needle"
    fill(root, {"f": "\n".join(lines)})
    got = driver.grep("needle", context=1)
    numbers = [int(m) for m in re.findall(r"^f:(\d+): ", got["text"], re.M)]
    assert numbers == [1, 1778, 20001, 40000] and got["matches"] == 4
    assert [int(m) for m in re.findall(r"^f-(\d+)- ", got["text"], re.M)] == \
        [2, 1777, 1779, 20000, 20002, 39999]


def test_long_lines_are_cut(workspace):
    root, driver = workspace
    fill(root, {"f": "y" * 3000000 + "needle\nshort needle\n"})
    got = driver.grep("needle")
    assert got["text"].endswith("f:2: short needle\n") and got["lines_cut"] == 1
    assert len(got["text"]) < 2000


def test_output_has_a_limit(workspace):
    root, driver = workspace
    fill(root, {"f": ("needle" + "x" * 300 + "\n") * 5000})
    got = driver.grep("needle", limit=100000)
    assert got["truncated"] == 1 and len(got["text"]) <= 256 * 1024 and got["text"].endswith("\n")


def test_grep_stays_in_the_workspace(tmp_path):
    root = tmp_path / "ws"
    root.mkdir()
    (tmp_path / "out").write_text("secret\n")
    (root / "l").symlink_to(tmp_path / "out")
    os.link(tmp_path / "out", root / "h")
    with Driver(root, "workspace-only") as driver:
        assert driver.grep("secret")["text"] == ""
        with pytest.raises(ToolError):
            driver.grep("secret", "l")
        with pytest.raises(ToolError):
            driver.grep("secret", "..")
