# SPDX-License-Identifier: MIT
"""What a container refuses to commands: the kernel's counters, and words."""
import os
import subprocess

import pytest

from support import BASE_ENV
from test_denied import CONNECT, rows
from tool_batch import Batch

KEY = "agents.defaults.sandbox.docker."
CONFIG = """{agents:{defaults:{sandbox:{mode:"all",workspaceAccess:"%s",backend:"docker",docker:{
  containerPrefix:"denied-sbx-",socket:"%s",memory:"48m",memorySwap:"48m",pidsLimit:24,readOnlyRoot:true,
  tmpfs:["/tmp:size=1m"],ulimits:{fsize:5000000}}}}}}"""


@pytest.fixture(scope="module")
def batch(creel_bin, tmp_path_factory, engine):
    """One container for all of them: each command is told its own."""
    home = tmp_path_factory.mktemp("home")
    workspace = home / "ws"
    workspace.mkdir()
    os.chown(workspace, 1000, 1000)
    before = engine.containers()
    b = Batch(creel_bin, home, workspace, config=CONFIG % ("ro", engine.socket), extra=("--once",))
    yield b
    b.close()
    assert engine.containers() == before


def test_memory(batch):
    result = batch.call("exec", command="python3 -c 'x = b\"a\" * (200 << 20)' || exit 1")
    row = rows(result)["more memory: processes were killed"]
    assert row == {"layer": "cgroup.memory", "what": "more memory: processes were killed",
                   "rule": "docker.memory: 50331648 bytes", "fix": [KEY + "memory"],
                   "source": "counter", "count": 1}


def test_no_network(batch):
    result = batch.call("exec", command=f"python3 - <<'P'\nimport socket\n{CONNECT}\nP\nexit 1")
    row = rows(result)["connections out of the sandbox"]
    assert (row["layer"], row["source"], row["rule"]) == ("netns", "counter", "docker.network: none")
    assert row["count"] >= 1 and row["fix"] == [KEY + "network"]


@pytest.mark.parametrize("command,layer,what,key", [
    ("touch /usr/x", "mount", "writing to /usr/x", "readOnlyRoot"),
    ("touch x", "mount", "writing to /workspace/x", None),
    ("dd if=/dev/zero of=/tmp/x bs=1M count=3; rm /tmp/x; exit 1", "mount", "more data in /tmp", "tmpfs"),
    ("unshare -m true", "caps",
     "something that takes a capability, or a system call that the engine's filter refuses", "capDrop"),
])
def test_what_the_output_says(batch, command, layer, what, key):
    row = rows(batch.call("exec", command=command))[what]
    assert (row["layer"], row["source"]) == (layer, "output")
    assert row["fix"][0] == (KEY + key if key else "agents.defaults.sandbox.workspaceAccess")


def test_what_is_allowed_is_not_told(batch):
    assert "denied" not in batch.call("exec", command="touch /tmp/y; false")["details"]


def test_processes(batch):
    # The last in this container: its processes are there for a while.
    result = batch.call("exec", command="for i in $(seq 60); do sleep 3 & done; exit 1")
    row = rows(result)["more processes"]
    assert (row["layer"], row["source"], row["rule"]) == ("cgroup.pids", "counter", "docker.pidsLimit: 24")
    assert row["fix"] == [KEY + "pidsLimit"] and row["count"] >= 1


def test_containers_that_last(creel_bin, home, workspace, clean_engine):
    os.chown(workspace, 1000, 1000)
    config = CONFIG % ("rw", clean_engine.socket)
    for _ in range(2): # made, and found again
        batch = Batch(creel_bin, home, workspace, config=config)
        try:
            result = batch.call("exec", command="for i in $(seq 60); do sleep 1 & done; exit 1")
            assert rows(result)["more processes"]["source"] == "counter"
            assert "denied" not in batch.call("exec", command="false")["details"]
        finally:
            batch.close()
    assert batch.proc.returncode == 0
    # Each batch has a configuration of its own name; the container is the same.
    done = subprocess.run([creel_bin, "sandbox", "recreate", "--all", "--force", "--config",
                           home / "tool-config-0.json"], env={**BASE_ENV, "HOME": str(home)},
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
