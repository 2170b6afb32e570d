"""Sessions that no sandbox holds: their tools work on the host, as the configuration says."""
import os

import pytest

from gateway import Gateway, wait_for

WHERE = "test -e /run/creel && echo inside || echo outside"


@pytest.fixture
def gateway(home):
    gateway = Gateway(home)
    gateway.sandbox = {"mode": "off"}
    gateway.write_config()
    gateway.start()
    yield gateway
    gateway.finish()


def test_everything_is_off(gateway):
    result = gateway.call("exec", command=f"{WHERE}; pwd; echo hi > made")
    workspace = gateway.state / "workspace"
    assert result["content"][0]["text"].splitlines() == ["outside", str(workspace)]
    assert "sandbox" not in result["details"]
    assert (workspace / "made").read_text() == "hi\n"
    assert gateway.text("read", path="made") == "hi\n"
    gateway.call("write", path="other", content="x")
    assert gateway.text("ls") and (workspace / "other").read_text() == "x"
    assert gateway.sandboxes() == []
    ident = gateway.call("exec", command="cat", background=True)["details"]["sessionId"]
    gateway.call("process", action="write", sessionId=ident, data="said\n", eof=True)
    ended = wait_for(lambda: (r := gateway.call("process", action="poll", sessionId=ident)["details"])
                     and r.get("exitCode") == 0 and r, "its end")
    assert ended["status"] == "completed"


def test_the_main_session_alone(gateway):
    gateway.sandbox = {"mode": "non-main", "backend": "native", "workspaceAccess": "none"}
    gateway.write_config()
    wait_for(lambda: gateway.text("exec", session="other", command=WHERE) == "inside", "the new mode")
    assert gateway.text("exec", command=WHERE) == "outside"
    assert len(gateway.sandboxes()) == 1


def first_line(gateway, ident, session="main"):
    def look():
        text = gateway.call("process", session=session, action="log", sessionId=ident)["content"][0]["text"]
        return text[:1].isdigit() and text.splitlines()[0]
    return wait_for(look, "what it prints")


def test_the_mode_is_changed_meanwhile(gateway):
    """What runs on the host goes on until it ends; calls from then on are the sandbox's."""
    ident = gateway.call("exec", command="echo $$; exec sleep 1000", background=True)["details"]["sessionId"]
    pid = int(first_line(gateway, ident))
    gateway.sandbox = {"mode": "all", "backend": "native", "workspaceAccess": "none"}
    gateway.write_config()
    wait_for(lambda: gateway.text("exec", command=WHERE) == "inside", "the new mode")
    assert os.path.exists(f"/proc/{pid}")
    assert gateway.request("DELETE", "/v1/sessions/main")[0] == 200
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "what was left of the session to end")


def test_nothing_on_the_host_outlives_the_gateway(gateway):
    pids = []
    for session in ("a", "b"):
        ident = gateway.call("exec", session=session, command="echo $$; sleep 1000 & wait",
                             background=True)["details"]["sessionId"]
        pids.append(int(first_line(gateway, ident, session)))
    gateway.kill()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "orphans to end")
    gateway.start()
    assert gateway.text("exec", session="a", command="echo again") == "again"
