"""A container engine of the tests' own: dockerd with everything below one directory."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from support import ROOT, need, scratch

IMAGE = "creel-sandbox:bookworm-slim"
SCRATCH_BYTES = 3 << 30  # the sandbox's root, its archive, the gateway's image and what is made of them


class Connection(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path):
        super().__init__("engine", timeout=120)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def why_not():
    """What is missing for an engine here, or None."""
    if os.getuid() != 0:
        return "only root can start a container engine"
    missing = [name for name in ("dockerd", "containerd", "runc", "iptables", "mmdebstrap", "curl")
               if shutil.which(name) is None]
    return f"missing: {' '.join(missing)}" if missing else None


def need_engine(missing):
    """missing: why there can be no engine here, or None. Only root can have one, and on CI has to."""
    if os.getuid() != 0:
        pytest.skip(missing)
    need(missing is None, str(missing))


def write_small_root(path, *programs):
    """A shell and a few programs of this host's with their libraries, as a tar: an image that is there at once."""
    programs = [shutil.which(name) for name in ("sh", *programs)]
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    files = {word for word in listed.replace(":", " ").split() if word.startswith("/")}
    with tarfile.open(path, "w") as out:
        for name in sorted({*files, *programs, "/bin/sh"}):
            out.add(os.path.realpath(name), name)


class Engine:
    """dockerd: start it, ask it, kill it."""

    def __init__(self, network=(), where=None):
        """network: what starts a program in a network of the tests' own, where rules of iptables and bridges
        trouble nobody; without it there are none."""
        self.network = network
        self.dir = Path(tempfile.mkdtemp(prefix="creel-engine-", dir=where or scratch(SCRATCH_BYTES)))
        self.socket = self.dir / "engine.sock"
        self.host = f"unix://{self.socket}"
        self.process = None
        self.root_tar = None  # what the image was made of

    def start(self, *options):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.network, "dockerd", "--data-root", self.dir / "data", "--exec-root", self.dir / "exec",
                 "--pidfile", self.dir / "pid", "--host", self.host, "--bridge", "none",
                 # The same under another name: a runtime that is not the default one.
                 "--add-runtime", f"other={shutil.which('runc')}",
                 *([] if self.network else ["--iptables=false", "--ip6tables=false"]), *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        for _ in range(3000):
            if self.process.poll() is not None:
                break
            try:
                if self.ask("GET", "/_ping")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("dockerd did not start:\n" + (self.dir / "log").read_text()[-3000:])

    def ask(self, method, path, body=None):
        """(status, decoded answer)"""
        connection = Connection(self.socket)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, data.decode(errors="replace")

    def containers(self):
        """All of them, running or not, as docker ps -a names them."""
        return sorted(c["Names"][0].lstrip("/") if c["Names"] else c["Id"]
                      for c in self.ask("GET", "/containers/json?all=1")[1])

    def inspect(self, name):
        status, answer = self.ask("GET", f"/containers/{name}/json")
        assert status == 200, answer
        return answer

    def make_image(self, script="sandbox-setup.sh", root_tar=None):
        """What a person does: the script. CREEL_TEST_ROOT_TAR keeps the root between runs."""
        self.root_tar = Path(root_tar or os.environ.get("CREEL_TEST_ROOT_TAR") or
                             self.dir / "root.tar")
        env = {**os.environ, "DOCKER_HOST": self.host, "CREEL_ROOT_TAR": str(self.root_tar)}
        done = subprocess.run([ROOT / "scripts" / script], env=env, capture_output=True, text=True,
                              timeout=900, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    def kill(self):
        """As a crash. Its containerd goes on, and the next dockerd takes it over."""
        self.process.kill()
        self.process.wait()

    def crash(self):
        """With its containerd, as when the machine fails. What runs in containers goes on."""
        self.kill()
        self._end_containerd()
        # Where nobody reaps orphans dockerd would take this pid for a living containerd.
        (self.dir / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def _end_containerd(self):
        """What a killed dockerd left, at the very end."""
        pid = self.dir / "exec/containerd/containerd.pid"
        try:
            os.kill(int(pid.read_text()), signal.SIGKILL)
        except (OSError, ValueError):
            pass

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        self._end_containerd()
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            below = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{self.dir}/")]
        for place in reversed(below):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class FakeEngine:
    """Something on a unix socket that answers as a script says; for misbehaviour alone."""

    def __init__(self, path, script):
        """script: {"METHOD /path": answer}, path without version; None ends the connection,
        (answer,) ends it after the answer; a function makes it from the request's body."""
        self.path, self.script, self.seen = path, script, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._serve()
            finally:
                os._exit(0)
        self.listener.close()

    def _serve(self):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            connection = self.listener.accept()[0]
            if os.fork() == 0:
                try:
                    self._talk(connection)
                finally:
                    os._exit(0)
            connection.close()

    def _talk(self, connection):
        while True:
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, _, rest = data.partition(b"\r\n\r\n")
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                    while len(rest) < length:
                        rest += connection.recv(65536)
            method, target = head.decode().split()[:2]
            path = target.split("?")[0]
            if path.startswith("/v1."):
                path = "/" + path.split("/", 2)[2]
            answer = self.script.get(f"{method} {path}", reply(404, {"message": "page not found"}))
            if callable(answer):  # what it says depends on what it was asked
                answer = answer(rest)
            if answer is None:
                return
            if isinstance(answer, tuple):  # the connection ends after it
                connection.sendall(answer[0])
                return
            connection.sendall(answer)

    def stop(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def reply(status, body, raw=False):
    data = body if raw else json.dumps(body).encode()
    return (f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode() + data


VERSION = reply(200, {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"})
