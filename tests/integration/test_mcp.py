# SPDX-License-Identifier: MIT
"""`creel mcp` on stdio: what clients get, and what is left when they go."""

import base64
import json
import os
import signal
import subprocess
import time

import pytest

from gateway import Gateway
from mcp_client import CONFIG, Client
from test_tool_files import png

MODERN = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {}}}


@pytest.fixture
def client(creel_bin, home):
    c = Client(creel_bin, home, home / "ws")
    yield c
    if c.proc.poll() is None:
        c.close()


def running(marker):
    """Processes of this machine whose command line has the marker."""
    return subprocess.run(["pgrep", "-f", marker], capture_output=True, check=False).stdout.split()


def wait_gone(marker):
    """Fails when they are still there after a while: long, because it ends as soon as they are not."""
    for _ in range(500):
        if not running(marker):
            return
        time.sleep(0.02)
    raise AssertionError(f"still running: {running(marker)}")


def marker_of(test):
    """A number of seconds that no other sleep on this machine has."""
    return f"{os.getpid()}.{abs(hash(test)) % 10 ** 6}"


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_every_revision(creel_bin, home, version):
    client = Client(creel_bin, home, home / "ws", version=version)
    assert client.hello["protocolVersion"] == version
    assert {t["name"] for t in client.ask("tools/list")["tools"]} == {
        "exec", "process", "read", "write", "edit", "apply_patch", "ls", "glob", "grep"}
    result = client.call("exec", command="echo $0; pwd")
    assert ("structuredContent" in result) == (version >= "2025-06-18")
    assert result["content"][0]["text"].endswith("/workspace")
    client.close()


def test_without_a_session(creel_bin, home):
    client = Client(creel_bin, home, home / "ws", version=None)
    found = client.ask("server/discover", **MODERN)
    assert found["supportedVersions"][0] == "2026-07-28" and found["resultType"] == "complete"
    result = client.ask("tools/call", name="exec", arguments={"command": "echo hi"}, **MODERN)
    assert result["structuredContent"]["aggregated"] == "hi"
    assert client.fails("tools/list")["code"] == -32600
    client.close()


def test_each_tool(client):
    assert client.text("write", path="d/f.txt", content="one\ntwo\n")
    assert client.text("read", path="d/f.txt") == "one\ntwo\n"
    assert client.text("edit", path="d/f.txt", oldText="two", newText="2")
    assert client.text("apply_patch", input=(
        "*** Begin Patch\n*** Add File: p\n+new\n*** End Patch"))
    assert client.text("ls") == "d/\np"
    assert client.call("glob", pattern="**/*.txt")["structuredContent"]["paths"] == ["d/f.txt"]
    assert client.text("grep", pattern="2") == "d/f.txt:2: 2"
    assert "(Command exited with code 3)" in client.text("exec", command="exit 3")
    session = client.call("exec", command="sleep 1000", background=True)["structuredContent"]["sessionId"]
    assert session in client.text("process", action="list")
    assert not client.call("process", action="kill", sessionId=session)["isError"]
    assert (client.workspace / "d/f.txt").read_text() == "one\n2\n"


def test_failures_are_for_the_model_or_for_the_client(client):
    missing = client.call("read", path="none")
    assert missing["isError"] and missing["structuredContent"]["error"]["type"] == "not_found"
    wrong = client.call("read", path=5)
    assert wrong["isError"] and wrong["structuredContent"]["error"]["type"] == "invalid_arguments"
    assert client.call("exec", command="nosuchcommand")["isError"]
    assert client.fails("tools/call", name="nope")["code"] == -32602
    assert client.fails("nope")["code"] == -32601


def test_image(client):
    (client.workspace / "i.png").write_bytes(png(3, 2))
    result = client.call("read", path="i.png")
    assert "structuredContent" not in result
    assert result["content"][1]["type"] == "image"
    assert base64.b64decode(result["content"][1]["data"]) == png(3, 2)


def test_policy_comes_first(creel_bin, home):
    config = ('{agents:{defaults:{sandbox:{mode:"all",workspaceAccess:"rw",backend:"native"}}},'
              'tools:{sandbox:{tools:{deny:["exec"]}}}}')
    client = Client(creel_bin, home, home / "ws", config=config)
    assert "exec" not in [t["name"] for t in client.ask("tools/list")["tools"]]
    refused = client.call("exec", command="true")
    row = refused["structuredContent"]["denied"][0]
    assert refused["isError"] and row["layer"] == "sandbox"
    assert row["fix"] and row["fix"][0] in refused["content"][0]["text"]
    told = client.wait_told("notifications/message")
    assert (told["level"], told["logger"], told["data"]["tool"]) == (
        "warning", "creel.policy", "exec")
    client.close()


