"""Engines that are not there, not allowed, not engines, or break off: one clear sentence, status 125."""
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from engine import VERSION, reply
from sandbox import Sandbox, clients, write_config

ID = "a" * 64
CREATED = reply(201, {"Id": ID, "Warnings": []})
GONE = reply(204, b"", raw=True)
NOT_FOUND = reply(404, {"message": "No such container"})


def made(**host):
    host = {"ReadonlyRootfs": True, "CapDrop": ["ALL"], "PidsLimit": 512,
            "SecurityOpt": ["no-new-privileges", "seccomp={}"], **host}
    return reply(200, {"State": {"Running": False}, "HostConfig": host})


def refused(sandbox):
    done = sandbox("true")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("creel: ") and done.stderr.count("\n") == 1, done.stderr
    assert clients() == []
    return done.stderr


def in_words(value):
    """Names of tests from what is expected, not from what an engine sends."""
    return value if isinstance(value, str) else ""


@pytest.fixture
def at(creel_bin, home, workspace):
    """at(path) is a Sandbox whose engine would be at that path."""

    def make(path):
        write_config(home, backend="docker", docker={"socket": str(path)})
        return Sandbox(creel_bin, home, workspace)

    return make


# --- nobody there --------------------------------------------------------------------------------

def test_no_socket(at, tmp_path):
    message = refused(at(tmp_path / "none.sock"))
    assert f"no container engine answers at '{tmp_path}/none.sock': No such file" in message
    assert "set sandbox.backend to native" in message


def test_nobody_listens(at, tmp_path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "left.sock"))
    left.close()
    assert "Connection refused" in refused(at(tmp_path / "left.sock"))


def test_an_address_that_is_no_unix_socket(at):
    assert "docker.socket is 'tcp://127.0.0.1:1'" in refused(at("tcp://127.0.0.1:1"))


def test_a_variable_that_names_no_unix_socket(creel_bin, home, workspace):
    write_config(home, backend="docker")
    sandbox = Sandbox(creel_bin, home, workspace)
    done = sandbox("true", env={"DOCKER_HOST": "ssh://x"})
    assert done.returncode == 125 and "the variable DOCKER_HOST is 'ssh://x'" in done.stderr


def test_auto_goes_on_without_an_engine_and_says_why(creel_bin, home, workspace, creel, tmp_path):
    write_config(home, backend="auto")
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    plan = json.loads(creel("sandbox", "plan", "--json", env=env).stdout)
    assert plan["backend"] == "native"
    assert f"no container engine answers at '{tmp_path}/none.sock'" in plan["backendReason"]
    assert Sandbox(creel_bin, home, workspace)("true", env=env).returncode == 0


def test_auto_knows_an_engine_from_something_else(fake, creel, home):
    fake({"GET /_ping": reply(500, {"message": "no"})})
    config = json.loads((home / ".creel/creel.json").read_text())
    config["agents"]["defaults"]["sandbox"]["backend"] = "auto"
    (home / ".creel/creel.json").write_text(json.dumps(config))
    plan = json.loads(creel("sandbox", "plan", "--json").stdout)
    assert plan["backend"] == "native"
    assert "does not answer as a container engine" in plan["backendReason"]


# --- not an engine that can be used --------------------------------------------------------------

