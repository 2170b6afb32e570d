# SPDX-License-Identifier: MIT
"""read, write, edit, apply_patch, ls, glob and grep in one live native sandbox."""

import base64
import json
import os
import struct
import zlib

import pytest

from tool_batch import CONFIG, Batch, Failed


@pytest.fixture
def batch(creel_bin, home):
    b = Batch(creel_bin, home, home / "ws")
    yield b
    b.close()


def png(width, height):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + b"\0\0\0" * width for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_read_pages(batch):
    (batch.workspace / "n.txt").write_text("".join(f"line {i}\n" for i in range(1, 5001)))
    text = batch.text("read", path="n.txt", offset=10, limit=2)
    assert text.startswith("line 10\nline 11\n")
    assert "Use offset=12 to continue." in text
    whole = batch.call("read", path="n.txt")
    assert whole["content"][0]["text"].count("line ") == 5000
    assert "truncation" not in whole["details"]
    error = batch.fails("read", path="n.txt", offset=6000)
    assert "Offset 6000 is beyond end of file" in error["message"]


def test_read_paths(batch):
    (batch.workspace / "a b.txt").write_text("x\n")
    for path in ("a b.txt", "./a b.txt", "/workspace/a b.txt", "a\u00a0b.txt", "@a b.txt", "~/a b.txt",
                 str(batch.workspace / "a b.txt")):
        assert batch.text("read", path=path) == "x\n", path
    assert batch.text("read", file_path="a b.txt") == "x\n"
    (batch.workspace / "--leading.txt").write_text("y\n")
    assert batch.text("read", path="--leading.txt") == "y\n"


def test_read_adaptive_pages_end(batch):
    (batch.workspace / "big.txt").write_text("".join(f"{i:08} {'x' * 90}\n" for i in range(20000)))
    result = batch.call("read", path="big.txt")
    text = result["content"][0]["text"]
    assert 100 * 1024 < len(text) <= 512 * 1024
    following = result["details"]["truncation"]["nextOffset"]
    lines = text.split("\n\n[Showing")[0].splitlines()
    assert [int(line[:8]) for line in lines] == list(range(len(lines)))
    assert following == len(lines) + 1
    more = batch.text("read", path="big.txt", offset=following, limit=1)
    assert more.startswith(f"{len(lines):08} ")


def test_read_raw(batch):
    (batch.workspace / "n.md").write_bytes("é\n".encode() * 3)
    (batch.workspace / "b.bin").write_bytes(b"\0\xff\n" * 5)
    (batch.workspace / "i.dat").write_bytes(png(2, 2))
    (batch.workspace / "out").symlink_to("/etc/passwd")
    details = batch.call("read", path="n.md", raw=True)["details"]
    assert (details["mimeType"], details["encoding"], details["data"], details["size"]) == (
        "text/markdown", "utf-8", "é\n" * 3, 9)
    # half a character is no text
    details = batch.call("read", path="n.md", raw=True, offset=1, limit=2)["details"]
    assert (details["encoding"], base64.b64decode(details["data"]), details["bytes"]) == (
        "base64", b"\xa9\n", 2)
    details = batch.call("read", path="b.bin", raw=True, offset=3)["details"]
    assert (details["mimeType"], base64.b64decode(details["data"])) == (
        "application/octet-stream", b"\0\xff\n" * 4)
    assert batch.call("read", path="i.dat", raw=True)["details"]["mimeType"] == "image/png"
    assert batch.call("read", path="out", raw=True)["details"]["size"] > 0
    for wrong in ({"path": "out", "beneath": True}, {"path": "/etc/passwd", "beneath": True},
                  {"path": "n.md", "offset": -1}, {"path": "n.md", "limit": 0}, {"path": "none"}):
        batch.fails("read", raw=True, **wrong)


