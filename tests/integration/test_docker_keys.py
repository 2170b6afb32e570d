"""Every key of sandbox.docker: what the engine says of the container, and what a command in it sees."""
import json
import os

import pytest

from engine import IMAGE
from sandbox import write_config

NAME = "keys-sbx-agent-main-main-6d9217fe"
MIB = 1 << 20


@pytest.fixture
def life(docker_life):
    return docker_life


def in_cgroup(*names):
    """The first of these files that there is, of either version of control groups."""
    return f"for f in {' '.join(names)}; do [ -r /sys/fs/cgroup/$f ] && cat /sys/fs/cgroup/$f && break; done"


def bindings(made):
    return {m["Destination"]: (m["Source"], m["RW"]) for m in made["Mounts"]}


def make_profile(path):
    """Forbids what nothing here needs."""
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW",
                                "syscalls": [{"names": ["mknod", "mknodat"], "action": "SCMP_ACT_ERRNO"}]}))
    return str(path)


def rows(home, workspace, tmp_path):
    """key: (value, what inspect says, as (expression, expected), a command inside, what it prints)."""
    for path in (tmp_path / "outside", workspace / "data", home / ".aws"):
        path.mkdir()
        (path / "file").write_text(f"{path.name}\n")
    outside = str(tmp_path / "outside")
    return {
        "containerPrefix": ("keys-sbx-", (lambda m: m["Name"], f"/{NAME}"), None, None),
        "image": (IMAGE, (lambda m: m["Config"]["Labels"]["creel.image"], IMAGE),
                  ". /etc/os-release; echo $VERSION_CODENAME", "bookworm"),
        "workdir": ("/srv/work", (lambda m: m["Config"]["WorkingDir"], "/srv/work"), "pwd", "/srv/work"),
        "readOnlyRoot": (True, (lambda m: m["HostConfig"]["ReadonlyRootfs"], True),
                         "touch /opt/x 2>/dev/null || echo refused", "refused"),
        "tmpfs": (["/tmp:size=8m", "/scratch"],
                  (lambda m: m["HostConfig"]["Tmpfs"], {"/tmp": "size=8m", "/scratch": ""}),
                  "stat -f -c %T /scratch; df -k --output=size /tmp | tail -1 | tr -d ' '", "tmpfs 8192"),
        "network": ("none", (lambda m: m["HostConfig"]["NetworkMode"], "none"), "ls /sys/class/net", "lo"),
        "user": ("1234:4321", (lambda m: m["Config"]["User"], "1234:4321"), "id -u; id -g", "1234 4321"),
        # The bounding set is what could ever be had again: 0 is CHOWN, 13 NET_RAW, 5 KILL.
        "capDrop": (["CHOWN", "NET_RAW"], (lambda m: m["HostConfig"]["CapDrop"], ["CHOWN", "NET_RAW"]),
                    "b=$((0x$(sed -n 's/^CapBnd:.//p' /proc/self/status))); "
                    "echo $((b & 1)) $((b >> 13 & 1)) $((b >> 5 & 1))", "0 0 1"),
        "env": ({"PLAIN": "a b", "MY_TOKEN": "s3cret"},
                (lambda m: {"PLAIN=a b", "MY_TOKEN=s3cret"} <= set(m["Config"]["Env"]), True),
                "echo $PLAIN $MY_TOKEN", "a b s3cret"),
        "setupCommand": (["echo one >> /srv/work/setup", "echo two >> /srv/work/setup"], None,
                         "cat setup", "one two"),
        "pidsLimit": (77, (lambda m: m["HostConfig"]["PidsLimit"], 77),
                      in_cgroup("pids.max", "pids/pids.max"), "77"),
        "memory": ("256m", (lambda m: m["HostConfig"]["Memory"], 256 * MIB),
                   in_cgroup("memory.max", "memory/memory.limit_in_bytes"), str(256 * MIB)),
        "cpus": (0.5, (lambda m: m["HostConfig"]["NanoCpus"], 500_000_000),
                 in_cgroup("cpu.max", "cpu/cpu.cfs_quota_us", "cpu,cpuacct/cpu.cfs_quota_us") +
                 " | cut -d' ' -f1", "50000"),
        "ulimits": ({"nofile": {"soft": 100, "hard": 200}, "core": 0},
                    (lambda m: sorted((u["Name"], u["Soft"], u["Hard"]) for u in m["HostConfig"]["Ulimits"]),
                     [("core", 0, 0), ("nofile", 100, 200)]),
                    "ulimit -Sn; ulimit -Hn; ulimit -c", "100 200 0"),
        "seccompProfile": (make_profile(tmp_path / "profile.json"),
                           (lambda m: any(o.startswith('seccomp={"defaultAction"')
                                          for o in m["HostConfig"]["SecurityOpt"]), True),
                           "mkfifo /tmp/f 2>/dev/null || echo refused", "refused"),
        "dns": (["192.0.2.53"], (lambda m: m["HostConfig"]["Dns"], ["192.0.2.53"]), None, None),
        "extraHosts": (["db.test:192.0.2.2"], (lambda m: m["HostConfig"]["ExtraHosts"], ["db.test:192.0.2.2"]),
                       "grep -c '192.0.2.2.*db.test' /etc/hosts", "1"),
        "binds": ([f"{workspace}/data:/data:ro", f"{workspace}/data:/agent/data", f"{outside}:/outside:rw",
                   f"{home}/.aws:/aws:ro"],
                  (lambda m: (bindings(m)["/data"], bindings(m)["/outside"]),
                   ((f"{workspace}/data", False), (outside, True))),
                  "cat /data/file; touch /data/x 2>/dev/null || echo refused", "data refused"),
        "dangerouslyAllowReservedContainerTargets": (
            True, (lambda m: bindings(m)["/agent/data"], (f"{workspace}/data", True)), "cat /agent/data/file", "data"),
        "dangerouslyAllowExternalBindSources": (
            True, (lambda m: "/outside" in bindings(m), True), "cat /outside/file", "outside"),
        "dangerouslyAllowBindSources": (
            [f"{home}/.aws"], (lambda m: m["Config"]["Labels"]["creel.dangerousBinds"], f"{home}/.aws"),
            "cat /aws/file", ".aws"),
        "runtime": ("other", (lambda m: m["HostConfig"]["Runtime"], "other"), None, None),
    }


