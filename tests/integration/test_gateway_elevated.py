"""Commands that leave the sandbox: every gate, a person's word, and directives of a session."""
import json
import os
import subprocess
import threading

import pytest

from gateway import ADMIN, Gateway, UnixConnection, wait_for

ALICE = {"provider": "telegram", "id": "1", "from": "telegram:1"}
MALLORY = {"provider": "telegram", "id": "666", "from": "telegram:666"}
TOKENS = [{"name": "admin", "token": ADMIN, "admin": True},
          {"name": "bot", "token": "bot", "elevated": True},
          {"name": "plain", "token": "plain"}]
HOST = "test -e /run/creel && echo inside || echo outside"


@pytest.fixture
def gateway(home):
    gateway = Gateway(home, tokens=TOKENS)
    gateway.extra = {"tools": {"elevated": {"enabled": True, "allowFrom": {"telegram": ["1"]}}}}
    gateway.write_config()
    gateway.start()
    yield gateway
    gateway.finish()


def run(gateway, token="bot", sender=ALICE, session="main", **args):
    return gateway.invoke("exec", {"command": HOST, **args}, session, token, sender=sender)


def outcome(answer):
    status, body = answer
    return body["result"]["content"][0]["text"] if status == 200 else body["error"]["type"]


def test_gates(gateway):
    assert outcome(run(gateway)) == "inside"
    assert outcome(run(gateway, elevated=True)) == "outside"
    assert outcome(run(gateway, sender=MALLORY, elevated=True)) == "denied"
    assert outcome(run(gateway, token="plain", elevated=True)) == "denied"
    gateway.extra["tools"]["elevated"]["enabled"] = False
    gateway.write_config()
    wait_for(lambda: outcome(run(gateway, elevated=True)) == "denied", "the reload")
    rows = (gateway.state / "audit.jsonl").read_text()
    assert '"action":"elevation.allowed"' in rows


def test_streams_and_statuses_of_the_host(gateway):
    status, body = gateway.invoke("exec", {"command": "echo out; echo err >&2; exit 4", "elevated": True},
                                  token="bot", sender=ALICE)
    assert status == 200, body
    assert body["result"]["details"]["exitCode"] == 4
    assert {"out", "err"} <= set(body["result"]["content"][0]["text"].splitlines())


def directive(gateway, text, token=None, sender=None):
    body = {"text": text, **({"sender": sender} if sender else {})}
    return gateway.request("POST", "/v1/sessions/main/directives", body, token)


def test_directives_only_from_authorised_senders(gateway):
    assert directive(gateway, "/elevated on", "bot", MALLORY)[0] == 403
    assert directive(gateway, "/elevated on", "plain", ALICE)[0] == 403  # the token may not
    assert directive(gateway, "/exec security=deny", "bot")[0] == 403  # on behalf of nobody
    assert directive(gateway, "/elevated sideways", "bot", ALICE)[0] == 400
    status, body = directive(gateway, "please /elevated on", "bot", ALICE)
    assert status == 200 and not body["result"]["effective"]
    assert outcome(run(gateway)) == "inside"
    status, body = directive(gateway, "/elevated full", "bot", ALICE)
    assert status == 200 and body["result"]["effective"], body
    assert outcome(run(gateway)) == "outside"
    assert outcome(run(gateway, elevated=False)) == "inside"
    assert outcome(run(gateway, session="other")) == "inside"
    status, body = gateway.request("GET", "/v1/explain?sessionKey=main")
    assert body["result"]["directives"] == {"elevated": "full"}
    assert directive(gateway, "/elevated off", "bot", ALICE)[0] == 200
    assert outcome(run(gateway)) == "inside"


def test_security_deny_holds_against_elevation(gateway):
    assert directive(gateway, "/exec security=deny")[0] == 200
    assert outcome(run(gateway, elevated=True)) == "denied"
    assert outcome(run(gateway)) == "inside"


def approvals(gateway):
    return gateway.request("GET", "/v1/approvals")[1]["result"]["approvals"]


@pytest.mark.parametrize("decision,expected", [("allow", "outside"), ("deny", "denied")])
def test_a_person_is_asked(gateway, decision, expected):
    assert directive(gateway, "/exec ask=always")[0] == 200
    answers = []
    thread = threading.Thread(target=lambda: answers.append(outcome(run(gateway, elevated=True))))
    thread.start()
    pending = wait_for(lambda: approvals(gateway), "the approval")
    assert pending[0]["command"] == HOST and pending[0]["requestedBy"] == "bot"
    assert gateway.request("GET", "/v1/approvals", token="bot")[0] == 403
    assert gateway.request("POST", f"/v1/approvals/{pending[0]['id']}", {"decision": decision}, "bot")[0] == 403
    assert not answers
    done = gateway.creel("approval", decision, pending[0]["id"])
    assert done.returncode == 0, done.stderr
    thread.join(30)
    assert answers == [expected]
    assert approvals(gateway) == []
    assert gateway.creel("approval", decision, pending[0]["id"]).returncode == 1


