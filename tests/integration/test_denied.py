# SPDX-License-Identifier: MIT
"""What a sandbox refuses to commands, and that it says so: details.denied and creel exec --denials."""
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gateway import Gateway
from sandbox import processes, write_config
from support import need
from tool_batch import CONFIG, Batch, Failed

# Prints the errno of one system call of the C library, or 0.
CALL = """python3 - <<'P'
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
{code}
P
exit {status}"""

UNSHARE = "print(ctypes.get_errno() if libc.unshare(0x10000000) < 0 else 0)"
PTRACE = "print(ctypes.get_errno() if libc.ptrace(16, 1, 0, 0) < 0 else 0)"
PACKET = """
try:
    socket.socket(17, 3, 0)
except OSError as e:
    print(e.errno)"""
CONNECT = """
for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
    try:
        socket.socket(family).connect((address, 80))
    except OSError as e:
        print(e.errno)"""
LOCAL = """
a = socket.create_server(("127.0.0.1", 0))
b = socket.create_connection(a.getsockname())
print(0)"""


@pytest.fixture
def batch(creel_bin, home):
    b = Batch(creel_bin, home, home / "ws")
    yield b
    b.close()


def run(batch, code, status=1):
    return batch.call("exec", command=CALL.format(code=code, status=status))


def rows(result):
    return {row["what"]: row for row in result["details"].get("denied", [])}


@pytest.mark.parametrize("code,errno,what", [
    (UNSHARE, 1, "system call unshare"),
    (PTRACE, 1, "system call ptrace"),
    (PACKET, 97, "system call socket of this family or protocol"),
])
def test_a_system_call(batch, code, errno, what):
    result = run(batch, code)
    # The same answer as where nobody looks.
    assert result["details"]["aggregated"] == str(errno)
    row = rows(result)[what]
    assert row["layer"] == "seccomp"
    assert row["rule"]
    assert row["fix"][0] == "agents.defaults.sandbox.backend"
    assert row["source"] == "notification"
    assert f"(The sandbox refused: {what} [seccomp]" in result["content"][0]["text"]


def test_many_calls_are_one_row(batch):
    result = run(batch, "for i in range(2000): libc.unshare(0x10000000)\n" + UNSHARE)
    assert list(rows(result)) == ["system call unshare"]
    assert result["details"]["aggregated"] == "1"


def test_a_set_user_id_bit(batch):
    result = batch.call("exec", command="touch x && chmod u+s x")
    assert "not permitted" in result["details"]["aggregated"]
    assert any("set-user-id" in what for what in rows(result))
    assert not (batch.workspace / "x").stat().st_mode & 0o4000


def test_connections_out_of_the_sandbox(batch):
    result = run(batch, CONNECT)
    row = rows(result)["connections out of the sandbox"]
    assert row["count"] == 2 and row["source"] == "counter"
    assert "connections out of the sandbox (2) [netns]" in result["content"][0]["text"]
    assert row["layer"] == "netns"
    assert row["rule"] == "docker.network: none"
    assert row["fix"][0] == "agents.defaults.sandbox.docker.network"


def test_a_name_lookup(batch):
    result = batch.call("exec", command="getent hosts name.invalid.example")
    assert any(what.startswith("datagrams to a port of loopback") for what in rows(result))


def test_what_is_allowed_is_not_told(batch):
    result = run(batch, LOCAL)
    assert result["details"]["aggregated"] == "0"
    assert "denied" not in result["details"]
    assert "refused" not in result["content"][0]["text"]


def test_a_command_that_succeeds_has_rows_and_no_sentence(batch):
    result = run(batch, UNSHARE, status=0)
    assert "system call unshare" in rows(result)
    assert "refused" not in result["content"][0]["text"]


def test_each_command_is_told_its_own(batch):
    # The one is at work until the other has ended.
    first = batch.start("exec", command="until [ -e go ]; do sleep 0.01; done; false")
    second = run(batch, UNSHARE)
    assert "system call unshare" in rows(second)
    third = batch.call("exec", command="(setsid sh -c '(mount x y)'); touch go; false")
    assert list(rows(third)) == ["system call mount"]
    assert "denied" not in batch.wait(first)["details"]


def may_make_groups(controller):
    """As src/os/cgroup.c looks: may this process make control groups that have the controller?"""
    root = Path("/sys/fs/cgroup")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        if controller in controllers.split(","):
            return os.access(root / controller / own.lstrip("/"), os.W_OK)
        if controllers == "" and (root / "cgroup.controllers").exists():
            place = root / own.lstrip("/")
            for place in [place, *place.parents]:
                enabled = place / "cgroup.subtree_control"
                if os.access(place, os.W_OK) and enabled.exists():
                    return controller in enabled.read_text().split()
    return False


