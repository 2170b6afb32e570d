# SPDX-License-Identifier: MIT
"""Creel in a container, its sandboxes beside it: made by the engine of the host, by the host's paths."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine import IMAGE
from support import BASE_ENV, need

# Nothing in the container is where it is on the host.
STATE, WORK, RUN, SOCKET = "/home/gw/.creel", "/work", "/run", "/engine/sock"


class Gateway:
    """A container with creel in its image and with some of the host's directories."""

    def __init__(self, engine, creel_bin, host):
        self.engine, self.host = engine, host
        self.programs = host / "opt"
        self.programs.mkdir()
        build = Path(creel_bin).parent.parent
        for program in (creel_bin, build / "backend/creel-docker", build / "init/creel-init"):
            shutil.copy(program, self.programs)
        for name in ("state", "work", "run", "inner"):
            (host / name).mkdir()
        self.volumes = {host / "state": STATE, host / "work": WORK, host / "run": RUN,
                        engine.socket: SOCKET}
        self.configure()

    def configure(self, docker=None, **sandbox):
        (self.host / "state/creel.json").write_text(json.dumps({"agents": {"defaults": {"sandbox": {
            "mode": "all", "workspaceAccess": "rw", "backend": "docker",
            "docker": {"socket": SOCKET, **(docker or {})}, **sandbox}}}}))

    def __call__(self, *argv, tmpfs=()):
        """creel ARGV... in a fresh gateway container."""
        env = {**BASE_ENV, "DOCKER_HOST": self.engine.host}
        options = [f"--volume={outside}:{inside}" for outside, inside in self.volumes.items()]
        options += [f"--tmpfs={place}" for place in tmpfs]
        made = subprocess.run(
            ["docker", "create", "--user=0", "--workdir=/", "--env=HOME=/home/gw", *options, IMAGE,
             "/opt/creel", *argv], env=env, capture_output=True, text=True, check=True).stdout.strip()
        try:
            subprocess.run(["docker", "cp", f"{self.programs}/.", f"{made}:/opt"], env=env, check=True,
                           capture_output=True)
            return subprocess.run(["docker", "start", "--attach", made], env=env, capture_output=True,
                                  text=True, timeout=120, check=False)
        finally:
            subprocess.run(["docker", "rm", "--force", made], env=env, check=True, capture_output=True)


@pytest.fixture
def gateway(creel_bin, clean_engine, tmp_path):
    need(shutil.which("docker") is not None, "docker's command line is missing")
    return Gateway(clean_engine, creel_bin, tmp_path)


def creel_exec(gateway, *command, **kwargs):
    return gateway("exec", "--once", "--workspace", WORK, "--", *command, **kwargs)


def test_a_sandbox_beside_the_gateway(gateway):
    (gateway.host / "work/from-the-host").write_text("yes\n")
    ran = creel_exec(gateway, "sh", "-c", "cat from-the-host; hostname > written; ls /home; id -u")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "yes\nsandbox\n0\n"
    assert (gateway.host / "work/written").read_text()
    # Nothing of it is left, the copy of creel-init neither.
    assert os.listdir(gateway.host / "run") == []


def test_binds_and_a_mount_inside_another(gateway):
    (gateway.host / "inner/f").write_text("inner\n")
    (gateway.host / "work/data").mkdir()
    gateway.volumes[gateway.host / "inner"] = f"{WORK}/data"
    gateway.configure(docker={"binds": [f"{WORK}/data:/data:ro"]})
    ran = creel_exec(gateway, "sh", "-c", "cat /data/f; echo x > /data/g")
    assert ran.stdout == "inner\n" and "Read-only" in ran.stderr


def test_what_is_only_in_the_gateway(gateway):
    del gateway.volumes[gateway.host / "work"]
    ran = gateway("exec", "--once", "--workspace", "/opt", "--", "true")
    assert ran.returncode == 125
    assert "'/opt' is only in the gateway's own container" in ran.stderr
    assert "docker run --volume" in ran.stderr


def test_a_tmpfs_is_nowhere_on_the_host(gateway):
    ran = creel_exec(gateway, "true", tmpfs=[f"{WORK}/tmp"])
    assert ran.returncode == 0, ran.stderr
    gateway.configure(docker={"binds": [f"{WORK}/tmp:/data"]})
    ran = creel_exec(gateway, "true", tmpfs=[f"{WORK}/tmp"])
    assert ran.returncode == 125 and f"'{WORK}/tmp' is only in the gateway's own container" in ran.stderr


def test_a_harmless_name_for_a_dangerous_path(gateway):
    """The host's /etc under another name is still the host's /etc."""
    gateway.volumes["/etc"] = f"{WORK}/settings"
    gateway.configure(docker={"binds": [f"{WORK}/settings:/data:ro"]})
    ran = creel_exec(gateway, "ls", "/data")
    assert ran.returncode == 125
    assert f"'{WORK}/settings' of the gateway's container is '/etc' on the host" in ran.stderr


def test_sandboxes_that_last(gateway):
    first = gateway("exec", "--workspace", WORK, "--", "sh", "-c", "hostname; echo kept > /tmp/f")
    assert first.returncode == 0, first.stderr
    second = gateway("exec", "--workspace", WORK, "--", "sh", "-c", "hostname; cat /tmp/f")
    assert second.stdout == first.stdout + "kept\n", second.stderr
    homes = list((gateway.host / "run").glob("creel-*/creel-sbx-*"))
    assert [home.name for home in homes if (home / "init").exists()]
    for home in homes:
        assert gateway("sandbox", "rm", "--force", home.name).returncode == 0
        assert not home.exists()