def test_read_only_workspace(creel_bin, home):
    config = CONFIG.replace('"rw"', '"ro"')
    client = Client(creel_bin, home, home / "ws", config=config)
    assert not {"write", "edit", "apply_patch"} & {
        t["name"] for t in client.ask("tools/list")["tools"]}
    refused = client.call("write", path="x", content="")
    assert refused["structuredContent"]["denied"][0]["fix"] == [
        "agents.defaults.sandbox.workspaceAccess"]
    client.close()


def test_progress(client):
    handle = client.start("tools/call", name="exec", _meta={"progressToken": "p"},
                          arguments={"command": "echo one; read line < go; echo two"})
    os.mkfifo(client.workspace / "go")
    told = client.wait_told("notifications/progress")
    assert told == {"progressToken": "p", "progress": 4, "message": "one\n"}
    (client.workspace / "go").write_text("go\n")
    result = client.wait(handle)
    assert result["structuredContent"]["aggregated"] == "one\ntwo"
    counts = [m["params"]["progress"] for m in client.told if m["method"] == "notifications/progress"]
    assert counts in ([], [8])


def start_tree(client, marker):
    """A command whose grandchildren ignore SIGTERM; returns its id when they run."""
    handle = client.start("tools/call", name="exec", _meta={"progressToken": 1}, arguments={
        "command": f"trap '' TERM; (sleep {marker} & sleep {marker} & echo up; wait) & wait; sleep {marker}"})
    assert "up" in client.wait_told("notifications/progress")["message"]
    assert len(running(f"sleep {marker}")) >= 2
    return handle


def test_cancelling_kills_the_tree(client):
    marker = marker_of("cancel")
    handle = start_tree(client, marker)
    client.tell("notifications/cancelled", requestId=handle, reason="enough")
    wait_gone(f"sleep {marker}")
    assert client.text("exec", command="echo still here") == "still here"
    assert handle not in client.answers


@pytest.mark.parametrize("end", ["eof", "SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"])
def test_nothing_stays_behind(client, end):
    marker = marker_of(end)
    start_tree(client, marker)
    if end == "eof":
        client.proc.stdin.close()
    else:
        client.proc.send_signal(getattr(signal, end))
    status = client.proc.wait(timeout=60)
    assert status == (-signal.SIGKILL if end == "SIGKILL" else 0)
    wait_gone(f"sleep {marker}")


def bare(creel_bin, home):
    """A server whose pipes nobody but the test touches."""
    config = home / "c.json"
    config.write_text(CONFIG)
    (home / "ws").mkdir()
    return subprocess.Popen(
        [str(creel_bin), "mcp", "--config", str(config), "--workspace", str(home / "ws")],
        env={"HOME": str(home), "PATH": os.environ["PATH"]}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE)


def modern(method, progress=None, **params):
    meta = {**MODERN["_meta"], **({"progressToken": progress} if progress else {})}
    return json.dumps({"jsonrpc": "2.0", "id": method, "method": method,
                       "params": {**params, "_meta": meta}}).encode() + b"\n"


def test_a_client_that_does_not_listen_any_more(creel_bin, home):
    marker = marker_of("deaf")
    with bare(creel_bin, home) as proc:
        proc.stdin.write(modern("tools/call", name="exec", progress="p",
                                arguments={"command": f"sleep {marker} & echo up; wait"}))
        proc.stdin.flush()
        assert proc.stdout.readline() and running(f"sleep {marker}")
        proc.stdout.close()
        proc.stdin.write(modern("tools/list"))
        proc.stdin.flush()
        assert proc.wait(timeout=60) == 0
    wait_gone(f"sleep {marker}")


def test_a_client_that_never_reads(creel_bin, home):
    """Answers wait in the pipe and in memory, and then nothing more is taken from stdin."""
    proc = bare(creel_bin, home)
    os.set_blocking(proc.stdin.fileno(), False)
    request = modern("server/discover")
    taken = idle = 0
    while idle < 50:
        try:
            taken += os.write(proc.stdin.fileno(), request * 100)
            idle = 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.01)
    resident = int(open(f"/proc/{proc.pid}/statm", encoding="ascii").read().split()[1]) * 4096
    assert taken < 64 * 1024 * 1024 and resident < 64 * 1024 * 1024
    proc.kill()
    proc.wait()
    proc.stdin.close()
    proc.stdout.close()


