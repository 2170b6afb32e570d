"""A gateway of a test's own: its processes, its configuration, its HTTP interface and what it left behind."""
import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from support import BASE_ENV, ROOT, find_creel

ADMIN = "admin-token"


def build_dir():
    return Path(os.environ.get("CREEL_BUILD", ROOT / "build-test/gcc"))


def wait_for(condition, what, timeout=30):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {timeout} s for {what}"
        time.sleep(0.01)


def ask_for_websocket(connection, path, **headers):
    """The status that the request for an upgrade gets."""
    connection.request("GET", path, headers={
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(), **headers})
    status = connection.getresponse().status
    connection.close()
    return status


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Gateway:
    """Starts creel-gateway; every request is a connection of its own, through the unix socket."""

    def __init__(self, home, **gateway):
        self.home = Path(home)
        self.state = self.home / ".creel"
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.settings = {"listen": "127.0.0.1:0",
                         "tokens": [{"name": "admin", "token": ADMIN, "admin": True}], **gateway}
        self.sandbox = {"mode": "all", "backend": "native", "workspaceAccess": "none"}
        self.extra = {}
        self.log = self.home / "gateway.log"
        self.process = None
        self.program = build_dir() / "src/broker/creel-gateway"
        self.prefix = ()  # what starts it, in a network of the tests' own
        self.write_config()

    def use(self, backend):
        """Sandboxes of that backend (docker_fixtures.Backend) from the next start on."""
        self.sandbox.update(backend.settings)
        self.write_config()
        return self

    def write_config(self, text=None):
        path = self.state / "creel.json"
        new = path.with_suffix(".new")
        new.write_text(text if text is not None else json.dumps(
            {"agents": {"defaults": {"sandbox": self.sandbox, **self.extra.get("defaults", {})}},
             "gateway": self.settings, **{k: v for k, v in self.extra.items() if k != "defaults"}}))
        new.rename(path)  # whole or not at all

    def start(self, check=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.program], stderr=log, stdout=log, stdin=subprocess.DEVNULL,
                env=self.env(), cwd=self.home)
        if check:
            self.wait_ready()
        return self

    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, self.said()
            try:
                return self.status()["front"]["ready"]
            except (OSError, http.client.HTTPException):
                return False
        wait_for(ready, "the gateway")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        return self.process.returncode if self.process else None

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        self.process.wait(30)

    def children(self):
        return [int(p) for p in subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True,
            check=False).stdout.split()]

    def front(self):
        return self.status()["front"]["pid"]

    def request(self, method, path, body=None, token=None, tcp=False, timeout=60):
        """(status, JSON). Without a token through the unix socket, as its owner."""
        if tcp:
            address = self.status()["listen"].rsplit(":", 1)
            connection = http.client.HTTPConnection(address[0], int(address[1]), timeout=timeout)
        else:
            connection = UnixConnection(self.state / "creel.sock", timeout)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def status(self):
        status, body = self.request("GET", "/v1/status")
        assert status == 200, body
        return body["result"]

    def invoke(self, tool, args, session="main", token=None, **more):
        return self.request("POST", "/tools/invoke",
                            {"tool": tool, "args": args, "sessionKey": session, **more}, token)

    def call(self, tool, session="main", token=None, sender=None, agent=None, **args):
        """The result of a call that has to succeed."""
        more = {k: v for k, v in (("sender", sender), ("agentId", agent)) if v is not None}
        status, body = self.invoke(tool, args, session, token, **more)
        assert status == 200, body
        return body["result"]

    def text(self, *args, **kwargs):
        return self.call(*args, **kwargs)["content"][0]["text"]

    def env(self):
        return {**BASE_ENV, "HOME": str(self.home)}

    def creel_argv(self, *argv):
        return [find_creel(), *map(str, argv)]

    def creel(self, *argv, **kwargs):
        """The command line of the same home."""
        if "input" not in kwargs:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.creel_argv(*argv), capture_output=True, text=True, env=self.env(),
                              cwd=self.home, check=False, timeout=60, **kwargs)

    def sandboxes(self):
        """Names of all that there are, asked of the host and not of the gateway."""
        listed = self.creel("sandbox", "list", "--json")
        return sorted(s["containerName"] for s in json.loads(listed.stdout)["containers"])

    def finish(self):
        """Stop, and take every sandbox away."""
        if self.process is not None and self.process.poll() is None:
            children = self.children()
            self.process.kill()
            self.process.wait(30)
            # Its front still listens for a moment; whoever connects is told that the gateway ended.
            wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the front's end")
        self.write_config()
        done = self.creel("sandbox", "recreate", "--all", "--force")
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
