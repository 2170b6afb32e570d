# SPDX-License-Identifier: MIT
"""creel image build: images in a real engine, roots for the native backend, and what interrupts them."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sandbox import Sandbox, write_config
from support import BASE_ENV, ROOT, need

NAME = "test-sandbox:1"

# In the place of mmdebstrap: a root of one file, at once. Its last argument but one is the archive.
FAKE = """#!/bin/sh
echo "$@" > "$FAKE_LOG"
for last; do tar=$previous; previous=$last; done
mkdir -p "$TMPDIR/r/bin" && cp /bin/true "$TMPDIR/r/bin/marker" && tar -cf "$tar" -C "$TMPDIR/r" ./bin
"""
SLOW = """#!/bin/sh
touch "$FAKE_LOG"
sleep 1000 &
echo $! >> "$FAKE_LOG"
wait
"""
# Until the disk says no, as mmdebstrap does.
FULL = """#!/bin/sh
dd if=/dev/zero of="$TMPDIR/fill" bs=1M 2>&1 && exit 0
exit 1
"""


class Builder:
    """creel image build with a PATH and a scratch directory of its own."""

    def __init__(self, creel_bin, home, tmp_path):
        self.creel, self.home = creel_bin, home
        self.bin, self.scratch, self.log = tmp_path / "bin", tmp_path / "scratch", tmp_path / "log"
        self.bin.mkdir()
        self.scratch.mkdir()
        self.env = {**BASE_ENV, "HOME": str(home), "TMPDIR": str(self.scratch), "FAKE_LOG": str(self.log),
                    "PATH": f"{self.bin}:{BASE_ENV['PATH']}"}

    def put(self, name, script):
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def __call__(self, *args, **env):
        return subprocess.run([self.creel, "image", "build", *args], env={**self.env, **env},
                              capture_output=True, text=True, timeout=300, check=False)

    def start(self, *args, **env):
        return subprocess.Popen([self.creel, "image", "build", *args], env={**self.env, **env},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def left(self):
        return sorted(os.listdir(self.scratch))


@pytest.fixture
def build(creel_bin, home, tmp_path):
    builder = Builder(creel_bin, home, tmp_path)
    builder.put("docker", "#!/bin/sh\nexit 1\n")  # no base image
    builder.put("mmdebstrap", FAKE)
    return builder


# --- a directory ---

def test_a_root(build, tmp_path):
    ran = build("--root", str(tmp_path / "a/root"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{tmp_path}/a/root is ready\n"
    assert "making the root of" in ran.stderr and "ripgrep" in ran.stderr
    assert (tmp_path / "a/root/bin/marker").stat().st_mode & 0o111
    assert os.listdir(tmp_path / "a") == ["root"] and build.left() == []
    assert "--include=bash,ca-certificates,curl,git,jq,python3,ripgrep" in build.log.read_text()


def test_what_each_kind_has(build, tmp_path):
    for kind, wanted in (("common", "nodejs"), ("browser", "chromium")):
        assert build(kind, "--root", str(tmp_path / kind), "--mirror", "http://m/d").returncode == 0
        said = build.log.read_text()
        assert wanted in said and said.endswith("http://m/d\n")
    assert ",novnc," not in said and "for name in novnc; do" in said


def test_a_root_that_is_in_use_is_not_touched(build, tmp_path):
    (tmp_path / "root").mkdir()
    assert build("--root", str(tmp_path / "root")).returncode == 0
    before = os.stat(tmp_path / "root/bin/marker")
    ran = build("--root", str(tmp_path / "root"), "--json")
    assert ran.returncode == 1
    assert "is there and not empty" in json.loads(ran.stdout)["error"]["message"]
    assert os.stat(tmp_path / "root/bin/marker") == before


def test_json(build, tmp_path):
    ran = build("--root", str(tmp_path / "a \"b\""), "--json")
    assert json.loads(ran.stdout) == {"root": str(tmp_path / "a \"b\"")}


def test_wrong_arguments(build):
    for args, words in ((["other"], "one of sandbox, common, browser"),
                        (["--root", "/x", "--name", "a:b"], "which has no --name")):
        ran = build(*args)
        assert ran.returncode == 2 and words in ran.stderr


def test_without_mmdebstrap(build, tmp_path):
    (build.bin / "mmdebstrap").unlink()
    for tool in ("bash", "sed", "sort", "mktemp", "rm", "chmod", "cut", "grep", "tr", "dirname",
                 "flock", "ls", "mkdir", "env", "df", "tail"):
        (build.bin / tool).symlink_to(shutil.which(tool))
    ran = build("--root", str(tmp_path / "root"), PATH=str(build.bin))
    assert ran.returncode == 1
    assert "apt-get install mmdebstrap" in ran.stderr
    assert not (tmp_path / "root").exists() and build.left() == []


def started(build):
    while not build.log.exists() or not build.log.read_text():
        time.sleep(0.01)
    return int(build.log.read_text())


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(build, tmp_path, number, status):
    build.put("mmdebstrap", SLOW.replace("wait\n", "trap 'kill $!; exit 1' INT TERM; wait\n"))
    proc = build.start("--root", str(tmp_path / "root"))
    child = started(build)
    proc.send_signal(number)
    assert proc.wait(timeout=30) == status
    assert "nothing is left" in proc.stderr.read()
    assert not is_running(child)
    assert not (tmp_path / "root").exists() and build.left() == []


def test_what_a_kill_leaves_goes_with_the_next(build, tmp_path):
    build.put("mmdebstrap", SLOW)
    proc = build.start("--root", str(tmp_path / "root"))
    child = started(build)
    # One that works is left alone.
    build.put("mmdebstrap", FAKE)
    assert build("--root", str(tmp_path / "other"), FAKE_LOG=str(tmp_path / "log2")).returncode == 0
    assert len(build.left()) == 1 and is_running(child)
    proc.kill()
    proc.wait()
    assert len(build.left()) == 1
    os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while build.left() and time.monotonic() < deadline:  # its shell holds the lock until it has gone
        assert build("--root", str(tmp_path / f"new{time.monotonic()}")).returncode == 0
    assert build.left() == []


def test_a_full_disk(build, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    build.put("mmdebstrap", FULL)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", build.scratch], check=True)
    try:
        ran = build("--root", str(tmp_path / "root"))
        assert ran.returncode == 1
        assert f"MiB are free in '{build.scratch}/" in ran.stderr
        assert build.left() == [] and not (tmp_path / "root").exists()
    finally:
        subprocess.run(["umount", build.scratch], check=True)


def test_no_engine(build, tmp_path):
    ran = build(DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert ran.returncode == 1
    assert f"no container engine answers at '{tmp_path}/none.sock'" in ran.stderr
    assert "--root DIR" in ran.stderr


# --- an image, in a real engine ---

def image(engine, name):
    status, answer = engine.ask("GET", f"/images/{name}/json")
    return answer if status == 200 else None


def test_an_image_from_packages(build, engine):
    ran = build("--name", NAME, DOCKER_HOST=engine.host)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{NAME} is ready\n" and build.left() == []
    config = image(engine, NAME)["Config"]
    assert (config["User"], config["WorkingDir"], config["Cmd"]) == (
        "sandbox", "/home/sandbox", ["sleep", "infinity"])
    engine.ask("DELETE", f"/images/{NAME}")


def test_names_and_the_engine_are_the_configurations(build, engine, home):
    write_config(home, backend="docker", docker={"socket": str(engine.socket)})
    ran = build("browser", "--json", "--brand", "openclaw", "--config", str(home / ".creel/creel.json"))
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"image": "openclaw-sandbox-browser:bookworm-slim"}
    assert image(engine, "openclaw-sandbox-browser:bookworm-slim")
    engine.ask("DELETE", "/images/openclaw-sandbox-browser:bookworm-slim")


def test_an_image_that_is_no_archive(build, engine):
    build.put("mmdebstrap", FAKE.replace("tar -cf", "head -c 4096 /dev/urandom > \"$tar\"; : "))
    ran = build("--name", NAME, DOCKER_HOST=engine.host)
    assert ran.returncode == 1 and "the engine" in ran.stderr
    assert image(engine, NAME) is None and build.left() == []


def test_an_image_from_the_dockerfile(build, engine, creel_bin, tmp_path):
    """The base image without a registry: the sandbox image without what the Dockerfile adds."""
    (build.bin / "docker").unlink()
    need(shutil.which("docker") is not None, "docker's command line is missing")
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(
        "FROM creel-sandbox:bookworm-slim\nUSER root\nRUN userdel -r sandbox\n")
    env = {**build.env, "DOCKER_HOST": engine.host}
    subprocess.run(["docker", "build", "-q", "-t", "debian:bookworm-slim", tmp_path / "context"], env=env,
                   check=True, stdout=subprocess.DEVNULL)
    try:
        ran = build("--name", NAME, DOCKER_HOST=engine.host)
        assert ran.returncode == 0, ran.stderr
        assert "sandbox.Dockerfile" in ran.stderr
        assert image(engine, NAME)["Config"]["User"] == "sandbox"
    finally:
        for name in (NAME, "debian:bookworm-slim"):
            engine.ask("DELETE", f"/images/{name}?force=1")


def test_a_native_sandbox_in_the_same_root(build, engine, creel_bin, home, workspace, tmp_path):
    """The archive of the engine's image as sandbox.native.root."""
    (build.bin / "mmdebstrap").unlink()
    ran = build("--root", str(tmp_path / "root"), CREEL_ROOT_TAR=str(engine.root_tar))
    assert ran.returncode == 0, ran.stderr
    os.chown(workspace, 1000, 1000)
    write_config(home, backend="native", native={"root": str(tmp_path / "root")})
    done = Sandbox(creel_bin, home, workspace)(
        "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME; rg -V | head -c 7")
    assert done.stdout == "bookworm\nripgrep"


def test_the_scripts_make_the_same(build, engine):
    """The engine's own image was made by sandbox-setup.sh."""
    for script in ("sandbox-common", "sandbox-browser"):
        ran = subprocess.run([ROOT / f"scripts/{script}-setup.sh"], capture_output=True, text=True,
                             env={**build.env, "DOCKER_HOST": engine.host}, check=False)
        assert ran.stdout == f"creel-{script}:bookworm-slim is ready\n", ran.stderr
        by_script = build.log.read_text()
        assert build(script.removeprefix("sandbox-"), DOCKER_HOST=engine.host).returncode == 0
        assert build.log.read_text().split("--include")[1].split()[0] in by_script
        engine.ask("DELETE", f"/images/creel-{script}:bookworm-slim?force=1")