def test_nobody_answers(gateway):
    before = gateway.status()["configGeneration"]
    gateway.settings["approvalSeconds"] = 1
    gateway.write_config()
    wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")
    assert directive(gateway, "/exec ask=always")[0] == 200
    status, body = run(gateway, elevated=True)
    assert status != 200 and "nobody approved the command within 1 s" in body["error"]["message"]
    assert approvals(gateway) == []


# --- the command line ----------------------------------------------------------------------------

def elevated(gateway, *command, sender="telegram:1", **kwargs):
    return gateway.creel("exec", "--elevated", "--sender", sender, "--", *command, **kwargs)


def rows(gateway, kind):
    lines = (gateway.state / "audit.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def test_the_command_line_asks_the_gateway(gateway):
    done = elevated(gateway, "sh", "-c", HOST + "; cat; echo err >&2; pwd; exit 6", input="in\n")
    workspace = gateway.state / "workspace"
    assert (done.returncode, done.stderr) == (6, "err\n")
    assert done.stdout == f"outside\nin\n{workspace}\n"
    assert [row["sender"] for row in rows(gateway, "elevation")] == ["telegram:1"]
    call = wait_for(lambda: rows(gateway, "call"), "the row")[0]
    assert call["exit"] == 6 and call["backend"] == "host" and call["durationUs"] > 0
    assert elevated(gateway, "nosuch-command").returncode == 127
    # The session stays in its sandbox.
    assert gateway.creel("exec", "--", "sh", "-c", HOST).stdout == "inside\n"


def test_the_command_line_is_refused_by_directives(gateway):
    assert elevated(gateway, "true", sender="telegram:666").returncode == 125
    assert directive(gateway, "/exec security=deny")[0] == 200
    done = elevated(gateway, "true")
    assert done.returncode == 125 and "security=deny" in done.stderr


@pytest.mark.parametrize("decision,status", [("allow", 5), ("deny", 125)])
def test_the_command_line_waits_for_a_person(gateway, decision, status):
    assert directive(gateway, "/exec ask=always")[0] == 200
    with subprocess.Popen(gateway.creel_argv("exec", "--elevated", "--sender", "telegram:1", "--", "sh", "-c", "exit 5"),
                          env=gateway.env(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        pending = wait_for(lambda: approvals(gateway), "the approval")
        assert pending[0]["command"] == "exit 5"
        assert gateway.creel("approval", decision, pending[0]["id"]).returncode == 0
        assert client.wait(30) == status


def test_nobody_is_asked_for_a_command_line_that_is_gone(gateway):
    assert directive(gateway, "/exec ask=always")[0] == 200
    with subprocess.Popen(gateway.creel_argv("exec", "--elevated", "--sender", "telegram:1", "--", "true"),
                          env=gateway.env(), stdin=subprocess.DEVNULL) as client:
        wait_for(lambda: approvals(gateway), "the approval")
        client.kill()
    wait_for(lambda: not approvals(gateway), "the approval to go")


def test_without_an_answer_nothing_runs(gateway):
    """Neither when the gateway dies while a person is asked."""
    assert directive(gateway, "/exec ask=always")[0] == 200
    made = gateway.home / "made"
    with subprocess.Popen(gateway.creel_argv("exec", "--elevated", "--sender", "telegram:1", "--", "touch", made),
                          env=gateway.env(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as client:
        wait_for(lambda: approvals(gateway), "the approval")
        gateway.kill()
        assert client.wait(30) == 125 and "the gateway ended" in client.stderr.read()
    assert not made.exists()


def test_a_killed_command_line_takes_its_command_on_the_host_along(gateway):
    with subprocess.Popen(gateway.creel_argv("exec", "--elevated", "--sender", "telegram:1", "--", "sh", "-c",
                                             "echo $$; exec sleep 1000"), env=gateway.env(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as client:
        pid = int(client.stdout.readline())
        client.kill()
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the command to end")


@pytest.mark.parametrize("spawn", ["", "!", "AAAA", "A" * 4000])
def test_bad_frames_of_elevated_commands(gateway, spawn):
    connection = UnixConnection(gateway.state / "creel.sock", 30)
    connection.request("POST", "/v1/exec", json.dumps({"spawn": spawn, "sender": ALICE}), {
        "Content-Type": "application/json", "Connection": "Upgrade", "Upgrade": "creel-frames"})
    answer = connection.getresponse()
    assert answer.status == 400 and json.loads(answer.read())["error"]["type"] == "invalid_arguments"
    assert gateway.text("exec", command="echo fine") == "fine"


def test_explain_counts_directives_in(gateway):
    def explain(*options):
        done = gateway.creel("sandbox", "explain", "--sender", "telegram:1", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = json.loads(explain("--json"))
    assert "directives" not in before and "Directives" not in explain()
    assert directive(gateway, "/elevated full", "bot", ALICE)[0] == 200
    assert directive(gateway, "/exec ask=always")[0] == 200
    after = json.loads(explain("--json"))
    assert after["directives"] == {"elevated": "full", "exec": {"ask": "always"}}
    assert explain().endswith("Directives of this session:\n  /elevated full\n  /exec ask=always\n")
    assert "directives" not in json.loads(explain("--json", "--session", "other"))
