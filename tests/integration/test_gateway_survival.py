"""KILL to either process of the gateway, or both, at any moment: what is in the sandboxes stays."""
import os
import random
import re
import signal

import pytest

from docker_fixtures import Backend
from gateway import Gateway, wait_for

# Prints without end what can be checked; ends when it is told to, with a status of its own.
PRINTER = "i=0; while [ ! -e stop-$0 ]; do echo $0-$i; i=$((i+1)); sleep 0.01; done; echo $0-end; exit 7"


@pytest.fixture
def gateway(home):
    gateway = Gateway(home)
    gateway.start()
    yield gateway
    gateway.finish()


@pytest.fixture
def either(home, backend):
    """Natively and, where there is an engine, in containers."""
    gateway = Gateway(home).use(backend)
    gateway.start()
    yield gateway
    gateway.finish()


def kill_front(gateway):
    os.kill(gateway.front(), signal.SIGKILL)
    gateway.wait_ready()


def kill_broker(gateway):
    front = gateway.front()
    gateway.kill()
    wait_for(lambda: not os.path.exists(f"/proc/{front}"), "the front to follow its broker")
    gateway.start()


def kill_both(gateway):
    front = gateway.front()
    gateway.process.kill()
    os.kill(front, signal.SIGKILL)
    gateway.process.wait(30)
    gateway.start()


def poll(gateway, ident, session="main"):
    return gateway.call("process", session=session, action="log", sessionId=ident, offset=0, limit=100000)


def sessions(gateway, session="main"):
    return {s["sessionId"]: s for s in gateway.call("process", session=session, action="list")["details"]["sessions"]}


def assert_contiguous(text, name):
    numbers = [int(n) for n in re.findall(rf"^{name}-(\d+)$", text, re.M)]
    assert numbers and numbers == list(range(len(numbers)))


@pytest.mark.parametrize("kill", [kill_front, kill_broker, kill_both])
def test_processes_and_output_outlive_the_gateway(either, kill):
    gateway = either
    command = "for n in 1 2 3; do echo line $n; done; echo err >&2; cat >/dev/null < fifo; exit 7"
    gateway.call("exec", command="mkfifo fifo")
    ident = gateway.call("exec", command=command, background=True)["details"]["sessionId"]
    done = gateway.call("exec", command="echo over; exit 3", background=True)["details"]["sessionId"]
    wait_for(lambda: sessions(gateway)[done]["status"] == "failed", "the second to end")
    kill(gateway)
    after = sessions(gateway)
    assert set(after) == {ident, done}
    assert after[ident]["status"] == "running" and after[ident]["command"] == command
    assert after[done]["status"] == "failed"
    assert poll(gateway, ident)["content"][0]["text"].splitlines()[:4] == ["line 1", "line 2", "line 3", "err"]
    assert "over" in poll(gateway, done)["content"][0]["text"]
    gateway.call("exec", command="echo > fifo")
    ended = wait_for(lambda: [s for s in sessions(gateway).values() if s["sessionId"] == ident
                              and s["status"] != "running"], "the first to end")
    assert ended[0]["status"] == "failed"
    poll_after = gateway.call("process", action="poll", sessionId=ident)
    assert poll_after["details"]["exitCode"] == 7
    assert gateway.status()["sandboxes"] == 1


def test_kills_at_random_moments(either):
    """Printers in two sandboxes while the gateway is killed again and again."""
    gateway = either
    rng = random.Random(os.environ.get("PYTEST_SEED", "creel"))
    idents = {}
    for session in ("a", "b"):
        result = gateway.call("exec", session=session, background=True,
                              command=f"sh -c '{PRINTER}' {session}")
        idents[session] = result["details"]["sessionId"]
    names = gateway.sandboxes()
    assert len(names) == 2
    for _ in range(6):
        # In the middle of something: a call that is at work when the blow comes.
        for _ in range(rng.randrange(3)):
            gateway.call("exec", session=rng.choice("ab"), command="echo x")
        rng.choice([kill_front, kill_broker, kill_both])(gateway)
    assert gateway.sandboxes() == names
    for session, ident in idents.items():
        assert sessions(gateway, session)[ident]["status"] == "running"
        gateway.call("exec", session=session, command=f"touch stop-{session}")
        wait_for(lambda s=session, i=ident: sessions(gateway, s)[i]["status"] != "running", "the printer to end")
        result = gateway.call("process", session=session, action="poll", sessionId=ident)
        assert result["details"]["exitCode"] == 7
        log = poll(gateway, ident, session)["content"][0]["text"]
        assert log.rstrip().endswith(f"{session}-end")
        assert_contiguous(log, session)
    # One creel-init per sandbox, and in each nothing that nobody knows.
    for session in ("a", "b"):
        seen = gateway.text("exec", session=session, command="ps -e -o comm= 2>/dev/null | sort | uniq -c; true")
        assert seen.count("creel-init") <= 1, seen


@pytest.fixture
def dockerd(home, clean_engine):
    gateway = Gateway(home).use(Backend("docker", clean_engine))
    gateway.engine = clean_engine
    gateway.start()
    yield gateway
    gateway.finish()


def test_the_engine_is_killed(dockerd):
    """The streams are the gateway's own: a dead dockerd is missed by new containers alone."""
    engine = dockerd.engine
    dockerd.call("exec", command="mkfifo fifo")
    ident = dockerd.call("exec", command="echo before; cat fifo; exit 7", background=True)["details"]["sessionId"]
    [name] = dockerd.sandboxes()
    identity = engine.inspect(name)["Id"]
    engine.crash()
    try:
        assert dockerd.text("exec", command="echo up") == "up"
        kill_both(dockerd)
        assert poll(dockerd, ident)["content"][0]["text"] == "before"
        assert dockerd.invoke("exec", {"command": "true"}, "another")[0] == 503
    finally:
        engine.start("--live-restore")
    assert sessions(dockerd)[ident]["status"] == "running"
    dockerd.call("exec", command="echo after > fifo")
    wait_for(lambda: sessions(dockerd)[ident]["status"] != "running", "its end")
    ended = dockerd.call("process", action="poll", sessionId=ident)
    assert ended["details"]["exitCode"] == 7 and "after" in poll(dockerd, ident)["content"][0]["text"]
    # Without that option an engine ends what runs when it comes back: the same container is started again.
    engine.crash()
    engine.start()
    wait_for(lambda: dockerd.invoke("exec", {"command": "true"})[0] == 200, "the container to be started again")
    assert sessions(dockerd) == {}
    assert dockerd.sandboxes() == [name] and engine.inspect(name)["Id"] == identity
    assert engine.containers() == [name]


def test_directives_outlive_the_gateway(gateway):
    status, body = gateway.request("POST", "/v1/sessions/main/directives", {"text": "/exec ask=always security=full"})
    assert status == 200, body
    kill_both(gateway)
    status, body = gateway.request("GET", "/v1/sessions/main")
    assert body["result"]["directives"] == {"exec": {"ask": "always", "security": "full"}}


def test_a_front_that_keeps_dying_is_started_later_and_later(gateway):
    for _ in range(4):
        kill_front(gateway)
    assert gateway.status()["front"]["restarts"] == 4
    assert gateway.said().count("the front ended (signal 9)") == 4
    assert gateway.text("exec", command="echo fine") == "fine"
