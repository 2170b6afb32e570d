# SPDX-License-Identifier: MIT
"""browser.cdpSourceRange: a listener at the sandbox's edge, for one network alone. Root enters the sandbox's."""
import json
import os
import shutil
import subprocess

import pytest

from chromium import inside
from support import BASE_ENV, need
from tool_batch import Batch

# What asks, from an address of its own, in the network of the sandbox: the answer's first line, or why there is none.
ASK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
try:
    s = socket.socket(family)
    s.bind((sys.argv[1], 0))
    s.settimeout(10)
    s.connect((sys.argv[2], 9222))
    host = f"[{sys.argv[2]}]" if ":" in sys.argv[2] else sys.argv[2]
    s.sendall(f"GET /json/version HTTP/1.1\\r\\nHost: {host}:9222\\r\\n\\r\\n".encode())
    print(s.recv(100).split(b"\\r")[0].decode() or "closed")
except OSError as e:
    print(type(e).__name__)
"""


def config(source_range):
    browser = {"enabled": True, "headless": True, "autoStartTimeoutMs": 60000}
    if source_range is not None:
        browser["cdpSourceRange"] = source_range
    return json.dumps({"agents": {"defaults": {"sandbox": {
        "mode": "all", "backend": "native", "workspaceAccess": "rw", "browser": browser}}}})


def enter(pid, *argv):
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def start(creel_bin, tmp_path):
    need(shutil.which("chromium") and shutil.which("socat"), "no chromium or socat here")
    batches = []

    def begin(source_range):
        batch = Batch(creel_bin, tmp_path, tmp_path / "ws", config(source_range))
        batches.append(batch)
        batch.text("browser", action="start")
        pid = inside(batch)
        return lambda source, to: enter(pid, "python3", "-c", ASK, source, to)

    yield begin
    for batch in batches:
        batch.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root enters another network")
@pytest.mark.parametrize("source_range, allowed, refused, to", [
    ("127.0.0.8/29", "127.0.0.9", "127.0.0.2", "127.0.0.1"),
    ("::1", "::1", None, "::1"),
    ("fd00::/16", None, "::1", "::1"),
])
def test_who_is_in_the_network(start, source_range, allowed, refused, to):
    ask = start(source_range)
    if allowed is not None:
        assert ask(allowed, to) == "HTTP/1.1 200 OK"
    if refused is not None:
        assert ask(refused, to) in ("closed", "ConnectionResetError")
    # The other family has no listener.
    other = ("::1", "::1") if ":" not in to else ("127.0.0.1", "127.0.0.1")
    assert ask(*other) == "ConnectionRefusedError"


@pytest.mark.skipif(os.getuid() != 0, reason="only root enters another network")
def test_unset_means_none(start):
    ask = start(None)
    assert ask("127.0.0.1", "127.0.0.1") == "ConnectionRefusedError"


@pytest.mark.parametrize("source_range", ["10.0.0.0/33", "::1/129", "everybody", "10.0.0.0/8,reuseaddr", "10.0.0.0/8 x"])
def test_what_is_no_network(creel_bin, tmp_path, source_range):
    (tmp_path / "creel.json").write_text(config(source_range))
    done = subprocess.run([creel_bin, "config", "validate", tmp_path / "creel.json"], capture_output=True,
                          text=True, env={**BASE_ENV, "HOME": str(tmp_path)}, check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "sandbox.browser.cdpSourceRange" in said and "is no network of addresses" in said
