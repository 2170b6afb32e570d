"""Each decision, call, denial, elevation and step of a sandbox's life is one row."""
import hashlib
import json
import os
import signal
import subprocess

import pytest

import gateway as gateway_module
from gateway import ADMIN, Gateway, wait_for

TOKENS = [{"name": "admin", "token": ADMIN, "admin": True},
          {"name": "bot", "token": "bot", "elevated": True, "sessions": ["agent:main:main"]}]
ALICE = {"provider": "telegram", "id": "1", "from": "telegram:1"}
MALLORY = {"provider": "telegram", "id": "2", "from": "telegram:2"}


@pytest.fixture
def gateway(home):
    gateway = Gateway(home, tokens=TOKENS)
    gateway.extra = {"tools": {"elevated": {"enabled": True, "allowFrom": {"telegram": ["1"]}},
                               "deny": ["apply_patch"]}}
    gateway.write_config()
    gateway.start()
    yield gateway
    gateway.finish()


def rows(gateway, kind, action=None):
    every = map(json.loads, (gateway.state / "audit.jsonl").read_text().splitlines())
    return [row for row in every if row["kind"] == kind and action in (None, row["action"])]


def one(gateway, kind, action=None):
    """The only row of that kind, which may still be on its way."""
    [row] = wait_for(lambda: rows(gateway, kind, action), f"the row {kind} {action}")
    return row


def test_calls(gateway):
    text = "x" * 1000
    gateway.call("write", token="bot", sender=ALICE, path="file", content=text)
    row = one(gateway, "call", "write")
    assert (row["actor"], row["sender"], row["agent"], row["session"], row["tool"]) == (
        "bot", "telegram:1", "main", "agent:main:main", "write")
    assert row["backend"] == "native" and row["sandbox"] == gateway.sandboxes()[0]
    assert row["decision"] == "allowed" and row["durationUs"] > 0 and row["bytesIn"] == 1004
    gateway.call("read", path="file")
    assert one(gateway, "call", "read")["bytesOut"] == 1000
    gateway.call("exec", command="printf 12345; exit 3")
    row = one(gateway, "call", "exec")
    assert (row["exit"], row["bytesOut"], row["actor"]) == (3, 5, "local")
    ident = gateway.call("exec", command="cat", background=True)["details"]["sessionId"]
    gateway.call("process", action="kill", sessionId=ident)
    row = one(gateway, "call", "kill")
    assert row["tool"] == "process"
    assert gateway.invoke("read", {"path": "nothing"})[0] == 404
    row = wait_for(lambda: rows(gateway, "call", "read")[1:], "the failure")[0]
    assert (row["decision"], row["reason"]) == ("failed", "not_found")


def test_denials_of_policy(gateway):
    assert gateway.invoke("apply_patch", {"input": "x"})[0] in (403, 404)
    row = one(gateway, "call", "apply_patch")
    assert row["decision"] == "denied" and row["rule"] and row["actor"] == "local"


def test_who_does_not_get_in(gateway):
    assert gateway.invoke("exec", {"command": "true"}, token="wrong")[0] == 401
    row = one(gateway, "gateway", "refused")
    assert (row["actor"], row["decision"], row["rule"]) == ("nobody", "deny", "token")
    assert gateway.invoke("exec", {"command": "true"}, "other", token="bot")[0] == 403
    assert gateway.request("GET", "/v1/approvals", token="bot")[0] == 403
    assert gateway.request("GET", "/v1/explain?sessionKey=other", token="bot")[0] == 403
    refused = wait_for(lambda: rows(gateway, "gateway", "refused")[3:] and rows(gateway, "gateway", "refused"),
                       "the refusals")
    assert [row["actor"] for row in refused[1:]] == ["bot"] * 3
    assert [row.get("detail") for row in refused[2:]] == [{"op": "approval.list"}, {"op": "explain"}]
    assert all(row["rule"] == "gateway.tokens" for row in refused[1:])


def test_elevations_and_approvals(gateway):
    gateway.call("exec", token="bot", sender=ALICE, command="exit 4", elevated=True)
    row = one(gateway, "elevation", "elevation.allowed")
    assert (row["actor"], row["sender"], row["tool"]) == ("bot", "telegram:1", "exec")
    assert one(gateway, "call", "exec")["exit"] == 4
    assert gateway.invoke("exec", {"command": "true", "elevated": True}, token="bot", sender=MALLORY)[0] in (403, 404)
    refused = wait_for(lambda: rows(gateway, "call", "exec")[1:], "the refusal")[0]
    assert (refused["sender"], refused["decision"], refused["reason"]) == ("telegram:2", "denied", "denied")
    assert gateway.request("POST", "/v1/sessions/main/directives", {"text": "/exec ask=always"})[0] == 200
    assert one(gateway, "session", "directive")["detail"] == {"exec": {"ask": "always"}}
    assert gateway.request("POST", "/v1/sessions/main/directives", {"text": "/exec security=deny"})[0] == 200
    assert gateway.creel("exec", "--elevated", "--sender", "telegram:1", "--", "true").returncode == 125
    row = one(gateway, "elevation", "elevation.denied")
    assert (row["sender"], row["rule"]) == ("telegram:1", "tools.exec.security")
    assert gateway.request("POST", "/v1/sessions/main/directives", {"text": "/exec security=full"})[0] == 200
    argv = gateway.creel_argv("exec", "--elevated", "--sender", "telegram:1", "--", "true")
    pid = os.posix_spawn(argv[0], argv, gateway.env())
    asked = one(gateway, "approval", "approval.requested")
    assert asked["detail"]["command"] == "true"
    assert gateway.creel("approval", "deny", asked["detail"]["id"]).returncode == 0
    assert os.waitpid(pid, 0)[1] != 0
    assert one(gateway, "approval", "approval.denied")["decision"] == "denied"
    body = {"text": "/exec security=full", "sender": MALLORY}
    assert gateway.request("POST", "/v1/sessions/main/directives", body, "bot")[0] == 403
    assert rows(gateway, "session", "directive")[-1]["decision"] == "denied"


