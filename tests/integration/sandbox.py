"""What the tests of creel exec share: a workspace, a configuration, and a look from inside and outside."""
import json
import os
import subprocess
from pathlib import Path

from support import BASE_ENV

WRITABLE = {"mode": "all", "workspaceAccess": "rw", "backend": "native"}


def write_config(home, **sandbox):
    """The creel brand's file in a home, with these keys of agents.defaults.sandbox."""
    path = Path(home) / ".creel/creel.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(json.dumps({"agents": {"defaults": {"sandbox": {**WRITABLE, **sandbox}}}}))
    return path


class Sandbox:
    """creel exec with a workspace of its own; sandbox("id", "-u").stdout."""

    def __init__(self, creel_bin, home, workspace, options=()):
        self.bin, self.home, self.workspace = creel_bin, home, workspace
        self.options = options  # of every command
        self.env = {**BASE_ENV, "HOME": str(home)}

    def argv(self, *command, options=()):
        return [str(self.bin), "exec", "--workspace", str(self.workspace),
                *map(str, self.options), *map(str, options), "--", *map(str, command)]

    def __call__(self, *command, options=(), env=None, input=None, text=True, timeout=60, **kwargs):
        if input is None:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("cwd", self.home)
        if "stdout" not in kwargs and "stderr" not in kwargs:
            kwargs["capture_output"] = True
        return subprocess.run(self.argv(*command, options=options), env={**self.env, **(env or {})},
                              input=input, text=text, timeout=timeout, check=False, **kwargs)

    def start(self, *command, options=(), **kwargs):
        """The same as a running process."""
        kwargs.setdefault("cwd", self.home)
        return subprocess.Popen(self.argv(*command, options=options), env=self.env, **kwargs)

    def python(self, code, *args, **kwargs):
        """Run Python code inside; what it prints, as JSON."""
        done = self("python3", "-c", code, *args, **kwargs)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def processes():
    """pid -> (name, parent) of everything that runs."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        name = stat[stat.index("(") + 1:stat.rindex(")")]
        fields = stat[stat.rindex(")") + 2:].split()
        if fields[0] not in "ZX":
            found[int(entry)] = (name, int(fields[1]))
    return found


def running_with(word):
    """Processes that have this word on their command line."""
    found = []
    for pid in processes():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(word).encode() in words:
            found.append(pid)
    return found


def clients():
    """Engine clients that still run, of this run of the tests: by its mount namespace, see scripts/test. Nothing else
    is left of where they come from."""
    found = []
    for pid, (name, _) in processes().items():
        try:
            if name == "creel-docker" and os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
                found.append(pid)
        except OSError:
            pass  # gone meanwhile, or another user's
    return found


def descendants(pid):
    """(pid, start time) of a process's children and theirs: what a number alone could confuse."""
    table, found, parents = processes(), set(), {pid}
    while parents:
        parents = {p for p, (_, parent) in table.items() if parent in parents}
        for each in parents:
            try:
                stat = Path(f"/proc/{each}/stat").read_text()
                found.add((each, stat.rsplit(")", 1)[1].split()[19]))
            except OSError:
                pass
    return found


def is_alive(process):
    pid, start = process
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return fields[19] == start and fields[0] not in "ZX"


def cgroups_of(pids):
    """Control groups that carry one of these numbers in their name."""
    found = set()
    for where, names, _ in os.walk("/sys/fs/cgroup"):
        found.update(os.path.join(where, n) for n in names
                     if "creel" in n and any(str(p) in n for p in pids))
    return found


def host_state(home, workspace):
    """What a sandbox could leave on this host, for a comparison of before and after."""
    return {
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "files": sorted(str(p) for place in (home, workspace) for p in Path(place).rglob("*")),
    }
