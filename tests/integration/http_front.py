"""The HTTP server on a fake core (tests/unit/gateway/fake-front.c), and a client that can misbehave."""
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

from support import BASE_ENV, find_creel, need

ADMIN = "admin"  # the fake's tokens
MAIN_ONLY = "main-only"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The typed error, after a look at its form."""
        value = self.json
        assert value["ok"] is False and set(value) == {"ok", "error"}
        assert value["error"]["type"] and value["error"]["message"]
        assert self.headers["content-type"] == "application/json"
        return value["error"]

    @property
    def result(self):
        assert self.status == 200 and self.json["ok"] is True
        return self.json["result"]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


class Connection:
    """One connection: raw bytes out, whole answers in."""

    def __init__(self, address, timeout=20):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def fill(self):
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(f"closed after {self.buffer[:200]!r}")
        return self.take(self.buffer.index(b"\r\n") + 2)[:-2]

    def take(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise EOFError(f"closed after {len(self.buffer)} of {count} bytes")
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def head(self):
        version, status, _ = self.line().decode().split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {}
        while line := self.line().decode():
            name, value = line.split(": ", 1)
            assert name.lower() not in headers
            headers[name.lower()] = value
        return int(status), headers

    def chunk(self):
        data = self.take(int(self.line(), 16))
        assert self.line() == b""
        return data

    def answer(self, bodyless=False):
        status, headers = self.head()
        while status == 100:
            status, headers = self.head()
        length = 0 if bodyless else int(headers.get("content-length", 0))
        return Answer(status, headers, self.take(length))

    def is_closed(self):
        """Nothing more comes, but the end."""
        return self.buffer == b"" and self.fill() == b""

    def request(self, method, path, body=None, token=ADMIN, headers=None):
        return self.send(request(method, path, body, token, headers)).answer(method == "HEAD")


class EventStream:
    """Server-sent events that answer a request, block by block."""

    def __init__(self, connection, sent):
        self.connection = connection
        self.status, self.headers = connection.send(sent).head()
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def block(self):
        """The next one; None at the end of the stream."""
        while "\n\n" not in self.text:
            chunk = self.connection.chunk().decode()
            if not chunk:
                assert self.text == ""
                return None
            self.text += chunk
        block, self.text = self.text.split("\n\n", 1)
        return block


def request(method, path, body=None, token=ADMIN, headers=None):
    """The bytes of a well-formed request."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    all_headers = {"Host": "localhost"}
    if token is not None:
        all_headers["Authorization"] = f"Bearer {token}"
    if body is not None:
        all_headers |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
    all_headers |= headers or {}
    lines = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items() if value is not None)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + data


def invoke(command, **more):
    return {"tool": "exec", "args": {"command": command}, **more}


class Front:
    """A running fake-front."""

    def __init__(self, directory, **limits):
        creel = find_creel()
        need(creel is not None, "creel is not built: run make, or set CREEL_BIN")
        build = os.environ.get("CREEL_BUILD") or creel.parents[2]
        program = Path(build) / "tests/unit/gateway/fake-front"
        need(program.exists(), f"{program} is not built")
        self.path = str(directory / "http.sock")
        self.process = subprocess.Popen(
            [program, self.path, *(f"{name}={value}" for name, value in limits.items())],
            env={**BASE_ENV, **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def connect(self, timeout=20):
        return Connection(("127.0.0.1", self.port), timeout)

    def local(self):
        return Connection(self.path)

    def request(self, *args, **kwargs):
        with self.connect() as connection:
            return connection.request(*args, **kwargs)

    def raw(self, data):
        """The answer to bytes on a connection of their own, and whether it was closed behind it."""
        with self.connect() as connection:
            answer = connection.send(data).answer()
            return answer

    def state(self):
        """How many calls and asks are at work in the core, and how many were aborted."""
        return self.request("GET", "/v1/status").result

    def metric(self, name):
        text = self.request("GET", "/metrics").body.decode()
        return int(re.search(rf"^{re.escape(name)} (\d+)$", text, re.M)[1])

    def memory(self):
        """Resident bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        """Drain, and say what it printed: nothing, unless a sanitizer found something."""
        self.process.send_signal(signal.SIGTERM)
        try:
            _, errors = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert (self.process.returncode, errors) == (0, "")