def need_control_group(controller):
    """Root has to have it on a test machine; others only where somebody delegates them one."""
    if os.getuid() != 0 and not may_make_groups(controller):
        pytest.skip(f"no control group with {controller} is delegated to this user")
    need(may_make_groups(controller), f"no control group with {controller} can be made here")


def test_memory(creel_bin, home):
    config = CONFIG.replace('backend:"native"', 'backend:"native",docker:{memory:"48m"}')
    need_control_group("memory")
    batch = Batch(creel_bin, home, home / "ws", config=config)
    try:
        result = batch.call("exec", command="python3 -c 'x = b\"a\" * (200 << 20)' || exit 1")
    finally:
        batch.close()
    row = next(r for what, r in rows(result).items() if what.startswith("more memory"))
    assert row["layer"] == "cgroup.memory"
    assert row["fix"] == ["agents.defaults.sandbox.docker.memory"]


def test_processes(creel_bin, home):
    need_control_group("memory")
    need_control_group("pids")
    docker = 'docker:{memory:"64m",pidsLimit:12}'
    batch = Batch(creel_bin, home, home / "ws",
                  config=CONFIG.replace('backend:"native"', f'backend:"native",{docker}'))
    try:
        result = batch.call("exec",
                            command="for i in $(seq 30); do sleep 5 & done; kill $(jobs -p); exit 1")
    finally:
        batch.close()
    row = next(r for what, r in rows(result).items() if what.startswith("more processes"))
    assert row["layer"] == "cgroup.pids"
    assert row["rule"] == "docker.pidsLimit: 12"


def test_a_file_limit(creel_bin, home):
    config = CONFIG.replace('backend:"native"', 'backend:"native",docker:{ulimits:{fsize:4096}}')
    batch = Batch(creel_bin, home, home / "ws", config=config)
    try:
        with pytest.raises(Failed) as failed:
            batch.call("exec", command="exec head -c 100000 /dev/zero >big")
    finally:
        batch.close()
    assert "a larger file [rlimits]" in failed.value.error["message"]


HINTS = """{agents:{defaults:{sandbox:{mode:"all",backend:"native",workspaceAccess:"%s",
  docker:{tmpfs:["/tmp:size=1m"],ulimits:{nofile:32},binds:["%s:/data:ro"],
          dangerouslyAllowExternalBindSources:true}}}}}"""


@pytest.fixture
def hints(creel_bin, home, tmp_path):
    (tmp_path / "data").mkdir()
    b = Batch(creel_bin, home, home / "ws", config=HINTS % ("ro", tmp_path / "data"))
    yield b
    b.close()


KEY = "agents.defaults.sandbox."


# What the kernel tells to the command alone is taken from what that prints.
@pytest.mark.parametrize("command,layer,what,rule,key", [
    ("touch /usr/x", "mount", "writing to /usr/x", "the root of native sandboxes is read-only",
     "docker.tmpfs"),
    ("echo x > y", "mount", "writing to /workspace/y", "workspaceAccess: ro", "workspaceAccess"),
    ("mkdir /data/x", "mount", "writing to /data/x", "docker.binds: /data is read-only",
     "docker.binds[0]"),
    ("python3 -c 'open(\"/data/x\", \"w\")'", "mount", "writing to /data/x",
     "docker.binds: /data is read-only", "docker.binds[0]"),
    ("echo 1 > /proc/sys/kernel/hostname", "mount", "writing to /proc/sys/kernel/hostname",
     "what the kernel shows of itself is read-only", None),
    ("dd if=/dev/zero of=/tmp/big bs=1M count=3", "mount", "more data in /tmp",
     "docker.tmpfs: /tmp:size=1m", "docker.tmpfs"),
    ("head -c 3000000 /dev/zero >/tmp/big", "mount",
     "more data in a tmpfs, unless the disk of the host is full", "docker.tmpfs", "docker.tmpfs"),
    ("python3 -c 'f = [open(\"/etc/hosts\") for i in range(99)]'", "rlimits", "more open files",
     "docker.ulimits: nofile", "docker.ulimits"),
])
def test_what_the_output_says(hints, command, layer, what, rule, key):
    result = hints.call("exec", command=command)
    row = rows(result)[what]
    assert row["source"] == "output" and row["layer"] == layer and row["rule"] == rule
    assert row["fix"][:1] == ([KEY + key] if key else [])
    text = result["content"][0]["text"]
    assert f"(The sandbox refused: {what} [{layer}, going by its output]. " in text
    assert text.endswith(f"beginning with {KEY + key}.)" if key else "No setting allows that.)")


