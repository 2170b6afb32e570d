"""creel killed at any moment leaves no process, mount, control group or directory."""
import os
import random
import signal
import subprocess
import time

import pytest

from sandbox import cgroups_of, descendants, host_state, is_alive, processes, running_with, write_config

# What a sandbox does while it is killed, and what keeps it busy.
COMMANDS = {
    "sleeping": ["sleep"],
    "with a tree": ["sh", "-c", 'setsid sleep "$0" & (setsid sleep "$0" &) ; sleep "$0"'],
    "stubborn": ["bash", "-c", 'trap "" TERM HUP INT; while :; do sleep "$0"; done'],
    "printing": ["sh", "-c", 'yes "$0"'],
}


def gone(check, seconds=10):
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def kill_after(sandbox, command, marker, delay, options=()):
    running = sandbox.start(*command, marker, options=options, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    below = descendants(running.pid)
    running.send_signal(signal.SIGKILL)
    running.wait(30)
    return running.pid, below


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_while_the_command_runs(sandbox, home, workspace, name):
    marker = f"91.{os.getpid()}"
    sandbox("true")
    before = host_state(home, workspace)
    pid, below = kill_after(sandbox, COMMANDS[name], marker, 0.3)
    assert below  # it did run
    assert gone(lambda: not any(is_alive(p) for p in below)), "processes"
    assert running_with(marker) == []
    assert host_state(home, workspace) == before
    assert cgroups_of([pid, *(p for p, _ in below)]) == set()


def test_killed_at_any_moment_of_the_start(sandbox, home, workspace):
    """Sixty moments of the few milliseconds in which namespaces, mounts and the root are made."""
    marker = f"92.{os.getpid()}"
    chance = random.Random(20260101)
    sandbox("true")
    before = host_state(home, workspace)
    seen, pids = set(), []
    for _ in range(60):
        pid, below = kill_after(sandbox, ["sleep"], marker, chance.uniform(0, 0.012))
        seen |= below
        pids.append(pid)
    assert gone(lambda: not any(is_alive(p) for p in seen)), "processes"
    assert gone(lambda: running_with(marker) == [])
    assert host_state(home, workspace) == before
    assert cgroups_of(pids) == set()


def test_killed_with_limits_in_force(sandbox, home, workspace):
    """Control groups cannot go with the process: who comes next removes them."""
    write_config(home, docker={"memory": "256m", "cpus": 1})
    first = sandbox("true")
    if first.returncode == 125:
        pytest.skip("this user may not make control groups")
    pids = []
    for i in range(5):
        pid, below = kill_after(sandbox, ["sleep"], f"93.{os.getpid()}", 0.01 * i + 0.01)
        pids += [pid, *(p for p, _ in below)]
    assert gone(lambda: running_with(f"93.{os.getpid()}") == [])
    time.sleep(0.2)
    assert sandbox("true").returncode == 0
    assert gone(lambda: cgroups_of(pids) == set())


def test_its_init_killed(sandbox):
    """The other way round: the sandbox dies, creel says so."""
    running = sandbox.start("sleep", "60", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # The command itself: before that what is there may be making the sandbox yet.
    assert gone(lambda: any(processes().get(p, ("",))[0] == "sleep" for p, _ in descendants(running.pid)))
    first = min(p for p, _ in descendants(running.pid))
    try:
        os.kill(first, signal.SIGKILL)
    except PermissionError:
        running.kill()
        running.wait()
        running.stderr.close()
        pytest.skip("the sandbox's processes are out of this user's reach")
    assert running.wait(30) == 125
    said = running.stderr.read()
    running.stderr.close()
    assert said.startswith("creel: the sandbox ended before the command did")


def test_nothing_is_left_of_ordinary_use(sandbox, home, workspace):
    sandbox("true")
    before = host_state(home, workspace)
    for command in (["true"], ["false"], ["nosuch"], ["sh", "-c", "sleep 300 &"]):
        sandbox(*command)
    assert host_state(home, workspace) == before
