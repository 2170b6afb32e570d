"""The docker backend on a real engine: what is inside, what comes out, what stays behind."""
import concurrent.futures
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from engine import IMAGE
from sandbox import clients, processes


def wait_for(condition, seconds=60):
    """A state that has to come; how soon is not what is tested."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def left_homes():
    """Of containers for once (those of lasting ones have longer names) and held by nobody: what runs beside us has
    its own."""
    left = []
    for home in Path("/run").glob("creel-??????"):
        try:
            lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue  # it has gone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.append(home.name)
        except OSError:
            pass
        finally:
            os.close(lock)
    return left


def sweeps_up(docker):
    """The next run leaves nothing of those that were killed; somebody else's may be killed right now."""
    wait_for(lambda: docker("true").returncode == 0 and left_homes() == [])


def running_container(docker):
    """The one container that is there, inspected."""
    names = docker.engine.containers()
    assert len(names) == 1, names
    return docker.engine.inspect(names[0])


@pytest.fixture
def inspected(docker):
    """inspected(options): what the engine says about a sandbox while a command runs in it."""

    def look(docker_keys=None, **keys):
        docker.configure(docker_keys, **keys)
        process = docker.start("sh", "-c", "echo up; read x", stdin=-1, stdout=-1, stderr=-1)
        try:
            line = process.stdout.readline()
            assert line == b"up\n", process.stderr.read()
            return running_container(docker)
        finally:
            process.communicate(b"\n")

    return look


# --- a command -----------------------------------------------------------------------------------

def test_a_command_runs_and_nothing_stays(docker, workspace):
    done = docker("sh", "-c", "id -u; pwd; echo written > file; cat /proc/1/comm; exit 7")
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout == "1000\n/workspace\ninit\n"
    assert (workspace / "file").read_text() == "written\n"
    assert (workspace / "file").stat().st_uid == 1000
    wait_for(lambda: left_homes() == [])
    assert clients() == []


@pytest.mark.parametrize("size", [0, 1, 65536, (5 << 20) + 13])
def test_every_byte_both_ways(docker, size):
    data = hashlib.shake_256(b"creel").digest(size)
    done = docker("cat", input=data, text=False)
    assert (done.returncode, done.stdout) == (0, data)


