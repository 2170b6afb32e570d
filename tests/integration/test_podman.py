"""Podman, which speaks the API of Docker in its own way."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from engine import Engine, need_engine, write_small_root
from life import PREFIX, Life

MAIN = f"{PREFIX}agent-main-main-6d9217fe"
IMAGE = "creel-sandbox:bookworm-slim"
# What a machine cannot raise without CAP_SYS_RESOURCE is not asked for.
CONF = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
"""


def why_not():
    if os.getuid() != 0:
        return "only root starts this one"
    return None if shutil.which("podman") else "podman is not installed"


class Podman(Engine):
    """podman system service with all that it keeps below one directory."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="creel-podman-", dir="/var/tmp"))
        self.socket = self.dir / "podman.sock"
        self.process = None
        (self.dir / "containers.conf").write_text(CONF)
        self.env = {**os.environ, "CONTAINERS_CONF": str(self.dir / "containers.conf")}
        self.podman = ["podman", "--root", str(self.dir / "root"), "--runroot", str(self.dir / "run")]

    def start(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.podman, "system", "service", "--time", "0", f"unix://{self.socket}"],
                env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(300):
            try:
                if self.ask("GET", "/_ping")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError("podman did not start:\n" + (self.dir / "log").read_text()[-3000:])

    def make_image(self):
        tar = self.dir / "root.tar"
        write_small_root(tar, "cat", "id", "mount", "sleep")
        done = subprocess.run([*self.podman, "import", "--quiet", tar, IMAGE], env=self.env,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def stop(self):
        if self.process and self.process.poll() is None:
            subprocess.run([*self.podman, "rm", "--all", "--force", "--time", "0"], env=self.env,
                           capture_output=True, check=False)
            self.process.terminate()
            self.process.wait()
        super().stop()


@pytest.fixture(scope="module")
def podman():
    need_engine(why_not())
    engine = Podman()
    try:
        engine.make_image()
        engine.start()
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def life(creel_bin, home, workspace, podman):
    os.chown(workspace, 1000, 1000)
    life = Life(creel_bin, home, workspace,
                {"backend": "docker", "docker": {"socket": str(podman.socket)}})
    life.engine = podman
    yield life
    life.clean()
    assert podman.containers() == []


def test_a_sandbox_lives(life):
    assert life("sh", "-c", "echo kept > /tmp/file; id -u").stdout == "1000\n"
    first = life.engine.inspect(MAIN)
    assert life("cat", "/tmp/file").stdout == "kept\n"
    listed, = life.list()["containers"]
    assert (listed["containerName"], listed["running"]) == (MAIN, True)
    assert listed["imageMatch"] is True and listed["image"] == IMAGE
    assert life.engine.ask("POST", f"/containers/{MAIN}/stop?t=0")[0] == 204
    assert life.list()["containers"][0]["running"] is False
    assert life("cat", "/proc/1/comm").stdout == "init\n"
    assert life.engine.inspect(MAIN)["Id"] == first["Id"]
    life.configure(docker={"env": {"NEW": "1"}})
    assert life("sh", "-c", "echo $NEW").stdout == "1\n"
    assert life.engine.inspect(MAIN)["Id"] != first["Id"]
    life.remove_all()
    assert life.engine.containers() == [] and life.names() == []


def test_it_is_what_was_decided(life):
    life.configure(docker={"memory": "256m", "cpus": 0.5, "pidsLimit": 77, "dns": ["192.0.2.1"],
                           "tmpfs": ["/tmp:size=8m", "/cache"], "extraHosts": ["db:192.0.2.2"],
                           "env": {"A": "b c"}, "workdir": "/w"})
    done = life.cli("sandbox", "explain", "--probe", "--workspace", life.workspace)
    assert done.returncode == 0, done.stdout[done.stdout.find("Probe:"):] + done.stderr


def test_one_for_once_leaves_nothing(life):
    done = life("id", "-u", options=("--once",))
    assert (done.returncode, done.stdout) == (0, "1000\n"), done.stderr
    for _ in range(200):
        if not life.engine.containers():
            break
        time.sleep(0.05)
    assert life.engine.containers() == []


def test_setup(life):
    life.configure(docker={"setupCommand": "echo x >> /workspace/count"})
    done = life("cat", "/workspace/count")
    assert done.stdout == "x\n", done.stderr
    assert life("cat", "/workspace/count").stdout == "x\n"
    assert life.engine.containers() == [MAIN]
    life.configure(docker={"setupCommand": "echo why; exit 3"})
    done = life("cat", "/workspace/count")
    assert (done.returncode, done.stdout) == (125, "") and "removed: why" in done.stderr
    assert life.engine.containers() == []


def test_what_it_does_not_do_is_refused(life):
    """Its API takes a runtime and does nothing with it."""
    life.configure(docker={"runtime": "runsc"})
    assert "another Runtime than was asked for" in life("id").stderr
    life.configure(docker={"image": "nosuch:1"})
    assert "the sandbox image 'nosuch:1' is not there" in life("id").stderr


def test_a_name_that_is_taken(life):
    assert life.engine.ask("POST", f"/containers/create?name={MAIN}",
                           {"Image": IMAGE, "Cmd": ["id"]})[0] == 201
    try:
        done = life("id")
        assert done.returncode == 125 and f"the name '{MAIN}' is taken by a container" in done.stderr
    finally:
        assert life.engine.ask("DELETE", f"/containers/{MAIN}?force=1")[0] in (200, 204)


def test_the_service_goes_away(life):
    """Containers go on without it, and so do sandboxes that run."""
    assert life("sh", "-c", "echo kept > /tmp/file").returncode == 0
    life.engine.process.send_signal(signal.SIGKILL)
    life.engine.process.wait()
    try:
        assert life("cat", "/tmp/file").stdout == "kept\n"
        listed = life.list()
        assert listed["containers"][0]["status"] == "unknown" and "no container engine" in listed["warning"]
    finally:
        life.engine.start()
    assert life.list()["containers"][0]["running"] is True