def test_read_errors(batch):
    (batch.workspace / "dir").mkdir()
    os.mkfifo(batch.workspace / "fifo")
    (batch.workspace / "bin").write_bytes(b"\x7fELF\0\1\2\3" * 100)
    (batch.workspace / "long").write_text("x" * 300000 + "\nshort\n")
    assert batch.fails("read", path="missing")["code"] == "not_found"
    assert batch.fails("read", path="dir")["code"] in ("failed", "invalid_arguments")
    assert "fifo" in batch.fails("read", path="fifo")["message"].lower()
    assert batch.fails("read", path="/dev/zero")["message"]
    assert "binary" in batch.fails("read", path="bin")["message"]
    assert batch.text("read", path="long").startswith("[Line 1 is 300000 bytes")
    assert batch.text("read", path="long", offset=2) == "short\n"
    (batch.workspace / "late").write_text("short\n" + "x" * 300000 + "\nshort\n")
    text = batch.text("read", path="late")
    assert text.startswith("short\n")
    assert "Line 2 is 300000 bytes" in text or "Use offset=2" in text
    assert batch.fails("read")["message"].startswith("Missing required parameter")


def test_read_image(batch):
    data = png(3, 2)
    (batch.workspace / "i.dat").write_bytes(data)
    content = batch.call("read", path="i.dat")["content"]
    assert content[0]["text"].startswith("Read image file [image/png]")
    assert content[1]["mimeType"] == "image/png"
    assert base64.b64decode(content[1]["data"]) == data


def test_growing_file(batch):
    session = batch.call("exec", command="while :; do echo line; done > grow.txt",
                         background=True)["details"]["sessionId"]
    while not (batch.workspace / "grow.txt").exists():
        pass
    for _ in range(5):
        assert batch.text("read", path="grow.txt", limit=10).startswith("line\n")
    batch.call("process", action="remove", sessionId=session)


def test_write(batch):
    result = batch.call("write", path="a/b/c.txt", content="h\u00e9llo\n")
    assert result["content"][0]["text"] == "Successfully wrote 7 bytes to a/b/c.txt"
    assert (batch.workspace / "a/b/c.txt").read_text() == "h\u00e9llo\n"
    os.chmod(batch.workspace / "a/b/c.txt", 0o750)
    batch.call("write", path="a/b/c.txt", content=[{"type": "text", "text": "x"}])
    assert (batch.workspace / "a/b/c.txt").read_text() == "x"
    assert (batch.workspace / "a/b/c.txt").stat().st_mode & 0o777 == 0o750
    big = "y" * (5 * 1024 * 1024)
    batch.call("write", path="big", content=big)
    assert (batch.workspace / "big").read_text() == big
    assert batch.fails("write", path="x")["message"].startswith("Missing required parameter: content")
    denied = batch.fails("write", path="/usr/x", content="")
    assert denied["details"]["denied"][0]["layer"] == "mount"


def test_edit_errors_name_lines(batch):
    (batch.workspace / "f").write_text("one\ntwo\none\n")
    assert "1" in batch.fails("edit", path="f", oldText="one", newText="x")["message"]
    assert batch.fails("edit", path="f", oldText="none such", newText="x")["message"]
    assert batch.fails("edit", path="f", oldText="", newText="x")["code"] == "invalid_arguments"
    result = batch.call("edit", file_path="f", old_string="two", new_string="2")
    assert result["details"]["firstChangedLine"] == 2
    assert (batch.workspace / "f").read_text() == "one\n2\none\n"


def test_fifty_concurrent_edits(batch):
    (batch.workspace / "f").write_text("".join(f"slot {i}\n" for i in range(50)))
    handles = [batch.start("edit", path="f", oldText=f"slot {i}\n", newText=f"done {i}\n")
               for i in range(50)]
    for handle in handles:
        batch.wait(handle)
    assert (batch.workspace / "f").read_text() == "".join(f"done {i}\n" for i in range(50))


def test_concurrent_edits_of_one_place(batch):
    (batch.workspace / "f").write_text("start\n")
    handles = [batch.start("edit", path="f", oldText="start", newText=f"winner {i}") for i in range(50)]
    done = 0
    for handle in handles:
        try:
            batch.wait(handle)
            done += 1
        except Failed as failed:
            assert failed.error["message"]
    assert done == 1
    assert (batch.workspace / "f").read_text().startswith("winner ")


def test_calls_on_one_file_keep_their_order(batch):
    handles = []
    for i in range(20):
        handles.append(batch.start("write", path="o", content=f"{i}\n"))
        handles.append(batch.start("read", path="./o"))
    texts = [batch.wait(h)["content"][0]["text"] for h in handles]
    assert texts[1::2] == [f"{i}\n" for i in range(20)]