# Keys that exclude the others, or that not every machine can honour: each has its test below, or elsewhere.
APART = {"apparmorProfile", "dangerouslyAllowContainerNamespaceJoin", "gpus", "memorySwap", "socket"}


def inside(life, table):
    """What the commands print, in one call, by key."""
    commands = {key: row[2] for key, row in table.items() if row[2]}
    script = "\n".join(f"echo '== {key}'; {{ {command}; }} 2>&1" for key, command in commands.items())
    done = life("sh", "-c", script)
    assert done.returncode == 0, done.stderr
    parts = (part.split("\n", 1) for part in done.stdout.split("== ")[1:])
    return {key: " ".join(text.split()) for key, text in parts}


def test_every_key_arrives(life, home, workspace, tmp_path):
    table = rows(home, workspace, tmp_path)
    life.configure(docker={key: row[0] for key, row in table.items()})
    seen = inside(life, table)
    made = life.engine.inspect(NAME)
    for key, (_, says, command, printed) in table.items():
        if says:
            assert says[0](made) == says[1], key
        if command:
            assert seen[key] == printed, key
    check_plan(life, made)
    done = life.cli("sandbox", "explain", "--probe", "--workspace", workspace)
    assert done.returncode == 0, done.stdout[done.stdout.find("Probe:"):] + done.stderr


def check_plan(life, made):
    """sandbox plan --json is what was made, field by field."""
    done = life.cli("sandbox", "plan", "--json", "--reveal", "--workspace", life.workspace)
    plan = json.loads(done.stdout)
    container, host, config = plan["container"], made["HostConfig"], made["Config"]
    assert f"/{container['name']}" == made["Name"]
    assert plan["configHash"] == config["Labels"]["creel.configHash"]
    assert (container["user"], container["workdir"]) == (config["User"], config["WorkingDir"])
    assert {f"{name}={value}" for name, value in container["env"].items()} <= set(config["Env"])
    for ours, theirs in (("readOnlyRoot", "ReadonlyRootfs"), ("network", "NetworkMode"), ("capDrop", "CapDrop"),
                         ("dns", "Dns"), ("extraHosts", "ExtraHosts"), ("pidsLimit", "PidsLimit"),
                         ("memory", "Memory")):
        assert container[ours] == host[theirs], ours
    assert container["cpus"] * 1e9 == host["NanoCpus"]
    assert {name: (u["soft"], u["hard"]) for name, u in container["ulimits"].items()} == {
        u["Name"]: (u["Soft"], u["Hard"]) for u in host["Ulimits"]}
    assert {entry.split(":")[0] for entry in container["tmpfs"]} == set(host["Tmpfs"])
    assert "no-new-privileges" in container["securityOpt"] and "no-new-privileges" in host["SecurityOpt"]
    found = {target: writable for target, (_, writable) in bindings(made).items()
             if not target.startswith("/run/creel")}
    assert {m["target"]: not m["readOnly"] for m in container["mounts"]} == found


