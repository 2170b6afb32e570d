"""What the tests of lasting sandboxes share."""
import hashlib
import json
import os
import subprocess
from pathlib import Path

from sandbox import Sandbox, write_config
from support import BASE_ENV

PREFIX = "life-sbx-"


def driver_path():
    return Path(os.environ["CREEL_BUILD"]) / "tests/unit/broker/life-driver"


def homes_of(state):
    """Where an instance has the homes of its sandboxes, while there are any."""
    base = f"creel-{hashlib.sha256(os.path.realpath(state).encode()).hexdigest()[:16]}"
    return (Path("/run") if os.getuid() == 0 else Path(state) / "run") / base


def keepers_of(state):
    """The first line of a file that each keeper holds locked."""
    return {int(path.read_text().split()[0]) for path in homes_of(state).glob("*/keeper")}


class Life(Sandbox):
    """Lasting sandboxes: life("echo", "x", session="s1"), and the commands about them."""

    def __init__(self, creel_bin, home, workspace, base=None):
        super().__init__(creel_bin, home, workspace)
        self.base = base or {}
        self.configure()

    def configure(self, docker=None, **keys):
        merged = {"containerPrefix": PREFIX, **self.base.get("docker", {}), **(docker or {})}
        self.config = write_config(self.home, **{**self.base, **keys, "docker": merged})

    def cli(self, *args, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        if "input" in kwargs:
            del kwargs["stdin"]
        return subprocess.run([str(self.bin), *map(str, args)], env=self.env, cwd=self.home,
                              capture_output=True, text=True, timeout=120, check=False, **kwargs)

    def list(self, *options):
        done = self.cli("sandbox", "list", "--json", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def names(self):
        return sorted(c["containerName"] for c in self.list()["containers"])

    def drive(self, action, line="", session="agent:main:main", check=True):
        """life-driver: the JSON line about the sandbox, and what came after it."""
        done = subprocess.run(
            [driver_path(), self.config, session, self.workspace, action, line],
            env={**BASE_ENV, "HOME": str(self.home)}, capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL, check=False)
        if not check:
            return done
        assert done.returncode == 0, done.stdout + done.stderr
        head, _, rest = done.stdout.partition("\n")
        return json.loads(head), rest

    def hold(self, session="agent:main:main"):
        """A process that has the sandbox until its stdin is closed."""
        process = subprocess.Popen(
            [driver_path(), self.config, session, self.workspace, "hold"],
            env={**BASE_ENV, "HOME": str(self.home)}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("{"), process.stderr.read()
        return process

    def clean(self):
        """Nothing is left, the instance's own directory neither."""
        self.configure()
        self.remove_all()
        self.cli("sandbox", "prune")
        assert not self.homes().exists(), os.listdir(self.homes())

    def homes(self):
        return homes_of(self.home / ".creel")

    def keepers(self):
        return keepers_of(self.home / ".creel")

    def remove_all(self):
        done = self.cli("sandbox", "recreate", "--all", "--force")
        assert done.returncode == 0, done.stdout + done.stderr
