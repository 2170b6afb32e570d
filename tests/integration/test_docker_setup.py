# SPDX-License-Identifier: MIT
"""docker-setup.sh on a real engine: the gateway in a container, its sandboxes beside it, and the way back."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from support import BASE_ENV, ROOT, need

GATEWAY = "creel-gateway:test"
NAME = "setup-test"


def libraries(build):
    """What the gateway loads and the sandbox's root does not have."""
    found = set()
    for program in ("broker/creel-gateway", "gateway/creel-front", "backend/creel-docker"):
        listed = subprocess.run(["ldd", build / program], capture_output=True, text=True, check=True).stdout
        found |= {line.split("=> ")[1].split(" (")[0] for line in listed.splitlines()
                  if "=> /" in line and ("libevent" in line or "sqlite" in line)}
    return found


def make_image(engine, build, tar):
    env = {**BASE_ENV, "HOME": "/nowhere", "DOCKER_HOST": engine.host, "CREEL_ROOT_TAR": str(tar),
           "CREEL_BUILD": str(build)}
    return subprocess.run([ROOT / "scripts/gateway-image", GATEWAY], env=env, capture_output=True, text=True,
                          check=False)


@pytest.fixture(scope="module")
def gateway_image(engine, creel_bin, tmp_path_factory):
    """scripts/gateway-image, with a root that has the gateway's packages in it: the sandbox's and some files."""
    need(shutil.which("docker") is not None, "docker's command line is missing")
    build = Path(creel_bin).parent.parent.parent
    tar = tmp_path_factory.mktemp("gateway") / "root.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add("/dev/null", "./tmp/none")
    ran = make_image(engine, build, tar)
    assert ran.returncode == 1 and "creel does not run in the image" in ran.stderr
    assert not [i for i in engine.ask("GET", "/images/json")[1] if "creel-gateway" in str(i["RepoTags"])]
    shutil.copy(engine.root_tar, tar)
    with tarfile.open(tar, "a") as archive:
        for library in libraries(build / "src"):
            archive.add(os.path.realpath(library), f"./usr/lib/x86_64-linux-gnu/{Path(library).name}")
    ran = make_image(engine, build, tar)
    assert ran.returncode == 0, ran.stderr
    tar.unlink()
    yield GATEWAY
    engine.ask("DELETE", f"/images/{GATEWAY}?force=1")


class Setup:
    def __init__(self, engine, home):
        self.engine, self.state = engine, home / ".creel"
        self.env = {**BASE_ENV, "HOME": str(home), "DOCKER_HOST": engine.host,
                    "CREEL_GATEWAY_IMAGE": GATEWAY, "CREEL_GATEWAY_NAME": NAME,
                    "CREEL_GATEWAY_NETWORK": "none"}

    def __call__(self, **env):
        return subprocess.run([ROOT / "docker-setup.sh"], env={**self.env, **env}, capture_output=True,
                              text=True, timeout=200, check=False)

    def creel(self, *args):
        at = args.index("--") if "--" in args else len(args)
        return subprocess.run(
            ["docker", "exec", NAME, "creel", *args[:at], "--brand", "creel", "--config",
             "/home/creel/.creel/container.json5", *args[at:]],
            env=self.env, capture_output=True, text=True, check=False)

    def mode(self):
        return self.creel("config", "get", "agents.defaults.sandbox.mode").stdout.strip()

    def mounts(self):
        return {m["Destination"]: m["Source"] for m in self.engine.inspect(NAME)["Mounts"]}


@pytest.fixture
def setup(clean_engine, gateway_image, home):
    yield Setup(clean_engine, home)
    for name in clean_engine.containers():
        if name == NAME or name.startswith("creel-sbx-"):
            clean_engine.ask("DELETE", f"/containers/{name}?force=1")


def test_sandboxes_beside_the_gateway(setup):
    ran = setup(CREEL_SANDBOX="yes", CREEL_DOCKER_SOCKET=str(setup.engine.socket))
    assert ran.returncode == 0, ran.stderr
    assert "its sandboxes are containers of the engine" in ran.stdout
    assert setup.mode() == "non-main"
    assert setup.mounts()["/engine.sock"] == str(setup.engine.socket)
    # A session that is not the main one has its own container on the host's engine.
    ran = setup.creel("exec", "--session", "agent:main:other", "--", "sh", "-c", "hostname")
    assert any(name.startswith("creel-sbx-") for name in setup.engine.containers()), ran.stderr
    assert os.stat(setup.state / "gateway.token").st_mode & 0o777 == 0o600
    # Again: the same token, no second container.
    token = (setup.state / "gateway.token").read_text()
    assert len(token) == 64
    assert setup(CREEL_SANDBOX="1", CREEL_DOCKER_SOCKET=f"unix://{setup.engine.socket}").returncode == 0
    assert (setup.state / "gateway.token").read_text() == token