def test_every_key_has_a_row(creel, home, workspace, tmp_path):
    """A key that is new has to be shown here."""
    write_config(home)
    docs = creel("config", "docs").stdout
    keys = {line.split("`")[1].split(".")[2] for line in docs.splitlines() if line.startswith("| `sandbox.docker.")}
    assert keys == set(rows(home, workspace, tmp_path)) | APART


def test_the_network_of_another_container(life):
    """The peer's network name space is the sandbox's; without the key it is refused."""
    status, answer = life.engine.ask("POST", "/containers/create?name=peer", {
        "Image": IMAGE, "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}})
    assert status == 201, answer
    try:
        assert life.engine.ask("POST", "/containers/peer/start")[0] == 204
        life.configure(docker={"network": "container:peer"})
        done = life("true")
        assert done.returncode == 125 and "dangerouslyAllowContainerNamespaceJoin" in done.stderr
        life.configure(docker={"network": "container:peer", "dangerouslyAllowContainerNamespaceJoin": True})
        peer = life.engine.inspect("peer")
        shown = life("readlink", "/proc/self/ns/net").stdout.strip()
        assert shown == os.readlink(f"/proc/{peer['State']['Pid']}/ns/net")
        name, = life.names()
        assert life.engine.inspect(name)["HostConfig"]["NetworkMode"] in (
            "container:peer", f"container:{peer['Id']}")
        life.remove_all()
    finally:
        life.engine.ask("DELETE", "/containers/peer?force=1")


def test_an_apparmor_profile(life):
    """In force where the kernel has AppArmor; where it has not, the sandbox is not made without it."""
    life.configure(docker={"apparmorProfile": "docker-default"})
    done = life("sh", "-c", "cat /proc/self/attr/current 2>/dev/null")
    if any("apparmor" in option for option in life.engine.ask("GET", "/info")[1]["SecurityOptions"]):
        name, = life.names()
        assert "apparmor=docker-default" in life.engine.inspect(name)["HostConfig"]["SecurityOpt"]
        assert done.stdout.startswith("docker-default (enforce)")
    else:
        assert (done.returncode, done.stdout) == (125, "") and "AppArmor" in done.stderr
        assert life.engine.containers() == []


def test_gpus(life):
    """No test machine has one: the engine is asked for it, says so, and nothing is left."""
    for value in ("all", "2", "device=0,GPU-1"):
        life.configure(docker={"gpus": value})
        done = life("true")
        if done.returncode == 125:
            assert "capabilities: [[gpu]]" in done.stderr and life.engine.containers() == []
        else:
            name, = life.names()
            assert life.engine.inspect(name)["HostConfig"]["DeviceRequests"][0]["Capabilities"] == [["gpu"]]
    life.configure(docker={"gpus": "some"})
    assert "docker.gpus is 'some'" in life("true").stderr
    life.configure(backend="native", docker={"gpus": "all"})
    assert "gpus" in life("true").stderr


def test_swap(life):
    """Counted, or refused where this kernel does not count it."""
    life.configure(docker={"memory": "256m", "memorySwap": "300m"})
    done = life("true")
    if life.engine.ask("GET", "/info")[1]["SwapLimit"]:
        name, = life.names()
        assert life.engine.inspect(name)["HostConfig"]["MemorySwap"] == 300 * MIB
        assert done.returncode == 0
    else:
        assert done.returncode == 125 and "cannot honour a limit that is configured" in done.stderr
        assert life.engine.containers() == []
