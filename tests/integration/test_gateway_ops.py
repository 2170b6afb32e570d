"""What an operator asks of the gateway: its sandboxes, its log, its figures, whether it is well."""
import json
import re
import signal
import socket

import pytest

from gateway import ADMIN, Gateway, UnixConnection, wait_for

TOKENS = [{"name": "admin", "token": ADMIN, "admin": True},
          {"name": "team", "token": "team", "sessions": ["agent:main:team-*"]}]


@pytest.fixture
def gateway(home):
    gateway = Gateway(home, tokens=TOKENS)
    gateway.start()
    yield gateway
    gateway.finish()


def names(answer):
    status, body = answer
    assert status == 200, body
    return sorted(s["containerName"] for s in body["result"]["sandboxes"])


def test_sandboxes_are_listed_and_removed(gateway):
    gateway.call("exec", session="team-a", command="true")
    gateway.call("exec", session="other", command="true")
    every = names(gateway.request("GET", "/v1/sandboxes"))
    assert every == gateway.sandboxes() and len(every) == 2
    # A token sees what it reaches, and touches nothing else.
    [mine] = names(gateway.request("GET", "/v1/sandboxes", token="team"))
    [others] = set(every) - {mine}
    status, body = gateway.request("DELETE", f"/v1/sandboxes/{others}", token="team")
    assert status == 403, body
    status, body = gateway.request("DELETE", f"/v1/sandboxes/{mine}")
    assert status == 200 and body["result"]["removed"] == [mine], body
    assert gateway.request("DELETE", f"/v1/sandboxes/{mine}")[0] == 404
    assert gateway.sandboxes() == [others]
    assert gateway.text("exec", session="team-a", command="echo anew") == "anew"


def test_recreate_takes_one_kind_of_filter(gateway):
    gateway.call("exec", session="a", command="true")
    gateway.call("exec", session="b", command="true")
    for body in [{}, {"all": True, "agentId": "main"}, {"sessionKey": "a", "agentId": "main"}]:
        assert gateway.request("POST", "/v1/sandboxes/recreate", body)[0] == 400, body
    status, body = gateway.request("POST", "/v1/sandboxes/recreate", {"sessionKey": "a"})
    assert status == 200 and len(body["result"]["removed"]) == 1, body
    assert len(gateway.sandboxes()) == 1
    status, body = gateway.request("POST", "/v1/sandboxes/recreate", {"all": True})
    assert status == 200 and len(body["result"]["removed"]) == 1, body
    assert gateway.sandboxes() == []
    assert gateway.request("POST", "/v1/sandboxes/prune", {}, token="team")[0] == 403
    status, body = gateway.request("POST", "/v1/sandboxes/prune", {})
    assert status == 200 and body["result"]["removed"] == [], body


def test_every_call_is_a_row_of_a_whole_chain(gateway):
    gateway.call("exec", session="a", command="exit 3")
    gateway.invoke("exec", {"command": "true"}, "main", "wrong")
    gateway.invoke("browser", {"action": "status"}, "a")
    gateway.request("DELETE", f"/v1/sandboxes/{gateway.sandboxes()[0]}")
    rows = gateway.request("GET", "/v1/audit?limit=1000")[1]["result"]["rows"]
    call = next(r for r in rows if r["kind"] == "call" and r.get("tool") == "exec")
    assert call["exit"] == 3 and call["session"] == "agent:main:a" and call["durationUs"] > 0
    assert call["decision"] == "allowed" and call["backend"] == "native" and call["actor"] == "local"
    assert any(r["action"] == "refused" and r["decision"] == "deny" for r in rows)
    assert any(r["kind"] == "sandbox" and r["action"] == "remove" for r in rows)
    only = gateway.request("GET", "/v1/audit?sessionKey=a")[1]["result"]["rows"]
    assert only and all(r["session"] == "agent:main:a" for r in only)
    later = gateway.request("GET", f"/v1/audit?after={only[0]['seq']}&limit=1")[1]["result"]["rows"]
    assert [r["seq"] for r in later] == [only[0]["seq"] + 1]
    assert gateway.request("GET", "/v1/audit", token="team")[0] == 403
    verdict = json.loads(gateway.creel("audit", "verify", "--json").stdout)
    assert verdict["ok"] and verdict["rows"] >= len(rows)
    printed = gateway.creel("audit", "--session", "agent:main:a", "--kind", "call", "--tool", "exec",
                           "--json").stdout
    assert [json.loads(line)["seq"] for line in printed.splitlines()] == [call["seq"]]
    log = (gateway.state / "audit.jsonl").read_text()
    (gateway.state / "audit.jsonl").write_text(log.replace('"exit":3', '"exit":0'))
    broken = gateway.creel("audit", "verify")
    assert broken.returncode == 1 and "changed" in broken.stderr
    (gateway.state / "audit.jsonl").write_text(log)


def metrics(gateway):
    connection = UnixConnection(gateway.state / "creel.sock", 30)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/plain")
    return answer.read().decode()


def value(text, series):
    found = re.search(rf"^{re.escape(series)} (\d+)$", text, re.M)
    return int(found[1]) if found else None


def test_figures_for_prometheus(gateway):
    gateway.call("exec", session="a", command="true")
    gateway.call("exec", session="a", command="true")
    gateway.invoke("read", {"path": "nothing-there"}, "a")
    text = wait_for(lambda: (t := metrics(gateway)) and value(
        t, 'creel_calls_total{tool="read",outcome="not_found"}') == 1 and t, "the call to be counted")
    assert value(text, 'creel_calls_total{tool="exec",outcome="ok"}') == 2
    assert value(text, 'creel_call_duration_seconds_count{tool="exec"}') == 2
    assert value(text, 'creel_sandboxes_held') == 1
    assert value(text, "creel_sessions") is not None
    names_seen = set()
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) .+|[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? -?[0-9.e+]+', line), line
        if line.startswith("# TYPE"):
            assert line.split()[2] not in names_seen, f"twice: {line}"
            names_seen.add(line.split()[2])
    status, _ = gateway.request("GET", "/v1/status", token="team")
    assert status == 403


def test_a_service_manager_is_told(home, monkeypatch):
    path = home / "notify"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(path))
    manager.settimeout(20)
    monkeypatch.setattr("gateway.BASE_ENV", {**__import__("support").BASE_ENV, "NOTIFY_SOCKET": str(path),
                                             "WATCHDOG_USEC": "400000"})
    gateway = Gateway(home)
    heard = []

    def hear(wanted):
        while wanted not in heard:
            heard.append(manager.recv(4096).decode())

    try:
        gateway.start()
        hear("READY=1")
        hear("WATCHDOG=1")
        heard.clear()
        gateway.process.send_signal(signal.SIGHUP)
        hear("RELOADING=1")
        heard.remove("RELOADING=1")
        hear("READY=1")
        assert gateway.stop() == 0
        hear("STOPPING=1")
    finally:
        monkeypatch.undo()
        gateway.finish()
