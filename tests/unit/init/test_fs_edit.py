# SPDX-License-Identifier: MIT
"""edit: every byte that was not named stays, whatever the file is."""

import os
import random
import stat
import subprocess

import pytest

from fs_driver import DRIVER, Driver, ToolError
from patch_reference import BLANKS, fold


@pytest.fixture
def workspace(tmp_path):
    """A workspace and its driver."""
    root = tmp_path / "ws"
    root.mkdir()
    with Driver(root) as driver:
        yield root, driver


def edit_text(driver, text, old, new):
    """The engine alone: bytes of the new text."""
    return driver.call("edit-text", text, old, new)[0]


@pytest.mark.parametrize("text, old, new, want", [
    # Only the passage: blanks, typography, line ends and marks elsewhere are not touched.
    ("keep  \nsay \u201chi\u201d\nkeep \u2013 \n", 'say "hi"', "bye",
     "keep  \nbye\nkeep \u2013 \n"),
    ("x  \r\na  \r\nb\r\ny\t\r\n", "a\nb", "c\nd", "x  \r\nc\r\nd\r\ny\t\r\n"),
    ("\ufeffa\n\u2018q\u2019\n", "'q'", "z", "\ufeffa\nz\n"),
    ("a\u00a0b\nc\u00a0d", "a b", "x", "x\nc\u00a0d"),
    ("\u201cx\u201d tail\u2014end", '"x"', "y", "y tail\u2014end"),
    # Blanks at the end of the last line named go with it; before the first line they stay.
    ("a  \nb  \nc  \n", "b \nc", "X", "a  \nX\n"),
    ("a  \nb\n", "\nb ", "", "a  \n"),
    # No newline at the end, before and after.
    ("a\nb", "b", "c", "a\nc"),
    ("a\nb", "a\n", "", "b"),
    # A file of mixed line ends: what is added goes by the first.
    ("a\nb\r\nc\r\n", "b\nc", "x\ny", "a\nx\ny\r\n"),
    ("a\r\nb\nc\n", "b", "x\ny", "a\r\nx\r\ny\nc\n"),
    ("a\rb\nc", "a\nb", "x", "x\nc"),
    ("\0a\0\n", "a", "b", "\0b\0\n"),
    ("   x", "   ", "\t", "\tx"),
])
def test_only_the_passage_changes(workspace, text, old, new, want):
    _, driver = workspace
    assert edit_text(driver, text, old, new).decode() == want


def test_bytes_that_are_not_utf8_stay(workspace):
    _, driver = workspace
    assert edit_text(driver, b"\xff\xfe\n\xe2\x80\na  \nb\n\xe9", b"a\nb", b"c") == \
        b"\xff\xfe\n\xe2\x80\nc\n\xe9"


@pytest.mark.parametrize("text, old, new, start", [
    ("a\nb\n", "zzz", "x", "Could not find the exact text in f."),
    ("a b\nx\na\u00a0b\n", "a b", "x", "Found 2 occurrences of the text in f (lines 1, 3)."),
    ("x\n" * 20, "x", "y", "Found 20 occurrences of the text in f (lines 1, 2, 3, 4, 5, 6, 7, 8, 9, "
     "10, ...)."),
    ("a\n", "a", "a", "No changes made to f."),
    ("\u201ca\u201d\n", '"a"', '"a"', "No changes made to f."),
    ("a\r\nb", "a\nb", "a\nb", "No changes made to f."),
    ("a", "", "b", "oldText must not be empty"),
    ("a\n", "  ", "b", "Could not find the exact text"),
    ("", "a", "b", "Could not find the exact text"),
])
def test_refusals(workspace, text, old, new, start):
    _, driver = workspace
    with pytest.raises(ToolError) as failure:
        edit_text(driver, text, old, new)
    assert failure.value.text.startswith(start)


def test_a_near_miss_names_the_line(workspace):
    _, driver = workspace
    with pytest.raises(ToolError, match=r"line 2: 'def frobnicate\(self, x\):'"):
        edit_text(driver, "import os\n  def frobnicate(self, x):\n    pass\n",
                  "  def frobnicate(self, y):\n    pass", "x")