def test_statuses_signals_and_missing_commands(docker):
    assert docker("bash", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
    done = docker("nosuch")
    assert (done.returncode, done.stderr) == (127, "creel: nosuch: command not found\n")


def test_a_timeout_ends_the_tree(docker):
    done = docker("sh", "-c", "sleep 1000 & sleep 1000", options=["--timeout", "1"])
    assert done.returncode == 124


def test_a_terminal(docker):
    done = docker("sh", "-c", "test -t 0 && test -t 1 && echo yes", options=["--tty"])
    assert (done.returncode, done.stdout) == (0, "yes\n")


def test_tools_use_it(docker, creel, workspace):
    done = creel("tool", "write", "--once", "--workspace", workspace, "--json", "--args",
                 json.dumps({"path": "a/b", "content": "text\n"}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (workspace / "a/b").read_text() == "text\n"
    assert (workspace / "a/b").stat().st_uid == 1000
    done = creel("tool", "exec", "--once", "--workspace", workspace, "--json", "--args",
                 json.dumps({"command": "cat a/b; cat /proc/1/comm"}))
    answer = json.loads(done.stdout)
    assert "text\ninit" in json.dumps(answer).replace("\\n", "\n"), answer


def test_twelve_at_once(docker):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        ran = list(pool.map(lambda n: docker("echo", n), range(12)))
    assert [(d.returncode, d.stdout, d.stderr) for d in ran] == [
        (0, f"{n}\n", "") for n in range(12)]


# --- what the engine made ------------------------------------------------------------------------

def test_the_container_is_closed(inspected, docker, workspace):
    made = inspected()
    host, config = made["HostConfig"], made["Config"]
    assert made["Name"].startswith("/creel-sbx-agent-main-main-6d9217fe-")
    assert config["Image"] == made["Image"] and config["Labels"]["creel.image"] == IMAGE
    assert config["User"] == "1000:1000"
    assert config["WorkingDir"] == "/workspace"
    assert config["Entrypoint"] == ["/run/creel/init"]
    assert config["Healthcheck"] == {"Test": ["NONE"]}
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert host["AutoRemove"] is True
    assert host["CapDrop"] == ["ALL"] and not host["CapAdd"]
    assert [x.split("=")[0] for x in host["SecurityOpt"]] == ["no-new-privileges", "seccomp"]
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["LogConfig"]["Type"] == "none"
    assert host["PidsLimit"] == 512
    assert {"/proc/kcore", "/proc/interrupts", "/proc/slabinfo", "/sys/firmware"} <= set(host["MaskedPaths"])
    assert host["IpcMode"] == "private" and host["PidMode"] == "" and host["UTSMode"] == ""
    assert sorted(host["Tmpfs"]) == ["/run", "/tmp", "/var/tmp"]
    mounts = {m["Destination"]: (m["Source"], m["RW"]) for m in made["Mounts"]}
    assert mounts.pop("/workspace") == (str(workspace), True)
    assert mounts.pop("/run/creel")[1] is False
    source, writable = mounts.pop("/run/creel/init")
    assert source.endswith("/creel-init") and writable is False
    assert mounts == {}


def test_labels(inspected, creel):
    labels = inspected()["Config"]["Labels"]
    plan = json.loads(creel("sandbox", "plan", "--json").stdout)
    assert labels["creel.sandbox"] == "1"
    assert labels["creel.sessionKey"] == "agent:main:main"
    assert labels["creel.once"] == "1"
    assert len(labels["creel.instance"]) == 16
    assert len(labels["creel.configHash"]) == len(plan["configHash"]) == 64
    assert abs(int(labels["creel.createdAtMs"]) / 1000 - time.time()) < 300


def test_limits_arrive(inspected):
    host = inspected({"memory": "256m", "cpus": 0.5, "pidsLimit": 77,
                      "ulimits": {"nofile": {"soft": 100, "hard": 200}, "core": 0}})["HostConfig"]
    assert host["Memory"] == 256 << 20
    assert host["NanoCpus"] == 500_000_000
    assert host["PidsLimit"] == 77
    assert sorted((u["Name"], u["Soft"], u["Hard"]) for u in host["Ulimits"]) == [
        ("core", 0, 0), ("nofile", 100, 200)]


def test_names_of_hosts_and_servers_arrive(inspected):
    host = inspected({"dns": ["9.9.9.9"], "extraHosts": ["db.test:10.1.2.3"],
                      "tmpfs": ["/scratch:size=4m,mode=1777", "/run"]})["HostConfig"]
    assert host["Dns"] == ["9.9.9.9"]
    assert host["ExtraHosts"] == ["db.test:10.1.2.3"]
    assert host["Tmpfs"] == {"/scratch": "size=4m,mode=1777", "/run": ""}


def test_limits_hold(docker):
    docker.configure({"pidsLimit": 20, "ulimits": {"nofile": 64}})
    # Not a shell: bash tries a fork again and again, for 15 seconds.
    done = docker("python3", "-c", "import os, resource, time\n"
                                   "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)\n"
                                   "for _ in range(50):\n"
                                   "    if os.fork() == 0:\n"
                                   "        time.sleep(30)\n"
                                   "        os._exit(0)\n")
    assert done.stdout.startswith("64\n")
    assert "Resource temporarily unavailable" in done.stderr


def test_variables_and_user(docker, workspace):
    docker.configure({"env": {"PLAIN": "a b", "MY_TOKEN": "s3cret"}, "user": "1234:4321"})
    workspace.chmod(0o777)
    done = docker("sh", "-c", "id -u; id -g; echo $PLAIN $MY_TOKEN $HOME; env | grep -c ^CREEL")
    assert done.stdout == "1234\n4321\na b s3cret /workspace\n0\n"


@pytest.mark.parametrize("access,writes,agent", [
    ("none", True, False), ("ro", False, True), ("rw", True, False)])
def test_workspace_access(docker, home, workspace, access, writes, agent):
    (workspace / "mine").write_text("mine\n")
    docker.configure(workspaceAccess=access)
    done = docker("sh", "-c", "touch /workspace/new && echo wrote; cat /agent/mine; "
                              "touch /agent/new; touch /etc/new; true")
    assert ("wrote" in done.stdout) == writes
    assert ("mine" in done.stdout) == agent
    assert (workspace / "new").exists() == (access == "rw")
    assert done.stderr.count("Read-only file system") == (1 if access != "ro" else 3), done.stderr


def test_binds(docker, workspace):
    (workspace / "data").mkdir()
    (workspace / "data/file").write_text("bound\n")
    docker.configure({"binds": [f"{workspace}/data:/data:ro", f"{workspace}/data:/data2:rw"]})
    done = docker("sh", "-c", "cat /data/file; touch /data/x; touch /data2/y; ls /data2")
    assert done.stdout == "bound\nfile\ny\n" or done.returncode == 0, done.stderr
    assert "Read-only file system" in done.stderr


def test_a_missing_source_is_an_error_and_no_directory(docker, tmp_path):
    docker.configure({"binds": [f"{tmp_path}/nosuch:/data"],
                      "dangerouslyAllowExternalBindSources": True})
    done = docker("true")
    assert done.returncode == 125 and "nosuch" in done.stderr
    assert not (tmp_path / "nosuch").exists()


def test_nothing_can_be_gained(docker):
    done = docker("sh", "-c", "grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; "
                              "ls -A /run/creel; ls /sys/class/net")
    assert done.stdout.split() == ["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1",
                                   "Seccomp:", "2", "init", "lo"]


def test_a_profile_of_ones_own(docker, tmp_path):
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}))
    docker.configure({"seccompProfile": str(profile)})
    done = docker("sh", "-c", "mkdir dir; echo on")
    assert done.stdout == "on\n" and "Operation not permitted" in done.stderr
    profile.write_text("{")
    done = docker("true")
    assert done.returncode == 125 and "is not JSON" in done.stderr


