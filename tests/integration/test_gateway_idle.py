"""Sandboxes that the gateway holds: made anew when the configuration changed, given back when idle."""
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from gateway import Gateway, wait_for

HOUR = 3600


def mark(gateway, **more):
    gateway.call("exec", command="touch /tmp/mark", **more)


def is_marked(gateway, **more):
    return gateway.text("exec", command="test -e /tmp/mark && echo yes || echo no", **more) == "yes"


def change(gateway, pids):
    """Something that a running sandbox cannot take over; known when the gateway has read it."""
    before = gateway.status()["configGeneration"]
    gateway.sandbox["docker"] = {**gateway.sandbox.get("docker", {}), "pidsLimit": pids}
    gateway.write_config()
    wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")


def notice(result):
    return result["details"].get("notice")


def test_an_idle_sandbox_is_made_anew_after_a_change(either):
    gateway = either
    mark(gateway)
    change(gateway, 200)
    result = gateway.call("exec", command="test -e /tmp/mark && echo yes || echo no")
    assert result["content"][0]["text"] == "no" and notice(result) is None
    assert len(gateway.sandboxes()) == 1 and gateway.status()["sandboxes"] == 1


def test_a_change_of_something_else_leaves_it(gateway):
    mark(gateway)
    before = gateway.status()["configGeneration"]
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")
    assert is_marked(gateway)


def test_a_busy_one_stays_and_says_so(either):
    gateway = either
    mark(gateway)
    ident = gateway.call("exec", command="sleep 1000", background=True)["details"]["sessionId"]
    change(gateway, 200)
    for _ in range(2):
        result = gateway.call("exec", command="test -e /tmp/mark && echo yes || echo no")
        assert result["content"][0]["text"] == "yes"
        assert "creel sandbox recreate" in notice(result)
    change(gateway, 256)
    gateway.call("process", action="kill", sessionId=ident)
    wait_for(lambda: not is_marked(gateway), "a new sandbox")
    assert notice(gateway.call("exec", command="true")) is None


def test_going_back_keeps_it(gateway):
    change(gateway, 100)
    mark(gateway)
    gateway.call("exec", command="sleep 1000", background=True)
    change(gateway, 200)
    assert notice(gateway.call("exec", command="true"))
    change(gateway, 100)
    result = gateway.call("exec", command="test -e /tmp/mark && echo yes")
    assert result["content"][0]["text"] == "yes" and notice(result) is None


def test_a_call_at_work_keeps_it(gateway):
    mark(gateway)
    gateway.call("exec", command="mkfifo go")
    with subprocess.Popen([*gateway.creel_argv("exec", "--", "cat", "go")], env=gateway.env(), cwd=gateway.home,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as client:
        wait_for(lambda: "cat" in gateway.text("exec", command="cat /proc/[0-9]*/comm").split()[:-1], "the command")
        change(gateway, 200)
        assert notice(gateway.call("exec", command="echo on > go"))
        assert client.stdout.read() == "on\n"
    wait_for(lambda: not is_marked(gateway), "a new sandbox")


def test_a_configuration_without_a_sandbox_is_said(gateway):
    mark(gateway)
    before = gateway.status()["configGeneration"]
    gateway.sandbox.setdefault("docker", {})["binds"] = ["/etc:/etc2:ro"]
    gateway.write_config()
    wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")
    for _ in range(2):
        status, body = gateway.invoke("exec", {"command": "true"})
        assert status == 503 and "/etc" in body["error"]["message"], body
    del gateway.sandbox["docker"]["binds"]
    before = gateway.status()["configGeneration"]
    gateway.write_config()
    wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")
    assert is_marked(gateway)


@pytest.mark.parametrize("command", [["recreate", "--all", "--force"], ["rm", "--force", "NAME"]])
def test_what_the_command_line_takes_away(either, command):
    gateway = either
    mark(gateway)
    ident = gateway.call("exec", command="sleep 1000", background=True)["details"]["sessionId"]
    [name] = gateway.sandboxes()
    done = gateway.creel("sandbox", *[name if word == "NAME" else word for word in command])
    assert done.returncode == 0 and "1 removed, 0 failed" in done.stdout, done.stderr
    assert not is_marked(gateway)
    assert gateway.text("process", action="poll", sessionId=ident) == f"No session found for {ident}"
    [row] = rows(gateway, "remove")
    assert (row["sandbox"], row["actor"]) == (name, "local")


def rows(gateway, action):
    lines = (gateway.state / "audit.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if (row["kind"], row["action"]) == ("sandbox", action)]


def test_idle_ones_are_given_back(home, backend):
    gateway = Gateway(home, idleSeconds=1).use(backend)
    try:
        gateway.start()
        mark(gateway)
        mark(gateway, session="b")
        gateway.call("exec", session="b", command="sleep 1000", background=True)
        wait_for(lambda: gateway.status()["sandboxes"] == 1, "the idle one to be let go of")
        # It goes on, and is found again.
        assert is_marked(gateway) and is_marked(gateway, session="b")
        assert len(gateway.sandboxes()) == 2
    finally:
        gateway.finish()


def lock_of(gateway, name):
    """The lock of a sandbox: its time is when that was used last."""
    instance = hashlib.sha256(os.path.realpath(gateway.state).encode()).hexdigest()[:16]
    base = Path("/run") if os.getuid() == 0 else gateway.state / "run"
    return base / f"creel-{instance}" / name / "lock"


def age(gateway, name, hours):
    when = time.time() - hours * HOUR
    os.utime(lock_of(gateway, name), (when, when))
    # The registry's own time is of its making; the later of the two counts.
    with sqlite3.connect(gateway.state / "sandbox/registry.db") as registry:
        registry.execute("UPDATE sandboxes SET last_used_ms = ?", (int(when * 1000),))


def test_idle_ones_are_pruned_by_the_gateway(home, backend):
    gateway = Gateway(home, idleSeconds=1)
    gateway.sandbox["prune"] = {"idleHours": 2, "maxAgeDays": 0}
    gateway.use(backend)
    try:
        gateway.start()
        mark(gateway)
        wait_for(lambda: gateway.status()["sandboxes"] == 0, "it to be let go of")
        [name] = gateway.sandboxes()
        gateway.stop()
        age(gateway, name, 1)
        gateway.start()
        assert is_marked(gateway)  # not yet
        gateway.stop()
        age(gateway, name, 3)
        gateway.start()
        wait_for(lambda: gateway.sandboxes() == [], "the idle one to go")
        wait_for(lambda: rows(gateway, "prune"), "its row")
        [row] = rows(gateway, "prune")
        assert row["sandbox"] == name and row["actor"] == "gateway"
        # On request, too.
        mark(gateway)
        wait_for(lambda: gateway.status()["sandboxes"] == 0, "it to be let go of")
        assert gateway.creel("sandbox", "prune").stdout == "Done: 0 removed, 0 failed\n"
        age(gateway, name, 3)
        assert gateway.creel("sandbox", "prune").stdout == f"Removed {name}\nDone: 1 removed, 0 failed\n"
        assert rows(gateway, "remove")[0]["sandbox"] == name
    finally:
        gateway.finish()
