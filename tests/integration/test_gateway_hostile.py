"""A sandbox whose creel-init was taken over (tests/unit/gateway/hostile-init.c): it is cut, the gateway stays
small, and who works in another sandbox notices nothing."""
import os
import shutil
import threading
from pathlib import Path

import pytest

from gateway import Gateway, build_dir, wait_for
from support import need

MIB = 1024 * 1024
# What breaks the protocol: the stream ends, and the call with it.
BREAKING = ["garbage", "too-long", "stranger", "hello-again", "backwards", "empty-frames", "exits-again", "unasked"]
# What does not: the call is left to the background.
STALLING = ["flood", "half-a-frame", "deaf", "silence"]


class Hostile(Gateway):
    """A gateway whose native sandboxes all start with hostile-init."""

    def __init__(self, home, programs):
        super().__init__(home)
        self.program = programs / "creel-gateway"

    def memory(self):
        pids = [self.process.pid, self.front()]
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") for pid in pids)

    def polite(self):
        status, body = self.invoke("exec", {"command": "polite"}, "polite")
        assert status == 200, body
        assert body["result"]["content"][0]["text"] == "polite"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    program = build_dir() / "tests/unit/gateway/hostile-init"
    need(program.exists(), f"{program} is not built")
    home = tmp_path_factory.mktemp("hostile")
    programs = home / "programs"
    programs.mkdir()
    for name in ("broker/creel-gateway", "gateway/creel-front"):
        shutil.copy(build_dir() / "src" / name, programs)
    shutil.copy(program, programs / "creel-init")
    gateway = Hostile(home, programs)
    gateway.start()
    yield gateway
    gateway.finish()


@pytest.mark.parametrize("how", BREAKING)
def test_one_that_breaks_the_rules_is_cut(gateway, how):
    gateway.polite()
    front, before = gateway.front(), gateway.memory()
    status, body = gateway.invoke("exec", {"command": how}, how)
    assert status == 503 and body["error"]["type"] == "unavailable", body
    gateway.polite()
    assert gateway.front() == front
    assert gateway.memory() < before + 8 * MIB
    # And again: it may dial as often as it likes.
    assert gateway.invoke("exec", {"command": how}, how)[0] == 503


@pytest.mark.parametrize("how", STALLING)
def test_one_that_stalls_holds_up_nobody(gateway, how):
    gateway.polite()
    front, before = gateway.front(), gateway.memory()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        gateway.invoke("exec", {"command": how, "yieldMs": 300}, how)))
    thread.start()
    wait_for(lambda: any(s["key"].endswith(how) for s in
                         gateway.request("GET", "/v1/sessions")[1]["result"]["sessions"]), "the session")
    largest = 0
    while thread.is_alive():
        gateway.polite()
        largest = max(largest, gateway.memory())
    thread.join()
    [(status, body)] = answers
    assert status == 200 and body["result"]["details"]["status"] == "running", body
    assert gateway.front() == front
    assert largest < before + 8 * MIB


def test_what_waits_for_a_deaf_one_is_bounded(gateway):
    gateway.polite()
    before = gateway.memory()
    command = "deaf " + "x" * 180_000
    answers = []

    def ask_many():
        for _ in range(12):
            answers.append(gateway.invoke("exec", {"command": command, "yieldMs": 10}, "deaf"))

    threads = [threading.Thread(target=ask_many) for _ in range(18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [body["error"] for status, body in answers if status == 503]
    assert refused and len(refused) + sum(status == 200 for status, _ in answers) == len(answers)
    assert refused[0]["type"] == "unavailable" and "does not read" in refused[0]["message"]
    gateway.polite()
    # The queue, and copies of what waits in it.
    assert gateway.memory() < before + 160 * MIB
