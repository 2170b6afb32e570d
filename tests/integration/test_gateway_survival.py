"""KILL to either process of the gateway, or both, at any moment: what is in the sandboxes stays."""
import http.client
import os
import random
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from docker_fixtures import Backend
from gateway import Gateway, wait_for
from sandbox import processes

# Prints without end what can be checked; ends when it is told to, with a status of its own.
PRINTER = "i=0; while [ ! -e stop-$0 ]; do echo $0-$i; i=$((i+1)); sleep 0.01; done; echo $0-end; exit 7"


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


class Load(threading.Thread):
    """Calls without a pause in one session. Each is answered right, or not at all, or by a clear refusal."""

    def __init__(self, gateway, session):
        super().__init__()
        self.gateway, self.session = gateway, session
        self.over, self.answered, self.wrong, self.started = False, 0, [], []

    def _call(self, number):
        background = number % 5 == 0
        command = "exec sleep 1000" if background else f"echo {self.session} {number}"
        status, body = self.gateway.invoke("exec", {"command": command, "background": background}, self.session)
        if status == 200 and background:
            self.started.append(body["result"]["details"]["sessionId"])
        elif status == 200:
            self.answered += 1
            if body["result"]["content"][0]["text"] != f"{self.session} {number}":
                self.wrong.append(body)
        elif body["error"]["type"] not in ("unavailable", "aborted"):
            self.wrong.append(body)

    def run(self):
        number = 0
        while not self.over:
            number += 1
            try:
                self._call(number)
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)  # nobody is there


def gateway_processes(gateway):
    """Of this gateway: by their binaries and its home, whoever their parent is."""
    mine = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if name.startswith("creel-") and f"HOME={gateway.home}\0".encode() in environ:
            mine.append(name)
    return mine


def test_kills_under_load(either):
    gateway = either
    seed = os.environ.get("PYTEST_SEED", str(random.randrange(10**6)))
    print(f"PYTEST_SEED={seed}")
    rng = random.Random(seed)
    loads, fronts = [Load(gateway, session) for session in ("a", "b", "c")], set()
    for load in loads:
        load.start()
    try:
        for _ in range(8):
            # Any moment: the time between blows is the only thing here that nothing else could give.
            time.sleep(rng.random() * 0.4)
            fronts.add(gateway.front())
            rng.choice([kill_front, kill_broker, kill_both])(gateway)
        wait_for(lambda: all(load.answered for load in loads), "an answer to each")
    finally:
        for load in loads:
            load.over = True
        for load in loads:
            load.join(60)
    assert all(load.answered for load in loads) and not any(load.wrong for load in loads)
    names = gateway.sandboxes()
    assert len(names) == 3  # none twice
    for load in loads:
        known = sessions(gateway, load.session)
        assert {ident: known[ident]["status"] for ident in load.started} == dict.fromkeys(load.started, "running")
        # A background call that was not answered runs under its name, too: nothing runs that nobody knows.
        comms = gateway.text("exec", session=load.session, command="cat /proc/[0-9]*/comm").split()
        assert comms.count("sleep") == len([s for s in known.values() if s["status"] == "running"])
        assert comms.count("creel-init") <= 2  # itself, and the one that runs this command
    assert "creel-gateway" in gateway_processes(gateway)
    gateway.stop()
    assert set(gateway_processes(gateway)) <= {"creel-init", "creel-keeper"}
    assert not fronts & {pid for pid, (name, _) in processes().items() if name == "creel-front"}
    assert gateway.creel("audit", "verify").returncode == 0
    if gateway.sandbox["backend"] == "docker":
        assert len([c for c in gateway.engine.containers() if c.startswith("creel-sbx-")]) == 3
    gateway.start()
    assert gateway.sandboxes() == names


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