@pytest.mark.parametrize("version,words", [
    (reply(200, {"Version": "18.9", "ApiVersion": "1.39"}), "is too old: version 18.9 speaks API 1.39"),
    (reply(200, {"Version": "99", "ApiVersion": "1.99", "MinAPIVersion": "1.60"}), "is too new"),
    (reply(200, {"ApiVersion": "2.0"}), "names no API version"),
    (reply(200, {"ApiVersion": 141}), "names no API version"),
    (reply(200, []), "names no API version"),
    (reply(200, b"{", raw=True), "names no API version"),
    (reply(200, b"", raw=True), "names no API version"),
    (reply(500, {"message": "down\x1b[2J for repair\nsecond line"}), "down\\x1b[2J for repair"),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not answer as a container engine"),
    ((b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",), "broke off"),
    (b"HTTP/1.1 301 X\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n", "status 301"),
    (reply(200, b"[" + b" " * (5 << 20) + b"]", raw=True), "longer than 4 MiB"),
    (None, "broke off"),
], ids=in_words)
def test_what_is_said_about_the_version(fake, version, words):
    assert words in refused(fake({"GET /version": version}))


@pytest.mark.parametrize("api,words", [
    (b"1.41", "no space"), (b"1.47", "no space"),  # nothing else is asked
    (b"1.48", "is too new"), (b"1.39", "is too new"), (b"x", "is too new"), (b"", "is too new")])
def test_a_ping_is_enough(fake, api, words):
    ping = b"HTTP/1.1 200 OK\r\nApi-Version: %b\r\nContent-Length: 2\r\n\r\nOK" % api
    version = reply(200, {"Version": "99", "ApiVersion": "1.99", "MinAPIVersion": "1.60"})
    assert words in refused(fake({
        "GET /_ping": ping, "GET /version": version,
        "POST /containers/create": reply(500, {"message": "no space"})}))


# --- an engine that does not do it ---------------------------------------------------------------

@pytest.mark.parametrize("create,words", [
    (reply(404, {"message": "No such image: creel-sandbox:bookworm-slim"}),
     "the sandbox image 'creel-sandbox:bookworm-slim' is not there: build it with "
     "creel image build (or scripts/sandbox-setup.sh)"),
    (reply(500, {"message": "mkdir /var/lib/docker/x: no space left on device"}),
     "no space left on device"),
    (reply(400, {"message": "invalid mount config: bind source path does not exist: /x"}),
     "bind source path does not exist: /x"),
    (reply(403, {"message": "authorization denied by plugin"}), "authorization denied by plugin"),
    (reply(201, {"Id": "../../x"}), "names no id"),
    (reply(201, {"Id": 7}), "names no id"),
    (reply(201, {"Warnings": None}), "names no id"),
    (reply(201, b"not JSON", raw=True), "names no id"),
    (reply(201, {"Id": ID, "Warnings": ["Your kernel does not support pids limit. discarded."]}),
     "cannot honour a limit that is configured: Your kernel does not support pids limit"),
    (None, "cannot create the container: the container engine at"),
], ids=in_words)
def test_create_fails(fake, create, words):
    assert words in refused(fake({"GET /version": VERSION, "POST /containers/create": create}))


@pytest.mark.parametrize("host,field", [
    ({"ReadonlyRootfs": False}, "ReadonlyRootfs"), ({"CapDrop": []}, "CapDrop"),
    ({"PidsLimit": None}, "PidsLimit"), ({"SecurityOpt": None}, "SecurityOpt"),
    ({"SecurityOpt": ["no-new-privileges"]}, "SecurityOpt"),
    ({"Privileged": True}, "Privileged"),
])
def test_a_container_that_is_not_what_was_asked_for(fake, host, field):
    message = refused(fake({
        "GET /version": VERSION, "POST /containers/create": CREATED,
        f"GET /containers/{ID}/json": made(**host), f"DELETE /containers/{ID}": GONE}))
    assert f"made a container with another {field} than was asked for" in message


PODMAN = {"Version": "4.9.3", "ApiVersion": "1.41", "MinAPIVersion": "1.24",
          "Components": [{"Name": "Podman Engine", "Version": "4.9.3"}]}


@pytest.mark.parametrize("ping", [
    reply(404, {}), b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-API-Version: 4.9.3\r\n"
                    b"Server: Libpod/4.9.3 (linux)\r\nContent-Length: 2\r\n\r\nOK"])
def test_podman_reads_the_list_of_system_calls_from_a_file(fake, ping):
    """Its API takes the name of a file where Docker's takes the profile."""

    def files():
        return [p for p in Path("/tmp").glob("creel-seccomp-*") if p.stat().st_uid == os.getuid()]

    def create(body):
        first, second = json.loads(body)["HostConfig"]["SecurityOpt"]
        profile = json.loads(Path(second.removeprefix("seccomp=")).read_text())
        return CREATED if first == "no-new-privileges" and profile["syscalls"] else reply(500, {"message": second})

    assert "cannot fork" in refused(fake({
        "GET /_ping": ping, "GET /version": reply(200, PODMAN), "POST /containers/create": create,
        f"GET /containers/{ID}/json": made(SecurityOpt=["no-new-privileges:true"]),
        f"POST /containers/{ID}/start": reply(500, {"message": "cannot fork"}),
        f"DELETE /containers/{ID}": GONE}))
    assert files() == []


@pytest.mark.parametrize("start,words", [
    (reply(400, {"message": "OCI runtime create failed: exec format error"}), "exec format error"),
    (reply(500, {"message": "cannot fork"}), "cannot start the container: the container engine says"),
    (None, "cannot start the container: the container engine at"),
])
def test_start_fails(fake, start, words):
    assert words in refused(fake({
        "GET /version": VERSION, "POST /containers/create": CREATED,
        f"GET /containers/{ID}/json": made(), f"POST /containers/{ID}/start": start,
        f"DELETE /containers/{ID}": GONE}))


def test_a_container_that_ends_at_once(fake):
    message = refused(fake({
        "GET /version": VERSION, "POST /containers/create": CREATED,
        f"GET /containers/{ID}/json": made(), f"POST /containers/{ID}/start": GONE,
        f"DELETE /containers/{ID}": GONE}))
    assert "ended before it dialled home" in message


# --- a real one ----------------------------------------------------------------------------------

def test_no_permission(docker, as_root):
    """An ordinary user that is not in the socket's group."""
    os.chmod(docker.engine.socket, 0o660)
    # May look everywhere, so that it finds the program under test; may write nowhere.
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    done = subprocess.run([*ordinary, *docker.argv("true")], env=docker.env, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 125
    assert f"no permission to use the container engine at '{docker.engine.socket}'" in done.stderr


def test_an_image_that_is_not_there(docker):
    docker.configure({"image": "other-sandbox:1"})
    message = refused(docker)
    assert "the sandbox image 'other-sandbox:1' is not there: build it with " \
           "creel image build (or scripts/sandbox-setup.sh)" in message
    docker.configure({"image": "creel-sandbox-common:bookworm-slim"})
    assert "build it with creel image build common (or " in refused(docker)


def test_a_runtime_that_is_not_there(docker):
    docker.configure({"runtime": "nosuch-runtime"})
    assert "nosuch-runtime" in refused(docker)


def test_a_limit_that_the_host_cannot_keep(docker):
    """Swap is not counted on every kernel; where it is not, memorySwap is refused, memory is not."""
    docker.configure({"memory": "256m", "memorySwap": "300m"})
    done = docker("true")
    info = docker.engine.ask("GET", "/info")[1]
    assert done.returncode == (0 if info["SwapLimit"] else 125), done.stderr
    if not info["SwapLimit"]:
        assert "cannot honour a limit that is configured" in done.stderr
    docker.configure({"memory": "256m"})
    assert docker("true").returncode == 0


def test_the_prefix_is_no_name(docker):
    docker.configure({"containerPrefix": "a/b?c-"})
    assert "check docker.containerPrefix" in refused(docker)