def test_without_a_profile_the_list_is_creels_own(docker):
    done = docker("sh", "-c", "touch x; chmod 4755 x && echo set; chmod 755 x && echo plain; "
                              "setarch --uname-2.6 true && echo on")
    assert done.stdout == "plain\non\n" and "Operation not permitted" in done.stderr
    explained = subprocess.run([docker.bin, "sandbox", "explain", "--json"], env=docker.env,
                               capture_output=True, check=True).stdout
    assert json.loads(explained)["sandbox"]["seccompProfile"] == "creel's own list"


def test_root_installs_programs_where_it_may(docker, workspace):
    """A package with a set-user-id program, users, su, chroot: what capDrop leaves."""
    (workspace / "package").write_text("""set -e
mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin
printf 'Package: raised\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' > /tmp/p/DEBIAN/control
cp /bin/true /tmp/p/usr/bin/raised
chmod 4755 /tmp/p/usr/bin/raised
dpkg-deb --build /tmp/p /tmp/p.deb >/dev/null
dpkg --install /tmp/p.deb >/dev/null
stat -c %a /usr/bin/raised
groupadd installed && useradd --gid installed somebody
install --owner somebody --mode 600 /etc/hosts /tmp/owned
su somebody --shell /bin/sh --command 'id -un; cat /tmp/owned > /dev/null && echo read'
chroot / true && echo chroot
""")
    docker.configure({"user": "0:0", "readOnlyRoot": False, "capDrop": ["MKNOD"]})
    done = docker("sh", "/workspace/package")
    assert (done.stdout.split(), done.returncode) == (["4755", "somebody", "read", "chroot"], 0), done.stderr


def test_an_image_with_nothing_in_it(docker, workspace):
    """creel-init needs no shell, no library, no /proc of the image's."""
    import io
    import tarfile
    from engine import Connection
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("empty/")
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    connection = Connection(docker.engine.socket)
    connection.request("POST", "/images/create?fromSrc=-&repo=nothing&tag=1", data.getvalue(),
                       {"Content-Type": "application/x-tar"})
    assert connection.getresponse().read()
    docker.configure({"image": "nothing:1"})
    done = docker("true")
    assert (done.returncode, done.stderr) == (127, "creel: true: command not found\n")
    init = next(Path(docker.bin).parent.parent.glob("init/creel-init"))
    (workspace / "program").write_bytes(init.read_bytes())
    (workspace / "program").chmod(0o755)
    assert "unknown option" in docker("./program", "--nosuch").stderr