def test_the_sandbox_dies_and_another_takes_its_place(client):
    pid = int(client.text("exec", command="echo $PPID"))
    assert pid == 1
    marker = marker_of("dies")
    handle = start_tree(client, marker)
    for sleeper in running(f"sleep {marker}"):
        # the first process of its namespace, seen from here
        init = int(sleeper)
        while True:
            parent = int(open(f"/proc/{init}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{init}/status", encoding="ascii") as status:
                inner = [l for l in status if l.startswith("NSpid")][0].split()[-1]
            if inner == "1":
                break
            init = parent
        os.kill(init, signal.SIGKILL)
        break
    lost = client.wait(handle)
    assert lost["isError"]
    assert client.text("exec", command="echo new") == "new"


def test_resources(client):
    (client.workspace / "sub").mkdir()
    (client.workspace / "sub/a é.md").write_text("# é\n")
    (client.workspace / "b.bin").write_bytes(b"\0\1\xff")
    (client.workspace / ".gitignore").write_text("hidden\n")
    (client.workspace / "hidden").write_text("h")
    (client.workspace / "@at").write_text("at")
    (client.workspace / "out").symlink_to("/etc/passwd")
    (client.workspace / "big").write_bytes(b"x" * (5 * 1024 * 1024 + 1))
    (client.workspace / "whole").write_bytes(b"x" * (5 * 1024 * 1024))
    listed = {r["uri"]: r for r in client.ask("resources/list")["resources"]}
    assert listed["workspace:///sub/a%20%C3%A9.md"]["mimeType"] == "text/markdown"
    assert "workspace:///hidden" not in listed

    def read(uri):
        return client.ask("resources/read", uri=uri)["contents"][0]

    assert read("workspace:///sub/a%20%C3%A9.md") == {
        "uri": "workspace:///sub/a%20%C3%A9.md", "mimeType": "text/markdown", "text": "# é\n"}
    assert base64.b64decode(read("workspace:///b.bin")["blob"]) == b"\0\1\xff"
    assert read("workspace:///hidden")["text"] == "h"
    assert read("workspace:///@at")["text"] == "at"
    assert len(read("workspace:///whole")["text"]) == 5 * 1024 * 1024
    assert client.fails("resources/read", uri="workspace:///none")["code"] == -32002
    for uri in ("workspace:///out", "workspace:///big", "workspace:///sub", "workspace:///../ws/b.bin",
                "workspace:////etc/passwd", "file:///etc/passwd"):
        assert client.fails("resources/read", uri=uri)["code"] in (-32602, -32603)
    assert client.ask("resources/templates/list")["resourceTemplates"][0]["uriTemplate"] == (
        "workspace:///{+path}")


def test_resources_under_policy(creel_bin, home):
    config = CONFIG[:-1] + ',tools:{deny:["read"]}}'
    client = Client(creel_bin, home, home / "ws", config=config)
    (client.workspace / "f").write_text("secret")
    for method, params in (("resources/list", {}), ("resources/read", {"uri": "workspace:///f"})):
        error = client.fails(method, **params)
        assert error["data"]["type"] == "denied" and error["data"]["denied"][0]["fix"]
    client.close()


def test_calls_run_side_by_side(client):
    os.mkfifo(client.workspace / "go")
    # Longer than the ten seconds after which a call would go on in the background.
    waits = [client.start("tools/call", name="exec", arguments={"command": f"echo {i}; read x < go", "yieldMs": 120000})
             for i in range(20)]
    assert client.ask("ping") == {}
    assert client.text("exec", command="echo first") == "first"
    client.text("exec", command="exec 3> go; yes go | head -40 >&3")
    assert [client.wait(h)["structuredContent"]["aggregated"] for h in waits] == [
        str(i) for i in range(20)]


def test_malformed_lines(client):
    client.send(b"\xff\xfe\n{\n" + b"[" * 100000 + b"\n\n   \n")
    assert [client.next_message()["error"]["code"] for _ in range(3)] == [-32700] * 3
    client.send(b'{"jsonrpc":"2.0","id":"' + b"y" * (65 * 1024 * 1024))
    client.send(b'"}\n')
    message = client.next_message()
    assert (message["id"], message["error"]["code"]) == (None, -32600)
    client.send(b'{"jsonrpc":"2.0","id":"last","method":"ping"}')
    client.send(b"\r\n")
    assert client.next_message() == {"jsonrpc": "2.0", "id": "last", "result": {}}


def test_large_results_and_arguments(client):
    content = "é\n" * (2 * 1024 * 1024)
    assert not client.call("write", path="big", content=content)["isError"]
    assert (client.workspace / "big").read_text() == content


def test_files_for_stdin_and_stdout(creel_bin, home):
    config = home / "c.json"
    config.write_text(CONFIG)
    (home / "ws").mkdir()
    (home / "in").write_text('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    with open(home / "in", "rb") as given, open(home / "out", "wb") as got:
        done = subprocess.run([str(creel_bin), "mcp", "--config", str(config), "--workspace",
                               str(home / "ws")], stdin=given, stdout=got, stderr=subprocess.PIPE,
                              env={"HOME": str(home), "PATH": os.environ["PATH"]}, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads((home / "out").read_text()) == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_errors_before_the_first_message(creel_bin, home):
    (home / "bad.json").write_text("{agents:5}")
    for args, status in ((["--config", str(home / "bad.json")], 1), (["--bogus"], 2),
                         (["--config", str(home / "none.json")], 1)):
        done = subprocess.run([str(creel_bin), "mcp", *args], stdin=subprocess.DEVNULL,
                              capture_output=True, env={"HOME": str(home)}, check=False)
        assert (done.returncode, done.stdout) == (status, b"") and done.stderr


def test_a_sandbox_that_cannot_start(creel_bin, home):
    """The server serves, every call says why not, and nothing runs unconfined."""
    config = CONFIG.replace('backend:"native"', 'backend:"native",docker:{binds:["%s:/x"]}' % (
        home / "ws/nowhere"))
    client = Client(creel_bin, home, home / "ws", config=config)
    refused = client.call("exec", command="touch here")
    assert refused["isError"] and "nowhere" in refused["content"][0]["text"]
    assert not (client.workspace / "here").exists()
    assert client.ask("ping") == {}
    client.close()


# --- with a gateway ---

def test_through_a_gateway(creel_bin, home, gateway):
    """One sandbox for all who speak for a session, whichever way they come."""
    client = Client(creel_bin, home, None)
    assert client.hello["protocolVersion"] == "2025-11-25"
    assert not client.call("write", path="f", content="by mcp")["isError"]
    assert gateway.text("exec", command="cat f") == "by mcp"
    assert client.ask("resources/read", uri="workspace:///f")["contents"][0]["text"] == "by mcp"
    handle = start_tree(client, marker_of("gateway cancel"))
    client.tell("notifications/cancelled", requestId=handle)
    wait_gone(f"sleep {marker_of('gateway cancel')}")
    content = "x" * (3 * 1024 * 1024)
    assert not client.call("write", path="big", content=content)["isError"]
    assert client.ask("resources/read", uri="workspace:///big")["contents"][0]["text"] == content
    other = Client(creel_bin, home, None, extra=["--session", "agent:main:another one/é?"])
    assert other.call("read", path="f")["isError"]
    client.close()
    other.close()


@pytest.mark.parametrize("end", ["eof", "SIGTERM", "SIGKILL"])
def test_a_client_of_a_gateway_takes_along_what_it_started(creel_bin, home, gateway, end):
    marker = marker_of("gateway " + end)
    client = Client(creel_bin, home, None)
    start_tree(client, marker)
    if end == "eof":
        client.close()
    else:
        client.proc.send_signal(getattr(signal, end))
        client.proc.wait(timeout=60)
    wait_gone(f"sleep {marker}")
    assert gateway.text("exec", command="echo on") == "on"


def test_a_gateway_that_goes_away(creel_bin, home, gateway):
    client = Client(creel_bin, home, None)
    gateway.process.kill()
    assert client.proc.wait(timeout=60) == 1
    assert b"the gateway went away" in client.proc.stderr.read()
    # and none that runs: its own sandbox, as before there was one
    gateway.process.wait()
    client = Client(creel_bin, home, None)
    assert client.text("exec", command="echo alone") == "alone"
    client.close()