def view(text):
    """The text as tolerant matching sees it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return fold("\n".join(line.rstrip(BLANKS) for line in lines))


PIECES = ["a", "b", " ", "  ", "\n", "\n", "\r\n", "\u201c", '"', "\u2019", "'", "\u2013", "-", "\u00a0",
          "\t", "\u3000", "x", "\ufeff", "\u20ac"]


@pytest.mark.parametrize("seed", range(6))
def test_random_edits(workspace, seed):
    """
    What is around the passage is byte for byte the same, what is in between looks like the passage,
    and a passage that looks like two places is refused.
    """
    _, driver = workspace
    rng = random.Random(seed)
    done = tolerant = 0
    for _ in range(2500):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 30)))
        i = rng.randrange(len(text))
        old = text[i:i + rng.randint(1, 12)]
        if rng.random() < 0.6:
            old = view(old)
        if rng.random() < 0.2:
            old = old.replace("\n", " \n")
        new = rng.choice(["N", "", "N\nM", "N\r\n"])
        looks = view(old)
        base = text[1:] if text.startswith("\ufeff") else text
        try:
            fields = driver.call("edit-text", text, old, new)
        except ToolError as error:
            if looks and view(base).count(looks) == 1 and old.strip(BLANKS):
                assert error.text.startswith("No changes made"), (text, old, new)
            continue
        assert not looks or view(base).count(looks) == 1, (text, old, new)
        got = fields[0].decode()
        first = text.find("\n")
        crlf = first > 0 and text[first - 1] == "\r"
        put = new.replace("\r\n", "\n").replace("\n", "\r\n" if crlf else "\n")
        # Some split of the old text explains the new one.
        assert any(text[:k] + put + text[len(text) - (len(got) - k - len(put)):] == got
                   and view(text[k:len(text) - (len(got) - k - len(put))]).strip() ==
                   looks.strip()
                   for k in range(len(got) - len(put) + 1)), (text, old, new, got)
        done += 1
        tolerant += fields[3] == b"1"
    assert done > 300 and tolerant > 30


def test_a_large_change_has_a_plain_diff(workspace):
    _, driver = workspace
    old = "".join(f"old {i}\n" for i in range(3000))
    new = "".join(f"new {i}\n" for i in range(3000))
    text = "head\n" * 10 + old + "tail\n" * 10
    diff = driver.call("edit-text", text, old, new)[1].decode().split("\n")
    assert diff[0] == "      ..." and diff[1] == "    7 head"
    assert diff[5] == "-  11 old 0" and diff[3005] == "+  11 new 0"
    assert diff[-2:] == [" 3014 tail", "      ..."] and len(diff) == 1 + 4 + 6000 + 4 + 1


def test_a_huge_diff_is_cut(workspace):
    root, driver = workspace
    (root / "f").write_text("x" * 300000)
    got = driver.call("edit", "f", "x" * 299999 + "x", "y" * 300000)
    assert got[3] == b"1" and len(got[0]) <= 256 * 1024
    assert (root / "f").read_text() == "y" * 300000


# ---- files ----

def test_mode_owner_and_symlink_are_kept(workspace):
    root, driver = workspace
    (root / "real").write_text("x\n")
    (root / "real").chmod(0o751)
    if os.geteuid() == 0:
        os.chown(root / "real", 1234, 2345)
        (root / "real").chmod(0o751)
    (root / "l").symlink_to("real")
    before = (root / "real").stat()
    driver.edit("l", "x", "y")
    after = (root / "real").stat()
    assert os.readlink(root / "l") == "real" and (root / "real").read_text() == "y\n"
    assert (before.st_mode, before.st_uid, before.st_gid) == \
        (after.st_mode, after.st_uid, after.st_gid)


def test_a_write_drops_set_user_id(workspace):
    """As write(2) does: new content has no claim on the old one's trust."""
    root, driver = workspace
    (root / "a").write_text("x\n")
    (root / "a").chmod(0o6755)
    driver.edit("a", "x", "y")
    assert (root / "a").read_text() == "y\n"
    assert (root / "a").stat().st_mode & 0o7777 == 0o755


