"""Sandboxes that last, made and removed through a gateway: nothing of them stays in it or on the host.

CREEL_LEAK_ROUNDS says how many; tests/security/test-leaks.c is the same for those that end with their stream.
"""
import concurrent.futures
import ctypes
import glob
import os
import re
from pathlib import Path

import pytest

from gateway import Gateway, wait_for

ROUNDS = int(os.environ.get("CREEL_LEAK_ROUNDS", "20"))
# Side by side, each in a session of its own, so that no session is remembered more than once.
SESSIONS = [f"leak-{i}" for i in range(4)]
WARM_UP = 2 * len(SESSIONS)
# What grows once: the front keeps the last 1,024 events, about a MiB. A leak of 100 bytes in 10,000 sandboxes is
# another one.
GROWTH_MAX_KIB = 2048
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def gateway(home):
    # Keepers that are left behind come to us.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    gateway = Gateway(home)
    gateway.others = set(reap())  # an engine of the whole run
    gateway.sandbox["scope"] = "session"
    gateway.start()
    yield gateway
    # Before its end, or the front would wait for us.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    gateway.finish()


def names_of(gateway):
    status, answer = gateway.request("GET", "/v1/sandboxes")
    assert status == 200, answer
    return [s["containerName"] for s in answer["result"]["sandboxes"]]


def one_life(gateway, session):
    assert gateway.text("exec", session=session, command="echo up").startswith("up")
    name = next(n for n in names_of(gateway) if session in n)
    status, answer = gateway.request("DELETE", f"/v1/sandboxes/{name}")
    assert status == 200, answer


def live(gateway, count):
    with concurrent.futures.ThreadPoolExecutor(len(SESSIONS)) as pool:
        list(pool.map(lambda session: [one_life(gateway, session) for _ in range(count // len(SESSIONS))],
                      SESSIONS))


def memory_of(gateway):
    """KiB of the broker and the front."""
    return [int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M).group(1))
            for pid in (gateway.process.pid, gateway.front())]


def reap():
    """What is dead is waited for; who is left is alive."""
    while True:
        try:
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                break
            pid = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG).si_pid
            assert pid, pid
        except ChildProcessError:
            break
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def count(gateway, front):
    """What nobody's request is at work on: no question is put to the gateway here."""
    broker = gateway.process.pid
    return {"descriptors of the broker": len(os.listdir(f"/proc/{broker}/fd")),
            # The front cannot be looked into, but by root.
            "descriptors of the front": len(os.listdir(f"/proc/{front}/fd")) if os.getuid() == 0 else None,
            "children of the broker": len(gateway.children()),
            "mounts": [line for line in Path(f"/proc/{broker}/mountinfo").read_text().splitlines()
                       if "leak-" in line or str(gateway.home) in line],
            "left behind": sorted(set(reap()) - gateway.others - {str(broker)}),
            "directories": sorted(d for root in ("/run", os.environ.get("XDG_RUNTIME_DIR", "/run"), gateway.state)
                                  for d in glob.glob(f"{root}/creel-*/*leak-*")),
            "workspaces": len(os.listdir(gateway.state / "sandboxes")),
            "groups": sorted(glob.glob("/sys/fs/cgroup/**/creel-*leak-*", recursive=True))}


def settled(gateway):
    """Workers end after their answer, connections after that."""
    assert names_of(gateway) == []
    front, seen = gateway.front(), []

    def still():
        seen.append(count(gateway, front))
        return len(seen) > 5 and all(one == seen[-1] for one in seen[-5:])

    wait_for(still, "the gateway to be idle")
    return seen[-1]


def test_nothing_is_left_behind(gateway, capsys):
    live(gateway, WARM_UP)
    before, memory = settled(gateway), memory_of(gateway)
    live(gateway, ROUNDS)
    after, grown = settled(gateway), memory_of(gateway)
    with capsys.disabled():
        if ROUNDS > 1000:
            print(f"{ROUNDS} sandboxes: {before}, {memory} KiB before; {after}, {grown} KiB after")
    assert after == before
    for kind in ("left behind", "directories", "mounts", "groups"):
        assert before[kind] == [], kind
    assert all(b - a <= GROWTH_MAX_KIB for a, b in zip(memory, grown)), (memory, grown)
