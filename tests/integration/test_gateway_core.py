"""The gateway's two processes: who may call what, and where a call runs."""
import json
import os
import signal

import pytest

from gateway import ADMIN, Gateway, wait_for
from life import keepers_of


@pytest.fixture
def gateway(home):
    gateway = Gateway(home)
    yield gateway
    gateway.finish()


def test_a_call_runs_in_a_sandbox_that_stays(backend, gateway):
    gateway.use(backend).start()
    assert gateway.text("exec", command="echo hi > kept; hostname") != ""
    result = gateway.call("exec", command="cat kept")
    assert result["content"][0]["text"] == "hi"
    assert result["details"]["sandbox"]["backend"] == backend.name
    gateway.call("write", path="dir/written", content="by a tool\n")
    assert gateway.text("exec", command="cat dir/written") == "by a tool"
    ident = gateway.call("exec", command="read line; echo got $line", background=True)["details"]["sessionId"]
    gateway.call("process", action="write", sessionId=ident, data="this\n")
    wait_for(lambda: "got this" in gateway.text("process", action="log", sessionId=ident), "its answer")
    assert gateway.status()["sandboxes"] == 1
    assert gateway.stop() == 0
    gateway.start()
    assert gateway.text("exec", command="cat kept") == "hi"
    assert gateway.text("read", path="dir/written") == "by a tool\n"
    assert len(gateway.sandboxes()) == 1


TOKENS = [
    {"name": "admin", "token": ADMIN, "admin": True},
    {"name": "narrow", "token": "narrow", "agents": ["main"], "sessions": ["agent:main:team-*"],
     "tools": ["group:fs"]},
]


@pytest.mark.parametrize("token,tool,session,expected", [
    (None, "exec", "main", 200),  # the unix socket's owner
    (ADMIN, "exec", "main", 200),
    ("narrow", "read", "main", 403),
    ("narrow", "read", "team-a", 404),  # there is no such file
    ("narrow", "exec", "team-a", 404),  # as if it were not there
    ("wrong", "read", "team-a", 401),
    ("", "read", "team-a", 401),
])
def test_tokens(home, token, tool, session, expected):
    gateway = Gateway(home, tokens=TOKENS)
    try:
        gateway.start()
        args = {"command": "true"} if tool == "exec" else {"path": "nothing-there"}
        status, body = gateway.invoke(tool, args, session, token)
        assert status == expected, body
    finally:
        gateway.finish()


def test_a_refused_call_starts_nothing(home):
    gateway = Gateway(home, tokens=TOKENS)
    try:
        gateway.start()
        assert gateway.invoke("exec", {"command": "true"}, "team-a", "narrow")[0] == 404
        assert gateway.invoke("no_such_tool", {}, "team-a", ADMIN)[0] == 404
        assert gateway.status()["sandboxes"] == 0
    finally:
        gateway.finish()


def test_without_tokens_one_is_made(home):
    gateway = Gateway(home, tokens=[])
    try:
        gateway.start()
        path = gateway.state / "gateway-token"
        assert path.stat().st_mode & 0o777 == 0o600
        token = path.read_text().strip()
        assert len(token) == 64
        assert gateway.request("GET", "/v1/status", token=token, tcp=True)[0] == 200
        assert gateway.request("GET", "/v1/status", token=token[:-1], tcp=True)[0] == 401
        gateway.stop()
        gateway.start()
        assert path.read_text().strip() == token
    finally:
        gateway.finish()


def test_one_gateway_per_state_directory(gateway):
    gateway.start()
    second = Gateway(gateway.home)
    second.start(check=False)
    assert second.process.wait(10) == 1
    assert "a gateway runs already" in second.said()
    assert gateway.status()["pid"] == gateway.process.pid


def test_rows_of_the_audit_log(gateway):
    gateway.start()
    gateway.call("exec", command="exit 3")
    gateway.invoke("exec", {"command": "true"}, token="wrong")
    gateway.stop()
    rows = [json.loads(line) for line in (gateway.state / "audit.jsonl").read_text().splitlines()]
    call = next(row for row in rows if row["kind"] == "call")
    assert (call["tool"], call["exit"], call["actor"]) == ("exec", 3, "local")
    assert call["session"] == "agent:main:main" and call["durationUs"] > 0
    assert any(row["action"] == "refused" and row["actor"] == "nobody" for row in rows)


def test_a_socket_path_that_is_too_long(home):
    path = home / ("long" * 25)
    gateway = Gateway(home, socket=str(path)).start(check=False)
    assert gateway.process.wait(30) == 1
    said = gateway.said()
    assert str(path) in said and "107 bytes" in said and "set gateway.socket" in said


def test_only_the_first_call_needs_the_broker(gateway):
    """A caller who was granted a sandbox works on while the broker stands still."""
    gateway.start()
    gateway.call("exec", command="echo x > file")
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        assert gateway.text("exec", command="cat file") == "x"
        assert gateway.text("read", path="file") == "x\n"
        assert gateway.call("edit", path="file", oldText="x", newText="y")
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    assert gateway.text("exec", session="another", command="echo new") == "new"


def log_lines(gateway):
    return [json.loads(line) for line in gateway.log.read_text().splitlines()]


def test_the_log_as_json(home):
    gateway = Gateway(home, log="json")
    gateway.sandbox["docker"] = {"binds": ["/etc:/etc2"]}  # refused when it is started
    gateway.write_config()
    try:
        gateway.start()
        assert gateway.invoke("exec", {"command": "true"})[0] == 503
        os.kill(gateway.front(), signal.SIGKILL)
        gateway.wait_ready()
        failed = [line for line in log_lines(gateway) if "sandbox" in line]
        assert failed and "/etc" in failed[0]["message"] and failed[0]["level"] == "warning"
        for line in log_lines(gateway):
            assert line["program"] == "creel-gateway" and line["pid"] == gateway.process.pid
            assert line["level"] in ("error", "warning", "info") and line["time"].endswith("Z")
        assert any(line["level"] == "error" and "the front ended (signal 9)" in line["message"]
                   for line in log_lines(gateway))
        # The front alone sees that its sandbox is gone.
        gateway.sandbox["docker"] = {}
        before = gateway.status()["configGeneration"]
        gateway.write_config()
        wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")
        gateway.call("exec", command="true")
        [keeper] = keepers_of(gateway.state)
        os.kill(keeper, signal.SIGKILL)
        line = wait_for(lambda: [line for line in log_lines(gateway) if line["program"] == "creel-front"],
                        "the front's line")[0]
        assert line["level"] == "info" and line["sandbox"] in line["message"]
        assert line["pid"] == gateway.front()
    finally:
        gateway.stop()
        log_lines(gateway)
        gateway.finish()