def test_other_names_are_counted(workspace):
    root, driver = workspace
    (root / "a").write_text("x\n")
    os.link(root / "a", root / "b")
    assert driver.edit("a", "x", "y")["other_names"] == 1
    assert (root / "b").read_text() == "x\n"


@pytest.mark.parametrize("what", ["missing", "dir", "fifo", "device"])
def test_what_is_no_file(workspace, what):
    root, driver = workspace
    path = root / what
    if what == "dir":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    with pytest.raises(ToolError, match="File not found|directory|FIFO|device"):
        driver.edit(what, "x", "y")


def test_fifty_edits_at_once(tmp_path):
    """Fifty processes change a line each: all of them are there in the end, the file is never torn."""
    root = tmp_path / "ws"
    root.mkdir()
    (root / "f").write_text("".join(f"line {i} old\n" for i in range(50)))
    drivers = [Driver(root) for _ in range(50)]
    try:
        # All requests are on their way before the first answer is read.
        import struct
        for i, driver in enumerate(drivers):
            fields = [b"edit", b"f", f"line {i} old".encode(), f"line {i} new".encode()]
            driver.process.stdin.write(struct.pack("<I", 4) + b"".join(
                struct.pack("<I", len(x)) + x for x in fields))
            driver.process.stdin.flush()
        refused = set()
        for i, driver in enumerate(drivers):
            count = struct.unpack("<I", driver.process.stdout.read(4))[0]
            fields = []
            for _ in range(count):
                size = struct.unpack("<I", driver.process.stdout.read(4))[0]
                fields.append(driver.process.stdout.read(size))
            if fields[0] != b"ok":
                refused.add(i)
    finally:
        for driver in drivers:
            driver.close()
    lines = (root / "f").read_text().split("\n")
    assert lines == [f"line {i} {'old' if i in refused else 'new'}" for i in range(50)] + [""]
    assert not list(root.glob(".creel-*"))


def test_somebody_elses_write_in_between_is_noticed(tmp_path):
    """The file changes between the read and the rename: refused, and theirs stays."""
    root = tmp_path / "ws"
    root.mkdir()
    text = "".join(f"line {i}\n" for i in range(400000))
    (root / "f").write_text(text + "mark\n")
    results = set()
    old, new = "line 7\n", "line seven\n"
    with Driver(root) as driver:
        writer = subprocess.Popen(
            ["/bin/sh", "-c", f"while [ ! -e {root}/stop ]; do echo x >> {root}/f; done"])
        try:
            for _ in range(10):
                try:
                    driver.edit("f", "mark", "mark")
                except ToolError as error:
                    results.add(error.text[:10])
                for _ in range(2):
                    try:
                        driver.edit("f", old, new)
                        results.add("done")
                        old, new = new, old
                    except ToolError as error:
                        results.add("stale" if "somebody else" in error.text else error.text)
        finally:
            (root / "stop").write_text("")
            writer.wait()
    assert "done" in results or "stale" in results
    assert results <= {"No changes", "done", "stale"}
    assert (root / "f").read_text().startswith(text[:20]) and "mark\n" in (root / "f").read_text()


def run_as_nobody(root, *requests):
    """A driver without rights; its answers."""
    def drop():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    answers = []
    with Driver(root, program=DRIVER, preexec_fn=drop) as driver:
        for request in requests:
            try:
                answers.append(driver.call(*request))
            except ToolError as error:
                answers.append(error.errno)
    return answers


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
def test_a_file_in_a_directory_that_is_not_ours_is_written_in_place(tmp_path):
    for path in [tmp_path, *tmp_path.parents][:3]:
        path.chmod(path.stat().st_mode | 0o755)
    root = tmp_path / "ws"
    root.mkdir(mode=0o755)
    path = root / "f"
    path.write_text("x\n")
    path.chmod(0o666)
    inode = path.stat().st_ino
    answer = run_as_nobody(root, ("edit", "f", "x", "much longer"), ("write", "f", "s"),
                           ("write", "new", "s"))
    assert answer[0][5] == b"1" and answer[1][1] == b"1" and answer[2] == 13
    assert path.read_text() == "s" and path.stat().st_ino == inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 and path.stat().st_uid == 0
