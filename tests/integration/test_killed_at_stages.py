"""Creel, its engine client or the engine dies at one exact request of a creation, before or after it took effect."""
import http.client
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from engine import Connection
from life import PREFIX, Life
from sandbox import processes

MAIN = f"{PREFIX}agent-main-main-6d9217fe"


class Gate:
    """Between creel and an engine: hands requests on, and at one of them does something first or afterwards."""

    def __init__(self, path, engine):
        self.path, self.engine = path, engine
        self.rule = None  # (words of "METHOD /path", before the engine has it, what to do)
        self.passed = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _take(self, line, before):
        """The rule's action, if its moment is now; it comes once."""
        rule = self.rule
        if not rule or rule[1] != before or not all(word in line for word in rule[0].split()):
            return False
        self.rule = None
        rule[2]()
        return True

    def _talk(self, connection):
        with connection, connection.makefile("rb") as read:
            while True:
                line = read.readline().decode()
                if not line:
                    return
                method, path = line.split()[:2]
                headers = http.client.parse_headers(read)
                body = read.read(int(headers.get("Content-Length", 0)))
                self.passed.append(f"{method} {path}")
                if self._take(f"{method} {path}", True):
                    return
                upstream = Connection(self.engine.socket)
                try:
                    upstream.request(method, path, body, {"Content-Type": "application/json"})
                    answer = upstream.getresponse()
                    data = answer.read()
                except (OSError, http.client.HTTPException):
                    return
                finally:
                    upstream.close()
                if self._take(f"{method} {path}", False):
                    return
                head = f"HTTP/1.1 {answer.status} X\r\nContent-Length: {len(data)}\r\n"
                for name in ("Api-Version", "Server", "Content-Type"):
                    if answer.getheader(name):
                        head += f"{name}: {answer.getheader(name)}\r\n"
                try:
                    connection.sendall(head.encode() + b"\r\n" + data)
                except OSError:
                    return

    def close(self):
        self.listener.close()


@pytest.fixture
def life(creel_bin, home, workspace, clean_engine, tmp_path):
    os.chown(workspace, 1000, 1000)
    gate = Gate(tmp_path / "gate.sock", clean_engine)
    life = Life(creel_bin, home, workspace, {"backend": "docker", "docker": {"socket": str(gate.path)}})
    life.engine, life.gate = clean_engine, gate
    yield life
    gate.rule = None
    life.clean()
    gate.close()


# In their order; the last comes with docker.setupCommand alone, after it has succeeded.
STAGES = ["GET /_ping", "GET /images/", "POST /containers/create", "GET /containers/ /json", "POST /containers/ /start",
          "POST /containers/ /rename"]
SETUP = {"setupCommand": "echo done >> /workspace/setup"}


def clients_of(process):
    return [pid for pid, (name, parent) in processes().items() if name == "creel-docker" and parent == process.pid]


def wait_until_gone(pids):
    for _ in range(1000):
        if not set(pids) & processes().keys():
            return
        time.sleep(0.02)
    raise AssertionError("the engine client goes on")


def recovers(life):
    """The next caller gets a whole sandbox, set up, and no other container is left."""
    done = life("sh", "-c", "tail -1 setup; echo up")
    assert done.stdout == "done\nup\n", done.stderr
    life.cli("sandbox", "prune")
    assert life.engine.containers() == [MAIN] and life.names() == [MAIN]


# Alone: its client notices, and takes away what it has made. Together: nobody does.
@pytest.mark.parametrize("with_client,before", [(False, False), (True, True), (True, False)],
                         ids=["alone-after", "both-before", "both-after"])
@pytest.mark.parametrize("stage", STAGES)
def test_creel_is_killed(life, stage, with_client, before):
    reached = threading.Event()
    pids = []

    def kill():
        pids.extend(clients_of(process))
        for pid in [process.pid, *(pids if with_client else [])]:
            os.kill(pid, signal.SIGKILL)
        reached.set()

    life.configure(docker=SETUP)
    life.gate.rule = (stage, before, kill)
    process = life.start("sleep", "1000", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert reached.wait(60), life.gate.passed
    assert process.wait(30) == -signal.SIGKILL
    wait_until_gone(pids)
    recovers(life)


@pytest.mark.parametrize("stage,before", [
    ("POST /containers/create", True), ("POST /containers/create", False), ("POST /containers/ /start", True),
    ("POST /containers/ /start", False), ("POST /containers/ /rename", True), ("POST /containers/ /rename", False)])
def test_the_engine_is_killed(life, stage, before):
    """It is said in one sentence; nothing that was half made is taken for a sandbox afterwards."""
    life.configure(docker=SETUP)
    life.gate.rule = (stage, before, life.engine.crash)
    done = life("true")
    assert life.gate.rule is None, life.gate.passed
    assert done.returncode == 125 and done.stderr.count("\n") == 1, done.stderr
    assert "broke off" in done.stderr
    life.engine.start()
    recovers(life)