def test_patch_is_all_or_nothing(batch):
    (batch.workspace / "a").write_text("one\n")
    error = batch.fails("apply_patch", input=(
        "*** Begin Patch\n*** Add File: new\n+x\n*** Update File: a\n@@\n-nothing like it\n+y\n"
        "*** End Patch"))
    assert "nothing like it" in error["message"]
    assert sorted(os.listdir(batch.workspace)) == ["a"]


def test_patch_stays_in_the_workspace(batch):
    (batch.workspace / "out").symlink_to("/tmp")
    for path in ("../x", "/tmp/x", "out/x"):
        patch = f"*** Begin Patch\n*** Add File: {path}\n+x\n*** End Patch"
        assert batch.fails("apply_patch", input=patch)["message"]
    assert batch.text("exec", command="ls /tmp") == "(no output)"


def test_ls_glob_grep(batch):
    batch.call("exec", command=(
        "git init -q . && mkdir -p src/deep build && echo build/ > .gitignore && "
        "echo 'int main;' > src/a.c && echo 'int Other;' > src/deep/b.c && echo 'int x;' > build/c.c && "
        "ln -s src/a.c link"))
    listed = batch.call("ls")
    assert listed["content"][0]["text"].splitlines() == [
        ".git/", ".gitignore", "build/", "link -> src/a.c", "src/"]
    assert {e["name"]: e["type"] for e in listed["details"]["entries"]}["src"] == "d"
    assert {e["name"]: e.get("target") for e in listed["details"]["entries"]} == {
        ".git": None, ".gitignore": None, "build": None, "link": "src/a.c", "src": None}
    assert batch.call("glob", pattern="**/*.c")["details"]["paths"] == ["src/a.c", "src/deep/b.c"]
    assert batch.text("glob", pattern="**/*.c") == "src/a.c\nsrc/deep/b.c"
    assert batch.text("glob", pattern="**/*.c", noIgnore=True).startswith("build/c.c\n")
    assert batch.text("glob", pattern="*.none") == "No files found matching pattern"
    assert batch.text("grep", pattern="int [mo]", ignoreCase=True) == (
        "src/a.c:1: int main;\nsrc/deep/b.c:1: int Other;")
    assert batch.text("grep", pattern="int", glob="b.c") == "src/deep/b.c:1: int Other;"
    assert batch.text("grep", pattern="nowhere") == "No matches found"
    assert batch.fails("grep", pattern="(")["code"] == "invalid_arguments"
    many = batch.call("glob", pattern="**/*.c", limit=1)
    assert many["details"]["truncated"] is True


def test_workspace_only(creel_bin, home):
    config = CONFIG[:-1] + ",tools:{fs:{workspaceOnly:true}}}"
    batch = Batch(creel_bin, home, home / "ws", config=config)
    (batch.workspace / "link").symlink_to("/etc/passwd")
    (batch.workspace / "in").write_text("x\n")
    (batch.workspace / "good").symlink_to("in")
    assert batch.fails("read", path="/etc/passwd")["message"]
    assert batch.fails("read", path="link")["message"]
    assert batch.fails("read", path="../etc/passwd")["message"]
    assert batch.text("read", path="good") == "x\n"
    assert batch.text("read", path="sub/../in") == "x\n"
    batch.close()


def test_read_only_workspace(creel_bin, home):
    config = CONFIG.replace('"rw"', '"ro"')
    batch = Batch(creel_bin, home, home / "ws", config=config)
    for tool, args in (("write", {"path": "x", "content": ""}), ("apply_patch", {"input": "x"}),
                       ("edit", {"path": "x", "oldText": "a", "newText": "b"})):
        error = batch.fails(tool, **args)
        assert error["code"] == "denied"
        assert "workspaceAccess" in error["message"]
        assert error["details"]["denied"][0]["layer"] == "workspace"
        assert error["details"]["denied"][0]["fix"]
    batch.close()


