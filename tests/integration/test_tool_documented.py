# SPDX-License-Identifier: MIT
"""The documented rows of exec, process, the files and apply_patch, as tool calls in a sandbox."""

import json
import os
import time

import pytest

from support import ROOT
from tool_batch import CONFIG, Batch, Failed

AREAS = ("exec", "exec-args", "process", "fs-bridge", "fs-path", "fs-mount", "apply-patch", "workdir")

# Rows that the contract replaces, with what holds instead.
CONTRACT = {
    "fsb-05": "paths are the container's own; only workspaceOnly keeps to the workspace",
    "fsp-04": "section 4: a bind onto /workspace is refused",
    "fsp-05": "section 4: a bind onto /workspace is refused",
    "exe-05": "the login environment is read once; each command is sh -c with it",
}


def rows():
    path = ROOT / "tests" / "conformance" / "documented.jsonl"
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return {row["id"]: row for row in found if row["area"] in AREAS}


ROWS = rows()
TESTS = {}


def row(name):
    def register(function):
        TESTS[name] = function
        return function
    return register


class World:
    """A home with a workspace and a directory beside it; a batch is started when first asked."""

    def __init__(self, creel_bin, home):
        self.creel_bin, self.home = creel_bin, home
        self.workspace = home / "ws"
        self.workspace.mkdir()
        self.outside = home / "outside"
        self.outside.mkdir()
        self.open = []

    def batch(self, sandbox="", rest=""):
        config = CONFIG.replace('backend:"native"', 'backend:"native"' + sandbox)[:-1] + rest + "}"
        self.open.append(Batch(self.creel_bin, self.home, self.workspace, config=config))
        return self.open[-1]

    def close(self):
        for batch in self.open:
            batch.close()


ONLY = ",tools:{fs:{workspaceOnly:true}}"


def patch(*lines):
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def apply(batch, *lines):
    return batch.call("apply_patch", input=patch(*lines))


def refuses(batch, *lines):
    return batch.fails("apply_patch", input=patch(*lines))


@row("ap-01")
def add(world, expect):
    result = apply(world.batch(), "*** Add File: hello.txt", "+hello")
    assert (world.workspace / "hello.txt").read_text() == expect["files"]["hello.txt"]
    assert result["details"]["summary"]["added"] == expect["added"]


@row("ap-03")
def end_of_file(world, expect):
    (world.workspace / "end.txt").write_text("line1\n")
    apply(world.batch(), "*** Update File: end.txt", "@@", "+line2", "*** End of File")
    assert (world.workspace / "end.txt").read_text() == expect["files"]["end.txt"]


@row("ap-04")
def add_above(world, expect):
    assert expect["error"]
    assert "escapes" in refuses(world.batch(), "*** Add File: ../escape.txt", "+x")["message"]


@row("ap-06")
def add_absolute(world, expect):
    assert expect["ok"]
    apply(world.batch(), "*** Add File: /workspace/abs.txt", "+x")
    assert (world.workspace / "abs.txt").read_text() == "x\n"


@row("ap-08")
def dangling_link(world, expect):
    assert expect["error"]
    (world.workspace / "link").symlink_to("/tmp/not-there-yet")
    refuses(world.batch(), "*** Add File: link", "+x")
    assert os.readlink(world.workspace / "link") == "/tmp/not-there-yet"


@row("ap-09")
def hard_link(world, expect):
    assert expect["error"]
    (world.outside / "file").write_text("a\n")
    os.link(world.outside / "file", world.workspace / "file")
    refuses(world.batch(), "*** Update File: file", "@@", "-a", "+b")
    assert (world.outside / "file").read_text() == "a\n"


@row("ap-11")
def delete_through_link(world, expect):
    assert expect["error"]
    batch = world.batch()
    batch.call("exec", command="mkdir /tmp/out && echo x >/tmp/out/f && ln -s /tmp/out dir")
    refuses(batch, "*** Delete File: dir/f")
    assert batch.text("exec", command="cat /tmp/out/f") == "x"


@row("ap-12")
def delete_link(world, expect):
    assert expect == {"ok": True, "targetKept": True}
    batch = world.batch()
    batch.call("exec", command="echo x >/tmp/kept && ln -s /tmp/kept link")
    apply(batch, "*** Delete File: link")
    assert batch.text("exec", command="cat /tmp/kept; ls -A") == "x"


@row("ap-13")
def above_where_allowed(world, expect):
    assert expect["ok"]
    batch = world.batch(rest=",tools:{exec:{applyPatch:{workspaceOnly:false}}}")
    apply(batch, "*** Add File: ../tmp/x", "+x")
    assert batch.text("exec", command="cat /tmp/x") == "x"


@row("ex-01")
def synchronous(world, expect):
    batch = world.batch(rest=',tools:{deny:["process"]}')
    result = batch.call("exec", command="sleep 0.2; echo done", background=True)
    assert result["details"]["status"] == expect["status"]
    assert "running synchronously" in result["content"][0]["text"]
    assert result["content"][0]["text"].endswith("done")


@row("ex-02")
def no_sandbox(world, expect):
    batch = Batch(world.creel_bin, world.home, world.workspace,
                  config='{agents:{defaults:{sandbox:{mode:"off"}}}}')
    world.open.append(batch)
    assert expect["error"] in batch.fails("exec", command="true", host="sandbox")["message"]


