"""Disks that are full: a clear error, nothing half made, and all is well when there is room again."""
import os
import subprocess

import pytest

from engine import Engine, need_engine, why_not, write_small_root
from life import PREFIX, Life
from support import ROOT

MAIN = f"{PREFIX}agent-main-main-6d9217fe"
SCRIPT = ROOT / "scripts/sandbox-setup.sh"


class SmallDisk:
    """A file system of its own that can be filled to the last byte."""

    def __init__(self, path, size):
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "small", path], check=True)

    def fill(self):
        """Whole, then what smaller pieces still fit."""
        with open(self.path / "filler", "wb", buffering=0) as filler:
            for piece in (1 << 20, 1 << 12):
                try:
                    while filler.write(b"x" * piece) > 0:
                        pass
                except OSError:
                    pass

    def make_room(self):
        (self.path / "filler").unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=False)


@pytest.fixture(scope="module")
def engine():
    """An engine whose data is on a small disk, without an image; engine.disk is it."""
    need_engine(why_not())
    engine = Engine()
    try:
        engine.disk = SmallDisk(engine.dir / "data", "48m")
        engine.root_tar = engine.dir / "root.tar"
        write_small_root(engine.root_tar, "cat", "dd", "id")
        engine.start()
        yield engine
    finally:
        engine.stop()


def import_image(engine):
    env = {**os.environ, "DOCKER_HOST": engine.host, "CREEL_ROOT_TAR": str(engine.root_tar)}
    return subprocess.run([SCRIPT], env=env, capture_output=True, text=True, check=False)


def images(engine):
    return [tag for image in engine.ask("GET", "/images/json")[1] for tag in image["RepoTags"] or []]


@pytest.fixture
def life(creel_bin, home, workspace, engine):
    engine.disk.make_room()
    if not images(engine):
        done = import_image(engine)
        assert done.returncode == 0, done.stdout + done.stderr
    os.chown(workspace, 1000, 1000)
    life = Life(creel_bin, home, workspace, {"backend": "docker", "docker": {"socket": str(engine.socket)}})
    life.engine = engine
    yield life
    engine.disk.make_room()
    life.clean()
    assert engine.containers() == []


def is_refused(life, *words):
    done = life("id", "-u")
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr
    assert life.engine.containers() == [] and life.names() == []
    assert not life.homes().exists()


def test_while_the_image_is_imported(engine):
    engine.disk.fill()
    done = import_image(engine)
    assert done.returncode != 0 and "no space left on device" in done.stdout + done.stderr
    assert images(engine) == []
    engine.disk.make_room()
    assert import_image(engine).returncode == 0
    assert len(images(engine)) == 1


def test_while_the_container_is_made(life):
    life.engine.disk.fill()
    is_refused(life, "no space left on device")
    life.engine.disk.make_room()
    assert life("id", "-u").stdout == "1000\n"
    assert life.engine.containers() == [MAIN]


def test_under_a_container_that_lives(life):
    """What runs goes on; what has to be made anew is gone, and comes back with the room."""
    assert life("id", "-u").stdout == "1000\n"
    life.engine.disk.fill()
    assert life("id", "-u").stdout == "1000\n"
    life.configure(docker={"env": {"NEW": "1"}})
    is_refused(life, "no space left on device")
    life.engine.disk.make_room()
    assert life("sh", "-c", "echo $NEW").stdout == "1\n"


def test_in_the_setup_command(life):
    """It fills the disk itself: the room is there again when its container is removed."""
    life.configure(docker={"readOnlyRoot": False, "user": "0:0",
                           "setupCommand": "dd if=/dev/zero of=/big bs=65536"})
    is_refused(life, "docker.setupCommand", "failed with status 1", "No space left on device")
    life.configure(docker={"setupCommand": "echo done > /workspace/done"})
    assert life("cat", "done").stdout == "done\n"


@pytest.mark.parametrize("backend", ["native", "docker"])
def test_the_state_directory(life, home, backend):
    """The registry is a convenience: without it a sandbox lasts, is found, listed and taken away."""
    life.base["backend"] = backend
    disk = SmallDisk(home / ".creel", "256k")
    try:
        life.configure()
        disk.fill()
        first, _ = life.drive("run", "true")
        second, _ = life.drive("run", "true")
        assert (first["created"], second["created"]) == (True, False)
        assert life.names() == [first["name"]]
        disk.make_room()
        assert life.names() == [first["name"]] and "warning" not in life.list()
        disk.fill()
        life.remove_all()
        assert life.names() == []
        disk.make_room()
    finally:
        life.clean()
        disk.close()