def test_list_says_what_policy_offers(creel, home):
    (home / "c.json").write_text(CONFIG.replace('"rw"', '"ro"'), encoding="utf-8")
    tools = json.loads(creel("tool", "--list", "--json", "--config", home / "c.json").stdout)["tools"]
    offered = {t["name"]: t["offered"] for t in tools}
    assert offered["read"] and offered["grep"] and offered["exec"]
    assert not offered["write"] and not offered["apply_patch"]
    assert all(t["parameters"]["type"] == "object" for t in tools)


def test_far_line_of_a_large_file(batch):
    line = b"x" * 63 + b"\n"
    with open(batch.workspace / "huge", "wb") as file:
        for _ in range(64):
            file.write(line * 16384)
        file.write(b"last\n")
    text = batch.text("read", path="huge", offset=64 * 16384 + 1)
    assert text == "last\n"
    assert batch.text("read", path="huge", limit=2).startswith("x" * 63 + "\n" + "x" * 63 + "\n")


def test_a_worker_that_is_killed_costs_one_call_at_most(batch):
    (batch.workspace / "f").write_text("x\n")
    assert batch.text("read", path="f") == "x\n"
    # Everything that the sandbox's user may end: PID 1 and the command itself excepted.
    batch.call("exec", command=(
        "for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = 1 ] || [ $p = $$ ] || kill -9 $p; done; true"))
    try:
        assert batch.text("read", path="f") == "x\n"
    except Failed as failed:
        assert "ended from outside" in failed.error["message"]
    assert batch.text("read", path="f") == "x\n"


def posix_acl(user, rights):
    """Version 2; owner rw, user and mask as given, group r, others nothing."""
    entries = [(1, 6, 0xffffffff), (2, rights, user), (4, 4, 0xffffffff), (16, rights, 0xffffffff),
               (32, 0, 0xffffffff)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


# The second is nobody in the sandbox's user namespace: such an ACL cannot be set there.
@pytest.mark.parametrize("user", [os.getuid(), 12345])
def test_attributes_and_acl_are_kept(batch, user):
    path, other = batch.workspace / "f", batch.workspace / "plain"
    for file in (path, other):
        file.write_text("one\n", encoding="utf-8")
    acl = posix_acl(user, 6)
    try:
        os.setxattr(path, "user.origin", b"here\0there")
        os.setxattr(path, "system.posix_acl_access", acl)
        # What a new file here gets, an old one does not.
        os.setxattr(batch.workspace, "system.posix_acl_default", posix_acl(user, 7))
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")

    def patch(*lines):
        batch.call("apply_patch", input="\n".join(["*** Begin Patch", *lines, "*** End Patch"]))

    steps = [
        lambda: batch.call("write", path="f", content="two\n"),
        lambda: batch.call("edit", path="f", oldText="two", newText="three"),
        lambda: patch("*** Update File: f", "@@", "-three", "+four"),
        lambda: patch("*** Update File: f", "*** Move to: g", "@@", "-four", "+five"),
    ]
    for step in steps:
        step()
        now = path if path.exists() else batch.workspace / "g"
        assert os.getxattr(now, "user.origin") == b"here\0there"
        if now is path or user == os.getuid():
            assert os.getxattr(now, "system.posix_acl_access") == acl
        else:
            assert "system.posix_acl_access" not in os.listxattr(now)
    assert now.name == "g"
    batch.call("write", path="plain", content="two\n")
    assert "system.posix_acl_access" not in os.listxattr(other)
    batch.call("write", path="new", content="x\n")
    assert "system.posix_acl_access" in os.listxattr(batch.workspace / "new")


def test_killed_workers_leave_nothing_half(batch):
    """Half a write has no name yet."""
    kill = ("for p in /proc/[0-9]*; do read c <$p/comm; "
            "[ \"$c\" = creel-files ] && kill -9 ${p#/proc/}; done")
    text = "x" * 8000000
    for turn in range(15):
        calls = [batch.start("write", path=f"f{turn}", content=text),
                 batch.start("exec", command=f"sleep 0.0{turn % 10}; {kill}")]
        for call in calls:
            try:
                batch.wait(call)
            except Failed as failed:
                assert "ended from outside" in failed.error["message"] or "exit" in str(failed)
    # Killed between the two last steps it leaves a second name, but of a whole file.
    for path in batch.workspace.iterdir():
        assert path.stat().st_size == len(text)