def test_the_environment_is_the_images_and_what_is_declared(docker):
    """As docker run has it; nothing of this host's."""
    made = docker.engine.ask("POST", "/containers/create?name=for-commit", {"Image": IMAGE})
    assert made[0] == 201, made
    try:
        status, answer = docker.engine.ask(
            "POST", "/commit?container=for-commit&repo=with-env&tag=1",
            {"Env": ["PATH=/opt/own:/usr/bin:/bin", "IMAGE=its own", "BOTH=image"]})
        assert status == 201, answer
    finally:
        docker.engine.ask("DELETE", "/containers/for-commit?force=1")
    docker.configure({"image": "with-env:1", "env": {"BOTH": "declared"}})
    done = docker("env", env={"HOST": "secret"})
    assert sorted(done.stdout.splitlines()) == [
        "BOTH=declared", "HOME=/workspace", "IMAGE=its own", "PATH=/opt/own:/usr/bin:/bin"]


# --- files that others own -----------------------------------------------------------------------

@pytest.mark.parametrize("uid", [0, 1000, 54321])
def test_a_private_workspace_of_anybody(docker, workspace, uid):
    """0700 folders and 0600 files: the sandbox's user is the workspace's owner."""
    (workspace / "dir").mkdir(mode=0o700)
    (workspace / "dir/file").write_text("old\n")
    for path in (workspace / "dir/file", workspace / "dir", workspace):
        path.chmod(0o600 if path.is_file() else 0o700)
        os.chown(path, uid, uid)
    done = docker("sh", "-c", "id -u; cat dir/file; echo new > dir/file; echo x > dir/made")
    assert (done.stdout, done.stderr) == (f"{uid}\nold\n", "")
    assert (workspace / "dir/file").read_text() == "new\n"
    assert (workspace / "dir/made").stat().st_uid == uid


# --- choosing it ---------------------------------------------------------------------------------

def test_auto_takes_the_engine_that_answers(docker, creel):
    config = docker.home / ".creel/creel.json"
    text = json.loads(config.read_text())
    text["agents"]["defaults"]["sandbox"]["backend"] = "auto"
    del text["agents"]["defaults"]["sandbox"]["docker"]["socket"]
    config.write_text(json.dumps(text))
    for env in ({"DOCKER_HOST": docker.engine.host},
                {"CREEL_DOCKER_SOCKET": str(docker.engine.socket), "DOCKER_HOST": "tcp://x:1"}):
        plan = json.loads(creel("sandbox", "plan", "--json", env=env).stdout)
        assert plan["backend"] == "docker"
        assert plan["backendReason"] == (
            f"auto: the container engine at '{docker.engine.socket}' answers")
        assert docker("cat", "/proc/1/comm", env=env).stdout == "init\n"


# --- endings -------------------------------------------------------------------------------------

def test_killed_while_a_command_runs(docker):
    process = docker.start("sh", "-c", "echo up; sleep 1000", stdout=-1)
    assert process.stdout.readline() == b"up\n"
    assert len(docker.engine.containers()) == 1
    process.kill()
    process.wait()
    wait_for(lambda: docker.engine.containers() == [])
    wait_for(lambda: clients() == [])


def test_killed_together_with_the_client(docker):
    """Nobody of ours is left: creel-init ends with its stream, the engine removes what ended."""
    process = docker.start("sh", "-c", "echo up; sleep 1000", stdout=-1)
    assert process.stdout.readline() == b"up\n"
    client, = clients()
    assert processes()[client][1] == process.pid
    os.kill(client, signal.SIGKILL)
    process.kill()
    process.wait()
    wait_for(lambda: docker.engine.containers() == [])
    sweeps_up(docker)


@pytest.mark.parametrize("delay_ms", [1, 3, 6, 10, 20, 40, 80, 120, 160, 200, 260, 320])
def test_killed_at_any_moment_of_the_start(docker, delay_ms):
    process = docker.start("sleep", "1000")
    time.sleep(delay_ms / 1000)
    process.kill()
    process.wait()
    wait_for(lambda: clients() == [])
    wait_for(lambda: docker.engine.containers() == [])
    sweeps_up(docker)


def test_ended_by_a_signal_at_the_terminal(docker):
    process = docker.start("sh", "-c", "echo up; sleep 1000", stdout=-1)
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert docker.engine.containers() == []


def test_somebody_removes_the_container(docker):
    process = docker.start("sh", "-c", "echo up; sleep 1000", stdout=-1, stderr=-1)
    assert process.stdout.readline() == b"up\n"
    name, = docker.engine.containers()
    assert docker.engine.ask("DELETE", f"/containers/{name}?force=1")[0] == 204
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 125 and error.startswith("creel: "), error
