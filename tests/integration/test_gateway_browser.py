# SPDX-License-Identifier: MIT
"""A session's browser behind a gateway: its routes, its passwords, its end; Chromium in a native sandbox."""
import http.client
import json
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from gateway import ADMIN, Gateway, ask_for_websocket, wait_for
from support import need

SESSION = "agent:main:main"
PATH = "/v1/browser/agent%3Amain%3Amain"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    need(shutil.which("chromium") and shutil.which("Xvfb"), "no chromium or Xvfb here")
    running = Gateway(tmp_path_factory.mktemp("home"))
    running.sandbox["browser"] = {"enabled": True, "autoStartTimeoutMs": 60000}
    running.write_config()
    running.start()
    yield running
    take_browsers_away(running)
    running.finish()


def take_browsers_away(gateway):
    done = gateway.creel("sandbox", "recreate", "--all", "--browser", "--force")
    assert done.returncode == 0, done.stderr


def browsers(gateway):
    done = gateway.creel("sandbox", "list", "--browser", "--json")
    return json.loads(done.stdout)["browsers"]


def call(gateway, session="main", **args):
    return gateway.call("browser", session=session, token=ADMIN, **args)


def password(gateway, control=False):
    """What the page of a fresh address holds; the address is spent."""
    status, answer = gateway.request("POST", PATH + "/observe", {"control": control}, token=ADMIN)
    assert status == 200, answer
    connection = http.client.HTTPConnection(gateway.status()["listen"])
    connection.request("GET", "/" + answer["result"]["url"].split("/", 3)[3])
    page = connection.getresponse().read().decode()
    connection.close()
    return page.split("password=")[1].split("&")[0]


def upgrade(gateway, path, **headers):
    return ask_for_websocket(http.client.HTTPConnection(gateway.status()["listen"], timeout=60), path, **headers)


def test_routes(gateway):
    call(gateway, action="start")
    good = {"Authorization": f"Bearer {ADMIN}"}
    assert upgrade(gateway, PATH + "/cdp", **good) == 101
    assert upgrade(gateway, PATH + "/cdp") == 401
    assert upgrade(gateway, PATH + "/cdp", **good, Origin="http://evil.example") == 403
    assert gateway.request("GET", PATH + "/cdp", token=ADMIN)[0] == 426
    assert gateway.request("GET", PATH + "/json/version", token="wrong")[0] == 401
    status, version = gateway.request("GET", PATH + "/json/version", token=ADMIN, tcp=True)
    assert status == 200 and version["Browser"].startswith("Chrome/")
    assert version["webSocketDebuggerUrl"] == f"ws://{gateway.status()['listen']}{PATH}/cdp"


def test_what_the_document_says_of_them(gateway):
    paths = gateway.request("GET", "/openapi.json")[1]["paths"]
    assert {"101", "426"} <= set(paths["/v1/browser/{session}/cdp"]["get"]["responses"])
    for path, method in (("/v1/browser/{session}/json/version", "get"),
                         ("/v1/browser/{session}/observe", "post"), ("/novnc/t/{ticket}", "get")):
        assert "200" in paths[path][method]["responses"]
    assert paths["/novnc/t/{ticket}"]["get"]["security"] == []


def test_the_list_knows_the_browsers_image(gateway):
    call(gateway, action="start")
    listed = browsers(gateway)
    assert len(listed) == 1 and listed[0]["imageMatch"], listed
    assert "-browser-" in listed[0]["containerName"]
    assert not [name for name in gateway.sandboxes() if "-browser-" in name]
    text = gateway.creel("sandbox", "list", "--browser").stdout
    assert "not the one that is configured" not in text


def test_people_look_on_after_a_restart(gateway):
    """The passwords outlive the front and the broker, beside the sandbox's token and nowhere else."""
    call(gateway, action="start")
    known = [password(gateway), password(gateway, control=True)]
    assert len(set(known)) == 2 and all(len(text) == 8 for text in known)
    front = gateway.front()
    os.kill(front, signal.SIGKILL)
    wait_for(lambda: gateway.status()["front"]["pid"] != front, "another front")
    assert [password(gateway), password(gateway, control=True)] == known
    gateway.kill()
    gateway.start()
    call(gateway, action="tabs")
    assert [password(gateway), password(gateway, control=True)] == known
    # Where they are.
    name = browsers(gateway)[0]["containerName"]
    base = Path("/run") if os.getuid() == 0 else gateway.state / "run"
    kept, = (p for p in base.glob(f"creel-*/{name}/passwords") if known[0].encode() in p.read_bytes())
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert sorted(kept.read_bytes().decode().split("\0")[:2]) == sorted(known)
    others = [p for p in [*gateway.home.rglob("*"), *kept.parent.rglob("*")] if p.is_file() and p != kept]
    for path in others:
        assert not [text for text in known if text.encode() in path.read_bytes()], path


def test_one_of_an_earlier_front_is_stopped(gateway):
    call(gateway, action="start")
    front = gateway.front()
    os.kill(front, signal.SIGKILL)
    wait_for(lambda: gateway.status()["front"]["pid"] != front, "another front")
    assert call(gateway, action="tabs")["details"]["tabs"]
    assert "was stopped" in call(gateway, action="stop")["content"][0]["text"]
    assert not call(gateway, action="status")["details"]["running"]
    assert "does not run" in call(gateway, action="stop")["content"][0]["text"]
    call(gateway, action="start")
    assert call(gateway, action="status")["details"]["running"]


def test_one_that_cannot_be_reached_is_removed(gateway, tmp_path):
    """Nothing of it is left, and the next call makes it anew."""
    other = Gateway(tmp_path)
    other.sandbox["browser"] = {"enabled": True, "autoStartTimeoutMs": 1}
    other.write_config()
    other.start()
    try:
        for _ in range(2):
            status, answer = other.invoke("browser", {"action": "open", "url": "about:blank"}, token=ADMIN)
            assert status != 200
            text = answer["error"]["message"]
            assert "did not become reachable within 1 ms (browser.autoStartTimeoutMs)" in text
            assert "/json/version" in text and "was asked" in text
            wait_for(lambda: browsers(other) == [], "its end")
        status, answer = other.request("GET", PATH + "/json/version", token=ADMIN)
        assert status == 503, answer
        wait_for(lambda: browsers(other) == [], "its end")
        rows = other.request("GET", "/v1/audit?limit=200")[1]["result"]["rows"]
        assert [r for r in rows if r["action"] == "remove" and "reached" in (r.get("reason") or "")]
    finally:
        take_browsers_away(other)
        other.finish()


def test_recreate_and_rm_take_browsers_alone(gateway):
    call(gateway, action="start")
    gateway.call("exec", token=ADMIN, command="true")
    boxes = gateway.sandboxes()
    name = browsers(gateway)[0]["containerName"]
    done = gateway.creel("sandbox", "rm", "--browser", "--force", name)
    assert done.returncode == 0, done.stderr
    assert browsers(gateway) == [] and gateway.sandboxes() == boxes
    # The next call makes it anew.
    wait_for(lambda: gateway.invoke("browser", {"action": "tabs"}, token=ADMIN)[0] == 200, "a new one")
    done = gateway.creel("sandbox", "recreate", "--browser", "--session", SESSION, "--force")
    assert done.returncode == 0 and browsers(gateway) == [] and gateway.sandboxes() == boxes