def test_the_life_of_sandbox_session_and_gateway(gateway):
    gateway.call("exec", command="true")
    created = one(gateway, "sandbox", "sandbox.created")
    assert created["backend"] == "native" and created["durationUs"] > 0 and created["actor"] == "local"
    assert one(gateway, "session", "begin")["session"] == "agent:main:main"
    os.kill(gateway.front(), signal.SIGKILL)
    gateway.wait_ready()
    assert one(gateway, "gateway", "front.ended")["detail"] == {"how": "signal", "number": 9}
    assert one(gateway, "sandbox", "sandbox.released")["sandbox"] == created["sandbox"]
    gateway.call("exec", command="sleep 1000", background=True)
    assert one(gateway, "sandbox", "sandbox.started")["sandbox"] == created["sandbox"]
    before = gateway.status()["configGeneration"]
    gateway.sandbox["docker"] = {"pidsLimit": 100}
    gateway.write_config()
    wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")
    assert one(gateway, "config", "reload")["decision"] == "allowed"
    gateway.call("exec", command="true")
    assert one(gateway, "sandbox", "sandbox.outdated")["decision"] == "kept"
    assert gateway.request("DELETE", f"/v1/sandboxes/{created['sandbox']}", token=ADMIN)[0] == 200
    assert one(gateway, "sandbox", "remove")["actor"] == "admin"
    assert gateway.request("DELETE", "/v1/sessions/main")[0] == 200
    assert one(gateway, "session", "end")["actor"] == "local"
    gateway.sandbox["docker"] = {"binds": ["/etc:/etc2"]}
    gateway.write_config()
    wait_for(lambda: gateway.status()["configGeneration"] > before + 1, "the reload")
    assert gateway.invoke("exec", {"command": "true"})[0] == 503
    assert "/etc" in one(gateway, "sandbox", "sandbox.failed")["reason"]
    gateway.stop()
    assert one(gateway, "gateway", "start") and one(gateway, "gateway", "stop")
    assert gateway.creel("audit", "verify").returncode == 0


def test_it_is_followed(gateway):
    gateway.call("exec", command="true")
    one(gateway, "call")
    argv = gateway.creel_argv("audit", "--follow", "--json", "--kind", "call")
    with subprocess.Popen(argv, env=gateway.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reader:
        try:
            assert json.loads(reader.stdout.readline())["tool"] == "exec"
            gateway.call("write", path="a\nb", content='{"kind":"call"}\n')
            row = json.loads(reader.stdout.readline())
            assert row["tool"] == "write" and row["prev"]
        finally:
            reader.kill()


SECRETS = {"of-the-env": "Hunter22envvalue", "of-a-file": "Filetoken-4711", "admin": "Adm1n-t0ken-x",
           "hashed": "known-by-hash-only", "wrong": "nobody-knows-this", "url": "urlpassw0rd",
           "process": "inherited-s3cret", "later": "after-the-reload"}


def test_secrets_leave_no_trace(home, monkeypatch):
    monkeypatch.setitem(gateway_module.BASE_ENV, "PROCESS_SECRET", SECRETS["process"])
    token_file = home / "token"
    token_file.write_text(SECRETS["of-a-file"] + "\n")
    gateway = Gateway(home, tokens=[
        {"name": "admin", "token": SECRETS["admin"], "admin": True},
        {"name": "file", "tokenFile": str(token_file)},
        {"name": "hash", "tokenSha256": hashlib.sha256(SECRETS["hashed"].encode()).hexdigest()}])
    gateway.sandbox["docker"] = {"env": {
        "SKILL_API_KEY": SECRETS["of-the-env"], "DB": f"postgres://me:{SECRETS['url']}@db/x"}}
    gateway.extra = {"tools": {"elevated": {"enabled": True, "allowFrom": {"telegram": ["1"]}}}}
    gateway.write_config()
    try:
        gateway.start()
        before = gateway.status()["configGeneration"]
        gateway.sandbox["docker"]["env"]["LATER_TOKEN"] = SECRETS["later"]
        gateway.write_config()
        wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")
        for name, secret in SECRETS.items():
            command = {"command": f"true {secret}"}
            status, _ = gateway.invoke("exec", command, session=f"by-{secret}", token=secret)
            assert status == (200 if name in ("admin", "of-a-file", "hashed") else 401)
            if name in ("hashed", "wrong"):
                continue  # known from the call alone that brings them
            gateway.call("exec", **command)
            gateway.invoke(f"tool-{secret}", {}, session=f"s-{secret}")
            assert gateway.invoke("read", {"path": secret}, session=f"s-{secret}")[0] == 404
            assert gateway.invoke("exec", {**command, "elevated": True}, token=SECRETS["admin"],
                                  sender=ALICE)[0] == 200
    finally:
        gateway.finish()
    assert any("***" in row["session"] for row in rows(gateway, "call") if "session" in row)
    assert rows(gateway, "elevation")
    for place in (gateway.state / "audit.jsonl", gateway.log):
        text = place.read_text().lower()
        for name, secret in SECRETS.items():
            assert secret.lower() not in text, (place, name)
    assert gateway.creel("audit", "verify").returncode == 0
