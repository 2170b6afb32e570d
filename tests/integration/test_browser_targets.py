# SPDX-License-Identifier: MIT
"""Targets host and custom of the browser tool: a Chromium of this host, started or connected to, and who may."""
import base64
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from gateway import ADMIN, Gateway, wait_for
from support import need

FLAGS = ["--headless=new", "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"]
HERE = {"allowHostControl": True, "enabled": False, "autoStartTimeoutMs": 60000}


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A person's Chromium: (port, path of its WebSocket)."""
    need(shutil.which("chromium"), "no chromium here")
    home = tmp_path_factory.mktemp("chromium")
    process = subprocess.Popen(
        ["chromium", *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={home}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    active = home / "DevToolsActivePort"
    wait_for(lambda: active.exists() and len(active.read_text().splitlines()) == 2, "Chromium")
    port, path = active.read_text().splitlines()
    wait_for(lambda: answers(port), "its DevTools")
    yield int(port), path
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    running = Gateway(tmp_path_factory.mktemp("home"))
    running.sandbox["browser"] = HERE
    running.extra["tools"] = {"sandbox": {"tools": {"allow": ["browser", "read"], "deny": ["exec"]}}}
    running.write_config()
    running.start()
    yield running
    running.finish()


@pytest.fixture
def configure(gateway):
    """configure(browser={...}, host={...}): sandbox.browser and browser, loaded when it returns."""
    def set_keys(browser=None, host=None, mode="all"):
        before = json.dumps([gateway.sandbox, gateway.extra])
        gateway.sandbox.update(browser={**HERE, **(browser or {})}, mode=mode)
        gateway.extra["browser"] = host or {}
        if json.dumps([gateway.sandbox, gateway.extra]) == before:
            return
        gateway.write_config()
        status, answer = gateway.request("POST", "/v1/config/reload", {}, token=ADMIN)
        assert status == 200, answer
    yield set_keys
    set_keys()


def ask(gateway, session="main", **args):
    """(failure type or None, text, details)"""
    _, answer = gateway.request("POST", "/tools/invoke",
                                {"tool": "browser", "args": args, "sessionKey": session}, ADMIN, timeout=90)
    if not answer["ok"]:
        return answer["error"]["type"], answer["error"]["message"], None
    result = answer["result"]
    return None, result["content"][0]["text"], result


def drive(gateway, session="main", **target):
    """What a page, a form and a picture take."""
    page = "data:text/html;base64," + base64.b64encode(
        b"<title>Out</title><input id=i><button onclick=\"document.title=i.value\">Go</button>").decode()
    kind, text, result = ask(gateway, session, action="open", url=page, **target)
    assert kind is None, text
    tab = {"targetId": result["details"]["targetId"], **target}
    assert ask(gateway, session, action="act", kind="type", element="#i", text="typed", **tab)[0] is None
    assert ask(gateway, session, action="act", kind="click", element="button", **tab)[0] is None
    kind, text, _ = ask(gateway, session, action="snapshot", **tab)
    assert kind is None and "title: typed" in text, text
    shot = ask(gateway, session, action="screenshot", **tab)[2]
    assert base64.b64decode(shot["content"][1]["data"])[1:4] == b"PNG"
    assert ask(gateway, session, action="close", **tab)[0] is None


def test_a_browser_that_runs_by_address(gateway, chromium, configure):
    configure()
    port, path = chromium
    drive(gateway, target="custom", controlUrl=f"http://127.0.0.1:{port}")
    drive(gateway, controlUrl=f"http://127.0.0.1:{port}/")  # the target is implied
    drive(gateway, target="custom", controlUrl=f"ws://127.0.0.1:{port}{path}")
    drive(gateway, target="custom", controlUrl=f"http://localhost:{port}")
    rows = gateway.request("GET", "/v1/audit?limit=500")[1]["result"]["rows"]
    allowed = [r for r in rows if r["action"] == "browser.allowed"]
    assert {r["reason"] for r in allowed} >= {f"127.0.0.1:{port}", f"localhost:{port}"}


def test_the_hosts_browser_by_its_address(gateway, chromium, configure):
    port, _ = chromium
    configure(host={"cdpUrl": f"http://127.0.0.1:{port}"})
    drive(gateway, target="host")
    # The lists are for that address, too.
    configure({"allowedControlPorts": [1]}, host={"cdpUrl": f"http://127.0.0.1:{port}"})
    kind, text, _ = ask(gateway, action="tabs", target="host")
    assert kind == "denied" and "browser.cdpUrl" in text and "allowedControlPorts" in text
    # A session without a sandbox needs no allowHostControl, and the host's is what it gets.
    configure({"allowHostControl": False}, host={"cdpUrl": f"http://127.0.0.1:{port}"}, mode="off")
    kind, text, _ = ask(gateway, session="free", action="open", url="about:blank")
    assert kind is None, text


def test_one_that_is_started(gateway, configure):
    need(shutil.which("chromium"), "no chromium here")
    configure(host={"headless": True, "noSandbox": True, "extraArgs": ["--disable-gpu", "--disable-dev-shm-usage"]})
    drive(gateway, target="host")
    profile = gateway.state / "browser/host"

    def mine():
        found = []
        for entry in Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if f"--user-data-dir={profile}".encode() in line and b"--type=" not in line:
                found.append((int(entry.name), line))
        return found

    assert len(mine()) == 1 and profile.stat().st_mode & 0o777 == 0o700
    pid, line = mine()[0]
    assert b"--remote-debugging-pipe" in line and b"--remote-debugging-port" not in line
    # Nothing of the gateway's is in it, and it listens nowhere.
    assert b"CREEL" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert not listening(pid)
    drive(gateway, session="second", target="host")  # the same browser
    assert [p for p, _ in mine()] == [pid]
    # Its end, and a new one.
    os.kill(pid, 9)
    wait_for(lambda: not mine(), "its end")
    wait_for(lambda: ask(gateway, action="tabs", target="host")[0] is None, "another")
    assert ask(gateway, action="stop", target="host")[0] is None
    wait_for(lambda: not mine(), "the end of the other")


def listening(pid):
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(fd))
        except OSError:
            pass
    rows = [line.split() for name in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [r for r in rows if r[3] == "0A" and f"socket:[{r[9]}]" in inodes]


def test_what_may_not_be_started(gateway, configure):
    configure(host={"attachOnly": True})
    kind, text, _ = ask(gateway, action="tabs", target="host")
    assert kind == "denied" and "browser.cdpUrl" in text and "browser.attachOnly" in text
    configure(host={"executablePath": "/nonexistent/chromium", "noSandbox": True})
    kind, text, _ = ask(gateway, action="tabs", target="host")
    assert kind == "unavailable" and "browser.executablePath" in text
    configure(host={"executablePath": "/bin/false", "noSandbox": True})
    kind, text, _ = ask(gateway, action="tabs", target="host")
    assert kind == "unavailable", text
    if os.getuid() == 0:
        configure(host={"noSandbox": False, "executablePath": "/bin/false"})
        kind, text, _ = ask(gateway, action="tabs", target="host")
        assert kind == "unavailable" and "browser.noSandbox" in text


def test_what_a_browser_outside_does_not_do(gateway, chromium, configure):
    configure()
    target = {"target": "custom", "controlUrl": f"http://127.0.0.1:{chromium[0]}"}
    _, _, result = ask(gateway, action="open", url="about:blank", **target)
    tab = {"targetId": result["details"]["targetId"], **target}
    kind, text, _ = ask(gateway, action="upload", paths=["x"], element="input", **tab)
    assert kind == "denied" and "target sandbox" in text
    for url in ("file:///etc/passwd", "http://169.254.169.254/"):
        assert ask(gateway, action="navigate", url=url, **tab)[0] == "denied"
    assert ask(gateway, action="pdf", path="page.pdf", **tab)[0] is None
    assert gateway.call("read", token=ADMIN, path="page.pdf")
    assert ask(gateway, action="close", **tab)[0] is None


@pytest.mark.parametrize("browser, host, args, kind, words", [
    ({"allowHostControl": False}, {}, {"target": "host"}, "denied", "allowHostControl"),
    ({"allowHostControl": False}, {}, {"controlUrl": "http://127.0.0.1:1"}, "denied", "allowHostControl"),
    ({}, {"enabled": False}, {"target": "host"}, "denied", "browser.enabled"),
    ({"allowedControlUrls": ["http://127.0.0.1:2"]}, {}, {"controlUrl": "http://127.0.0.1:1"}, "denied",
     "allowedControlUrls"),
    ({"allowedControlHosts": ["127.0.0.2"]}, {}, {"controlUrl": "http://127.0.0.1:1"}, "denied",
     "allowedControlHosts"),
    ({"allowedControlPorts": [2]}, {}, {"controlUrl": "http://127.0.0.1:1"}, "denied", "allowedControlPorts"),
    ({"allowedControlHosts": ["127.0.0.1"]}, {}, {"controlUrl": "http://127.0.0.1@10.0.0.1:1"}, "denied",
     "'10.0.0.1' is not in"),
    ({}, {}, {"controlUrl": "http://u:p@127.0.0.1:1"}, "invalid_arguments", "no user name"),
    ({}, {}, {"controlUrl": "ftp://127.0.0.1:1"}, "denied", "no http or ws address"),
    ({}, {}, {"controlUrl": "wss://127.0.0.1:1/x"}, "unavailable", "TLS"),
    ({}, {}, {"controlUrl": "http://169.254.169.254"}, "denied", "credentials"),
    ({}, {}, {"controlUrl": "http://[::ffff:169.254.169.254]:80"}, "denied", "credentials"),
    ({}, {}, {"controlUrl": "http://0xa9fea9fe/"}, "denied", "credentials"),
    ({}, {}, {"controlUrl": "http://no-such-host.invalid:1"}, "unavailable", "no-such-host.invalid"),
    ({}, {}, {"controlUrl": ""}, "invalid_arguments", "controlUrl"),
    ({}, {}, {"target": "custom"}, "invalid_arguments", "controlUrl"),
    ({}, {}, {"target": "moon"}, "invalid_arguments", "none of sandbox"),
    ({}, {}, {"target": "sandbox"}, "unavailable", "browser.enabled"),
])
def test_who_may_not(gateway, configure, browser, host, args, kind, words):
    configure(browser, host)
    answer = ask(gateway, action="tabs", **args)
    assert answer[0] == kind and words in answer[1], answer


def test_refusals_are_in_the_log(gateway, configure):
    configure({"allowHostControl": False})
    ask(gateway, action="tabs", target="host")
    rows = gateway.request("GET", "/v1/audit?limit=50")[1]["result"]["rows"]
    assert [r for r in rows if r["action"] == "browser.denied" and "allowHostControl" in r["reason"]]


def test_permission_that_is_taken_back(gateway, chromium, configure):
    configure()
    target = {"target": "custom", "controlUrl": f"http://127.0.0.1:{chromium[0]}"}
    assert ask(gateway, action="tabs", **target)[0] is None
    configure({"allowHostControl": False})
    assert ask(gateway, action="tabs", **target)[0] == "denied"


class Liar(http.server.BaseHTTPRequestHandler):
    """No browser: it sends whoever asks elsewhere, or says nonsense."""
    answer = (302, {"Location": "http://169.254.169.254/json/version"}, b"")
    asked = []

    def do_GET(self):
        Liar.asked.append((self.path, self.headers["Host"]))
        status, headers, body = Liar.answer
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def liar():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.mark.parametrize("answer, words", [
    ((302, {"Location": "http://169.254.169.254/json/version"}, b""), "HTTP/1.0 302"),
    ((404, {}, b"{}"), "HTTP/1.0 404"),
    ((200, {}, b'{"webSocketDebuggerUrl": "ws://10.0.0.1/elsewhere"}'), "/json/version"),
    ((200, {}, b'{"webSocketDebuggerUrl": "ws://10.0.0.1/devtools/browser/1"}'), "WebSocket"),
    ((200, {}, b"x" * 100000), "no browser"),
])
def test_what_is_no_browser(gateway, configure, liar, answer, words):
    """Nobody follows where it leads: asked again at most, at the same place, as who it was named."""
    configure(host={"remoteCdpTimeoutMs": 1000})
    Liar.answer = answer
    Liar.asked.clear()
    kind, text, _ = ask(gateway, action="tabs", controlUrl=f"http://127.0.0.1:{liar}")
    assert kind == "unavailable" and words in text, text
    assert Liar.asked and {host for _, host in Liar.asked} == {f"127.0.0.1:{liar}"}
    assert {path for path, _ in Liar.asked} <= {"/json/version", "/devtools/browser/1"}


def test_nobody_and_silence(gateway, configure):
    configure(host={"remoteCdpTimeoutMs": 200})
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        kind, text, _ = ask(gateway, action="tabs", controlUrl=f"http://127.0.0.1:{port}")
        assert kind == "unavailable" and "within 200 ms (browser.remoteCdpTimeoutMs)" in text, text
    kind, text, _ = ask(gateway, action="tabs", controlUrl=f"http://127.0.0.1:{port}")
    assert kind == "unavailable" and "refused" in text, text


def test_ipv6(gateway, configure):
    need(socket.has_ipv6, "no IPv6 here")
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    port = server.getsockname()[1]
    server.close()
    configure({"allowedControlHosts": ["[::1]"]}, host={"remoteCdpTimeoutMs": 500})
    kind, text, _ = ask(gateway, action="tabs", controlUrl=f"http://[::1]:{port}")
    assert kind == "unavailable" and f"[::1]:{port}" in text and "refused" in text, text
    assert ask(gateway, action="tabs", controlUrl=f"http://127.0.0.1:{port}")[0] == "denied"