def test_without_sandboxes(setup):
    ran = setup(CREEL_SANDBOX="no")
    assert ran.returncode == 0, ran.stderr
    assert "without an engine" in ran.stdout
    assert setup.mode() == "off" and "/engine.sock" not in setup.mounts()


def test_the_configuration_has_the_last_word(setup):
    setup.state.mkdir(exist_ok=True)
    text = '{agents: {defaults: {sandbox: {mode: "all", workspaceAccess: "rw"}}}} // mine\n'
    (setup.state / "creel.json").write_text(text)
    assert setup(CREEL_SANDBOX="on", CREEL_DOCKER_SOCKET=str(setup.engine.socket)).returncode == 0
    assert setup.mode() == "all"
    assert setup.creel("config", "get", "agents.defaults.sandbox.scope").stdout.strip() == "agent"
    assert (setup.state / "creel.json").read_text() == text
    ran = setup.creel("exec", "--once", "--", "sh", "-c", "echo from the sandbox > f")
    assert ran.returncode == 0, ran.stderr
    assert (setup.state / "workspace/f").read_text() == "from the sandbox\n"


@pytest.mark.parametrize("break_it, words", [
    ("socket", "is no socket: set CREEL_DOCKER_SOCKET"),
    ("sandbox", "a sandbox could not be started"),
])
def test_back_to_off(setup, tmp_path, break_it, words):
    env = {"CREEL_SANDBOX": "true", "CREEL_DOCKER_SOCKET": str(setup.engine.socket)}
    if break_it == "socket":
        (tmp_path / "sock").touch()
        env["CREEL_DOCKER_SOCKET"] = str(tmp_path / "sock")
    else:
        setup.state.mkdir(exist_ok=True)
        (setup.state / "creel.json").write_text(
            '{agents:{defaults:{sandbox:{docker:{runtime:"nosuch"}}}}}')
    ran = setup(**env)
    assert ran.returncode == 1
    assert words in ran.stderr and "sandbox.mode is back to off" in ran.stderr
    assert setup.mode() == "off" and "/engine.sock" not in setup.mounts()


def test_a_mode_of_ones_own_is_not_taken_back(setup):
    setup.state.mkdir(exist_ok=True)
    (setup.state / "creel.json").write_text(
        '{agents:{defaults:{sandbox:{mode:"all",docker:{runtime:"nosuch"}}}}}')
    ran = setup(CREEL_SANDBOX="1", CREEL_DOCKER_SOCKET=str(setup.engine.socket))
    assert ran.returncode == 1
    assert "itself sets sandbox.mode to all, which stays" in ran.stderr
    assert setup.mode() == "all"
    assert setup.creel("exec", "--once", "--", "true").returncode == 125


def test_names_of_other_brands(setup):
    env = {"OPENCLAW_SANDBOX": "1", "OPENCLAW_DOCKER_SOCKET": str(setup.engine.socket),
           "OPENCLAW_STATE_DIR": str(setup.state.parent / "oc")}
    setup.engine.ask("POST", "/images/creel-sandbox:bookworm-slim/tag?repo=openclaw-sandbox&tag=bookworm-slim")
    try:
        ran = setup(**env)
        assert ran.returncode == 0, ran.stderr
        assert setup.mounts()["/home/creel/.openclaw"] == env["OPENCLAW_STATE_DIR"]
    finally:
        setup.engine.ask("DELETE", "/images/openclaw-sandbox:bookworm-slim")


@pytest.mark.parametrize("env, words", [
    ({"CREEL_GATEWAY_PORT": "x"}, "'x' is no port"),
    ({"CREEL_STATE_DIR": "relative"}, "has to be an absolute path"),
    ({"DOCKER_HOST": "unix:///nowhere.sock"}, "no container engine answers at unix:///nowhere.sock"),
])
def test_wrong_settings(setup, env, words):
    ran = setup(**env)
    assert ran.returncode == 1 and words in ran.stderr
    assert not (setup.state / "gateway.token").exists()


@pytest.mark.parametrize("prefix, word", [
    ("CREEL", "1"), ("CREEL", "true"), ("CREEL", "YES"), ("CREEL", "On"),
    ("OPENCLAW", "on"), ("CLAWDBOT", "1"), ("VERSO", "true"), ("EQUABOT", "yes")])
def test_words_that_ask_for_sandboxes(home, prefix, word):
    """Where sandboxes are wanted, the engine is the one behind the brand's socket; no engine is needed to see that."""
    need(shutil.which("docker") is not None, "docker's command line is missing")
    env = {**BASE_ENV, "HOME": str(home), f"{prefix}_SANDBOX": word, f"{prefix}_DOCKER_SOCKET": f"{home}/engine.sock"}
    ran = subprocess.run([ROOT / "docker-setup.sh"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert f"no container engine answers at unix://{home}/engine.sock" in ran.stderr
    assert list(home.iterdir()) == []
