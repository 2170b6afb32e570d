# SPDX-License-Identifier: MIT
"""Playwright drives a sandboxed browser through the gateway, and a person's browser looks at it."""
import base64
import http.client
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import ADMIN, Gateway
from node import HERE, node
from support import BASE_ENV, need

PAGE = """<!doctype html><meta charset=utf-8><title>Local</title><body style="background:#fed">
<label>Name <input id=name></label><input type=file id=file>
<button onclick="document.getElementById('file').files[0].text().then(t =>
document.getElementById('out').textContent = 'Hello ' + document.getElementById('name').value + ' ' + t)">
Go</button><p id=out></p>"""
SESSION = "agent:main:main"
PATH = "/v1/browser/agent%3Amain%3Amain"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    need(shutil.which("chromium") and shutil.which("Xvfb"), "no chromium or Xvfb here")
    home = tmp_path_factory.mktemp("home")
    running = Gateway(home)
    running.sandbox["browser"] = {"enabled": True, "autoStartTimeoutMs": 60000}
    running.write_config()
    running.start()
    yield running
    done = running.creel("sandbox", "recreate", "--all", "--browser", "--force")
    running.finish()
    assert done.returncode == 0, done.stderr


def tool(gateway, **args):
    status, answer = gateway.request("POST", "/tools/invoke", {
        "tool": "browser", "sessionKey": SESSION, "args": args}, token=ADMIN, timeout=120)
    assert status == 200, answer
    return answer["result"]


def run(packages, home, want):
    script = packages / "browser.mjs"
    script.write_bytes((HERE / "browser.mjs").read_bytes())
    done = subprocess.run([node(packages), script, json.dumps(want)], capture_output=True, text=True,
                          env={**BASE_ENV, "HOME": str(home)}, check=False, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("ok"), done.stdout + done.stderr
    return json.loads(done.stdout[3:])


def inside():
    """A process of the browser that was just started, as the host numbers it."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and b"Xvfb\0:1" in Path(f"/proc/{entry}/cmdline").read_bytes():
                stat = Path(f"/proc/{entry}/stat").read_text()
                found.append((int(stat[stat.rindex(")") + 2:].split()[19]), int(entry)))
        except OSError:
            pass
    assert found, "no Xvfb runs"
    return max(found)[1]


@pytest.fixture(scope="module")
def served(gateway, tmp_path_factory):
    """PAGE on the loopback of the browser's own network, which has nothing else."""
    if os.getuid() != 0:
        pytest.skip("only root enters another network")
    tool(gateway, action="start")
    site = tmp_path_factory.mktemp("site")
    (site / "index.html").write_text(PAGE)
    server = subprocess.Popen(
        ["nsenter", "-t", str(inside()), "-n", "python3", "-u", "-m", "http.server", "8123", "--bind",
         "127.0.0.1", "-d", str(site)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert b"8123" in server.stdout.readline()
    yield "http://127.0.0.1:8123/"
    server.kill()
    server.wait()


def base(gateway):
    return f"http://{gateway.status()['listen']}"


def test_playwright_over_the_gateway(packages, gateway, served):
    result = run(packages, gateway.home, {"url": base(gateway) + PATH, "token": ADMIN, "page": served})
    assert result["text"] == "Hello Ann uploaded"
    assert result["png"] == "PNG" and result["bytes"] > 1000 and result["sum"] == 2
    # The tool sees the tabs that Playwright left.
    assert tool(gateway, action="tabs")["details"]["tabs"]


def test_the_tool_over_http_does_the_same(gateway, served):
    tool(gateway, action="open", url=served)
    tool(gateway, action="act", kind="type", element="#name", text="Bob")
    assert "Name" in tool(gateway, action="snapshot")["content"][0]["text"]
    assert base64.b64decode(tool(gateway, action="screenshot")["content"][1]["data"])[1:4] == b"PNG"


def passwords(gateway, url):
    """What the page of a ticket holds: taken, so that the ticket is spent."""
    connection = http.client.HTTPConnection(gateway.status()["listen"])
    connection.request("GET", "/" + url.split("/", 3)[3])
    answer = connection.getresponse()
    page = answer.read().decode()
    assert answer.status == 200 and answer.getheader("Referrer-Policy") == "no-referrer"
    assert answer.getheader("Cache-Control") == "no-store"
    return page.split("password=")[1].split("&")[0]


def observe(gateway, **body):
    status, answer = gateway.request("POST", PATH + "/observe", body, token=ADMIN, timeout=120)
    assert status == 200, answer
    assert answer["result"]["viewOnly"] == (not body.get("control", False))
    return answer["result"]["url"]


def test_a_person_looks(packages, gateway):
    tool(gateway, action="open", url="data:text/html,<title>Seen</title><body style='background:teal'>"
                                     "<h1 style='font-size:90px;color:gold'>Seen</h1>")
    url = observe(gateway)
    result = run(packages, gateway.home, {
        "observe": url, "shot": os.environ.get("CREEL_DOCS_SHOT", "")})
    assert result["colours"] >= 3 and result["note"] == "view only"
    assert result["again"] == 404  # the address worked once
    assert "password" not in result["address"]
    assert not [r for r in result["requests"] if "password" in r]


def test_the_password_is_nowhere_else(gateway):
    tool(gateway, action="start")
    for control in (False, True):
        password = passwords(gateway, observe(gateway, control=control))
        assert len(password) == 8
        for entry in os.listdir("/proc"):
            for name in ("cmdline", "environ"):
                try:
                    if entry.isdigit() and int(entry) != os.getpid():
                        assert password.encode() not in Path(f"/proc/{entry}/{name}").read_bytes()
                except OSError:
                    pass
        for path in gateway.home.rglob("*"):
            if path.is_file() and path.stat().st_size < 1 << 24:
                assert password.encode() not in path.read_bytes(), path
        assert password not in json.dumps(tool(gateway, action="status"))
        assert password not in json.dumps(gateway.request("GET", "/v1/sandboxes", token=ADMIN)[1])


def upgrade(gateway, path, **headers):
    connection = http.client.HTTPConnection(gateway.status()["listen"], timeout=60)
    connection.request("GET", path, headers={
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(), **headers})
    status = connection.getresponse().status
    connection.close()
    return status


def test_who_may_not_drive_it(gateway):
    good = {"Authorization": f"Bearer {ADMIN}"}
    assert upgrade(gateway, PATH + "/cdp", **good) == 101
    assert upgrade(gateway, PATH + "/cdp") == 401
    assert upgrade(gateway, PATH + "/cdp", Authorization="Bearer wrong") == 401
    assert upgrade(gateway, PATH + "/cdp", **good, Origin="http://evil.example") == 403
    assert upgrade(gateway, PATH + "/cdp", **good, Host="evil.example") in (400, 403, 421)
    assert upgrade(gateway, "/novnc/ws/" + "0" * 48) == 404
    status, _ = gateway.request("GET", "/novnc/t/" + "0" * 48)
    assert status == 404
    # No port of the host leads to it: Chromium, VNC and websockify listen inside alone.
    for port in (9222, 9223, 5900, 6080):
        with pytest.raises(OSError):
            http.client.HTTPConnection("127.0.0.1", port, timeout=2).connect()
