# SPDX-License-Identifier: MIT
"""Refusals as events, rows of the audit log and metrics; and those of commands in the background."""
import json

import pytest

from gateway import Gateway, UnixConnection
from test_denied import CALL, CONNECT, UNSHARE

WAITS = "{ until [ -e go ]; do sleep 0.02; done; false; }"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    g = Gateway(tmp_path_factory.mktemp("h"))
    g.sandbox["workspaceAccess"] = "rw"
    g.sandbox["docker"] = {"tmpfs": ["/tmp:size=1m"]}
    g.extra = {"tools": {"deny": ["browser"]}}
    g.write_config()
    g.start()
    yield g
    g.finish()


class Events:
    """The stream of events, from now on."""

    def __init__(self, gateway):
        self.connection = UnixConnection(gateway.state / "creel.sock", 30)
        self.connection.request("GET", "/v1/events")
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200

    def next(self, kind):
        while True:
            fields = {}
            while (line := self.answer.readline().decode().rstrip("\n")) != "":
                name, _, value = line.partition(": ")
                fields[name] = value
            if fields.get("event") == kind:
                return json.loads(fields["data"])

    def close(self):
        self.connection.close()


@pytest.fixture
def events(gateway):
    e = Events(gateway)
    yield e
    e.close()


def audited(gateway, **wanted):
    """Rows of the log about refusals whose detail has all that is wanted, oldest first."""
    done = gateway.creel("audit", "--kind", "denial", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [r for r in lines if all(r["detail"].get(k) == v for k, v in wanted.items())]


def test_a_command_that_is_waited_for(gateway, events):
    result = gateway.call("exec", command=CALL.format(code=UNSHARE, status=1))
    row, = result["details"]["denied"]
    event = events.next("denial")
    assert {k: event[k] for k in row} == row
    assert event["tool"] == "exec" and event["sessionKey"] == "agent:main:main"
    assert event["backend"] == "native" and event["sandbox"]
    logged = audited(gateway, what="system call unshare")[-1]
    assert logged["detail"] == row
    assert logged["rule"] == row["rule"] and logged["decision"] == "denied"
    assert logged["actor"] == "local" and logged["session"] == "agent:main:main"
    text = gateway.creel("audit", "--kind", "denial").stdout
    assert "layer=seccomp" in text and "reason=system call unshare" in text


def test_a_tool_that_policy_denies(gateway, events):
    status, body = gateway.invoke("browser", {"action": "status"})
    assert status == 404 and body["error"]["details"]["denied"], body
    row, = body["error"]["details"]["denied"]
    event = events.next("denial")
    assert event["source"] == "policy" and event["rule"] == row["rule"]
    assert audited(gateway, source="policy", what="browser")[-1]["detail"] == row


def test_a_file_tool(gateway, events):
    status, body = gateway.invoke("write", {"path": "/usr/x", "content": ""})
    assert status != 200, body
    event = events.next("denial")
    assert (event["source"], event["tool"], event["what"]) == ("file", "write", "writing to /usr/x")
    assert audited(gateway, source="file")[-1]["tool"] == "write"


def test_one_that_runs_in_the_background(gateway, events):
    command = f"mount x y; {CALL.split(chr(10))[0]}\n" + CONNECT.join(
        ["import ctypes, os, socket", "\nP\n"]) + WAITS
    started = gateway.call("exec", command=command, background=True)
    session = started["details"]["sessionId"]
    # While it runs: nobody has asked for anything.
    seen = {}
    while {"seccomp", "netns"} - set(seen):
        event = events.next("denial")
        assert event["processId"] == session and event["tool"] == "exec"
        seen[event["layer"]] = event
    assert seen["seccomp"]["what"] == "system call mount"
    polled = gateway.call("process", action="poll", sessionId=session)
    assert polled["details"]["status"] == "running"
    assert {r["layer"] for r in polled["details"]["denied"]} == {"seccomp", "netns"}
    assert "refused" not in polled["content"][0]["text"]
    logged = audited(gateway, processId=session)
    assert {r["detail"]["layer"] for r in logged} == {"seccomp", "netns"}
    assert logged[0]["actor"] == "gateway" and logged[0]["session"] == "agent:main:main"
    gateway.call("exec", command="touch go")
    ended = gateway.call("process", action="poll", sessionId=session, timeout=20000)
    assert ended["details"]["status"] == "failed"
    assert "(The sandbox refused: system call mount [seccomp]" in ended["content"][0]["text"]
    log = gateway.call("process", action="log", sessionId=session)
    assert {r["layer"] for r in log["details"]["denied"]} == {"seccomp", "netns"}
    # Each kind was told once.
    assert len(audited(gateway, processId=session)) == 2


def test_metrics_count_rules(gateway):
    def counts():
        connection = UnixConnection(gateway.state / "creel.sock", 30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return [line for line in text.splitlines() if line.startswith("creel_denials_total{")]

    gateway.call("exec", command="head -c 3000000 /dev/zero | dd of=/tmp/x bs=1M; rm /tmp/x; false")
    gateway.call("exec", command="mount x y")
    lines = counts()
    assert any('layer="seccomp"' in line for line in lines), lines
    full = next(line for line in lines if 'rule="docker.tmpfs: /tmp:size=1m"' in line)
    gateway.call("exec", command="dd if=/dev/zero of=/tmp/x bs=1M count=2; rm /tmp/x; false")
    again = next(line for line in counts() if 'rule="docker.tmpfs: /tmp:size=1m"' in line)
    assert int(again.split()[-1]) == int(full.split()[-1]) + 1


def test_what_succeeds_leaves_nothing(gateway):
    before = len(audited(gateway))
    gateway.call("exec", command="true; echo 'Read-only file system'")
    assert len(audited(gateway)) == before