@pytest.mark.parametrize("command", [
    "echo '/usr/x: Read-only file system'", # a command that succeeds
    "cat /etc/shadow", # no write
    "echo '/tmp/x: Read-only file system'; exit 1", # the decision has it writable
    "echo 'x: No space left on device'; exit 1", # not a tmpfs: the host's disk
    "echo 'Cannot allocate memory'; exit 1", # nothing limits it
    "echo 'read: Resource temporarily unavailable'; exit 1", # a pipe, not a fork
    "printf 'Read-only file system'; printf '\\0\\377'; exit 0",
])
def test_what_the_output_does_not_say(hints, command):
    assert "denied" not in hints.call("exec", command=command)["details"]


def test_processes_without_a_control_group(creel_bin, home):
    batch = Batch(creel_bin, home, home / "ws",
                  config=CONFIG.replace('backend:"native"', 'backend:"native",docker:{pidsLimit:8}'))
    try:
        result = batch.call("exec", command="for i in $(seq 30); do sleep 5 & done")
    finally:
        batch.close()
    row = rows(result)["more processes"]
    assert row["rule"] == "docker.pidsLimit: 8" and row["fix"] == [KEY + "docker.pidsLimit"]
    assert (row["layer"], row["source"]) in (("rlimits", "output"), ("cgroup.pids", "counter"))


def test_file_tools_name_the_place(hints):
    for path, rule, key in (("/usr/x", "the root of native sandboxes is read-only", "docker.tmpfs"),
                            ("/data/x", "docker.binds: /data is read-only", "docker.binds[0]")):
        # A workspace that is read-only has no writing tools at all: the path is what is refused.
        error = hints.fails("write", path=path, content="")
        row, = error["details"]["denied"]
        if error["code"] == "denied":
            assert row["layer"] == "workspace" and row["source"] == "policy"
        else:
            assert row["rule"] == rule and row["fix"][0] == KEY + key and row["source"] == "file"


def keepers_of(pid):
    return [p for p, (name, parent) in processes().items()
            if parent == pid and name == "creel-keeper"]


def test_nothing_is_left_when_the_keeper_is_killed(batch):
    batch.call("exec", command="true")
    handle = batch.start("exec", command="sleep 60")
    keeper = keepers_of(batch.proc.pid)
    assert len(keeper) == 1
    inside = [p for p, (_, parent) in processes().items() if parent == keeper[0]]
    os.kill(keeper[0], signal.SIGKILL)
    with pytest.raises(Failed):
        batch.wait(handle)
    deadline = time.monotonic() + 20
    while set(inside) & set(processes()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(inside) & set(processes())


def test_exec_says_it_afterwards(sandbox):
    done = sandbox("sh", "-c", "echo out; mount x y; exit 3", options=["--denials"])
    assert done.returncode == 3
    assert done.stdout == "out\n"
    assert "creel: refused: system call mount (seccomp; " in done.stderr
    assert "agents.defaults.sandbox.docker.seccompProfile" in done.stderr
    assert sandbox("true", options=["--denials"]).stderr == ""
    assert "creel:" not in sandbox("sh", "-c", "mount x y").stderr


def test_exec_without_a_keeper_needs_none(sandbox, home):
    write_config(home)
    running = sandbox.start("sleep", "5", stdout=subprocess.DEVNULL)
    try:
        assert not keepers_of(running.pid)
    finally:
        running.kill()
        running.wait()


@pytest.fixture
def gateway(home):
    g = Gateway(home)
    yield g
    g.finish()


def test_sandboxes_that_last_tell_too(gateway):
    gateway.start()
    result = gateway.call("exec", command=CALL.format(code=UNSHARE, status=1))
    assert list(rows(result)) == ["system call unshare"]
    result = gateway.call("exec", command=CALL.format(code=CONNECT, status=1))
    assert list(rows(result)) == ["connections out of the sandbox"]
    assert "denied" not in gateway.call("exec", command="false")["details"]
    # The next gateway finds the sandbox, and is told what is refused from then on.
    assert gateway.stop() == 0
    gateway.start()
    result = gateway.call("exec", command=CALL.format(code=PTRACE, status=1))
    assert list(rows(result)) == ["system call ptrace"]
    assert "denied" not in gateway.call("exec", command="false")["details"]