@row("exe-02")
def path_is_no_script(world, expect):
    assert expect == {"scriptContainsValue": False}
    batch = world.batch()
    value = ROWS["exe-02"]["input"]["env"]["PATH"]
    result = batch.call("exec", command="echo hello; echo \"$PATH\"; tr '\\0' ' ' </proc/$$/cmdline",
                        env={"PATH": value})
    said, path, script = result["content"][0]["text"].split("\n", 2)
    assert said == "hello"
    assert path.startswith(value + ":")
    assert value not in script
    assert batch.text("exec", command="ls /tmp") == "(no output)"


@row("exe-04")
def starts_in_workdir(world, expect):
    assert expect["flag"].endswith("/workspace")
    assert world.batch().text("exec", command="pwd", workdir="/workspace") == "/workspace"


@row("exe-05")
def login_environment(world, expect):
    assert expect["shell"] == "/bin/sh -lc"
    batch = world.batch()
    # What a login shell would say is already there.
    assert batch.text("exec", command="echo \"$PATH\"") == batch.text(
        "exec", command="sh -lc 'echo \"$PATH\"'")


@row("exe-06")
def terminal(world, expect):
    assert expect["flag"] == "-t"
    assert world.batch().text("exec", command="test -t 0 && test -t 1 && echo yes", pty=True) == "yes"


@row("fsb-03")
def read_link_out(world, expect):
    assert expect["error"]
    (world.outside / "secret").write_text("s3cret")
    (world.workspace / "link").symlink_to(world.outside / "secret")
    for batch in (world.batch(), world.batch(rest=ONLY)):
        assert "s3cret" not in batch.fails("read", path="link")["message"]


@row("fsb-04")
def read_hard_link(world, expect):
    assert expect["error"]
    (world.outside / "secret").write_text("s3cret")
    os.link(world.outside / "secret", world.workspace / "file")
    error = world.batch(rest=ONLY).fails("read", path="file")
    assert error["message"].startswith("Hardlinked path is not allowed")


@row("fsb-05")
def read_container_file(world, expect):
    assert "escapes" in expect["error"]
    assert "escapes" in world.batch(rest=ONLY).fails("read", path="/etc/passwd")["message"]
    # Without it the file is the container's, not the host's.
    host = [line for line in open("/etc/passwd", encoding="utf-8") if ":/root:" not in line]
    text = world.batch().text("read", path="/etc/passwd")
    assert len(text.splitlines()) < len(host)


@row("fsb-07")
def existing_directory(world, expect):
    assert expect["ok"]
    (world.workspace / "dir").mkdir()
    world.batch().call("write", path="dir/f", content="x")
    assert (world.workspace / "dir" / "f").read_text() == "x"


@row("fsb-08")
def leading_dashes(world, expect):
    assert expect["ok"]
    (world.workspace / "--leading.txt").write_text("x\n")
    batch = world.batch()
    assert batch.text("read", path="--leading.txt").strip() == "x"
    assert batch.text("read", path=expect["container"]).strip() == "x"


def bind(source, target):
    return (f',docker:{{dangerouslyAllowExternalBindSources:true,binds:["{source}:{target}:ro"]}}')


@row("fsp-01")
def bound_read_only(world, expect):
    (world.outside / "docs").mkdir()
    (world.outside / "docs" / "AGENTS.md").write_text("x\n")
    batch = world.batch(sandbox=bind(world.outside, "/workspace-two"))
    assert batch.text("read", path=expect["container"]).strip() == "x"
    error = batch.fails("write", path=expect["container"], content="y")
    assert error["details"]["denied"][0]["layer"] == "mount"
    assert (world.outside / "docs" / "AGENTS.md").read_text() == "x\n"


@row("fsp-02")
def relative_path(world, expect):
    batch = world.batch()
    batch.call("write", path="src/index.ts", content="x")
    assert (world.workspace / expect["relative"]).read_text() == "x"
    assert batch.text("read", path=expect["container"]) == "x"


@row("fsp-04")
@row("fsp-05")
def bind_over_workspace(world, expect):
    assert expect["writable"] is False
    config = world.home / "c.json"
    config.write_text(CONFIG.replace('backend:"native"', 'backend:"native"' +
                                     bind(world.outside, "/workspace")))
    batch = Batch(world.creel_bin, world.home, world.workspace, config=config.read_text())
    assert batch.proc.wait(timeout=30) != 0
    assert b"/workspace" in batch.proc.stderr.read()


@row("ps-01")
def poll_waits(world, expect):
    assert expect["waits"]
    batch = world.batch()
    details = batch.call("exec", command="sleep 0.5; echo done", background=True)["details"]
    before = time.monotonic()
    result = batch.call("process", action="poll", sessionId=details["sessionId"], timeout=20000)
    assert result["details"]["status"] == expect["status"]
    assert "done" in result["content"][0]["text"]
    assert time.monotonic() - before < 19


@row("wd-03")
def maps_workdir(world, expect):
    (world.workspace / "project").mkdir()
    batch = world.batch(sandbox=',docker:{workdir:"/sandbox-root"}')
    for given in (expect["container"], "project", str(world.workspace / "project")):
        result = batch.call("exec", command="pwd", workdir=given)
        assert result["content"][0]["text"] == expect["container"]
        assert result["details"]["cwd"] == expect["container"]


@pytest.fixture
def world(creel_bin, home):
    made = World(creel_bin, home)
    yield made
    made.close()


def test_every_row_has_its_test():
    assert set(TESTS) == set(ROWS)
    assert set(CONTRACT) <= set(ROWS)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_row(world, name):
    try:
        TESTS[name](world, ROWS[name]["expect"])
    except Failed as failed:
        raise AssertionError(failed.error) from failed
