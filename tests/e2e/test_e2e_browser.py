# SPDX-License-Identifier: MIT
"""A sandboxed browser as programs, agents and people use it, in a container and natively."""
import base64
import http.client
import html
import json
import os
import stat
import urllib.parse
from pathlib import Path

import pytest

from gateway import ADMIN, UnixConnection, wait_for

from png import pixels

PAGE = """<!doctype html><meta charset=utf-8><title>Local</title><body style="background:#fed">
<label>Name <input id=name></label><input type=file id=file>
<button onclick="document.getElementById('file').files[0].text().then(t =>
document.getElementById('out').textContent = 'Hello ' + document.getElementById('name').value + ' ' + t)">
Go</button><p id=out></p><div id=square style="width:30px;height:20px;background:#135"></div>"""
# One character each of what its fonts are for, and what no font can have.
SCRIPTS = {"Greek": "\u03a9", "Cyrillic": "\u0416", "Chinese": "\u6f22", "Japanese": "\u3042", "Korean": "\ud55c",
           "Myanmar": "\u1019", "emoji": "\U0001f600", "nothing": "\U0010fffe"}
SHOWN = """<!doctype html><meta charset=utf-8><title>What an agent sees</title>
<body style="background:#eef3f7;color:#234;font:26px sans-serif;margin:1.5em"><h1>A page in the sandbox</h1>
<p>English \u00b7 \u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u00b7 \u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u00b7
\u4e2d\u6587 \u00b7 \u65e5\u672c\u8a9e \u00b7 \ud55c\uad6d\uc5b4 \u00b7 \u1019\u103c\u1014\u103a\u1019\u102c \u00b7 \U0001f600 \U0001f389</p>
<p><input value="typed by the agent" style="font:inherit"> <button style="font:inherit">Go</button></p>"""
KEYS_PAGE = "data:text/html,<textarea autofocus style='position:fixed;inset:0;width:100%;height:100%'>"
SQUARE = {(0x11, 0x33, 0x55)}


@pytest.fixture(scope="module")
def served(place, tmp_path_factory):
    """PAGE on the loopback of the browser's own network, which has nothing else."""
    if os.getuid() != 0:
        pytest.skip("only root enters another network")
    place.browser("start")
    site = tmp_path_factory.mktemp("site")
    (site / "index.html").write_text(PAGE)
    (site / "shown.html").write_text(SHOWN)
    with place.serve(site) as url:
        yield url


def colours(data):
    return {pixel for row in pixels(base64.b64decode(data)) for pixel in row}


def test_playwright_over_the_gateway(packages, place, served):
    result = place.run(packages, "browser.mjs", url=place.base() + place.path(), page=served)
    assert result["text"] == "Hello Ann uploaded" and result["sum"] == 2
    assert colours(result["square"]) == SQUARE
    # The tool sees the tabs that Playwright left.
    assert served in [tab["url"] for tab in place.browser("tabs")["details"]["tabs"]]


def test_the_tool_over_mcp_does_the_same(packages, place, served):
    result = place.run(packages, "browser-mcp.mjs", url=place.base() + "/mcp", page=served)
    assert "Hello Bob from the workspace" in result["text"]
    assert colours(result["square"]) == SQUARE


def test_pages_in_many_scripts(docker_place):
    """The image has fonts for them: no character looks as one that no font has."""
    place = docker_place
    place.browser("open", url="about:blank")
    drawn = place.value("""() => Object.fromEntries(Object.entries(%s).map(([name, text]) => {
        const canvas = Object.assign(document.createElement('canvas'), {width: 60, height: 60});
        const context = canvas.getContext('2d');
        context.font = '20px sans-serif';
        context.fillText(text, 10, 40);
        return [name, canvas.toDataURL()] }))""" % json.dumps(SCRIPTS))
    assert len(set(drawn.values())) == len(SCRIPTS)


# --- looking on ---

def ticket_page(place, url):
    """What the address shows, once."""
    with place.inside():
        connection = http.client.HTTPConnection(*place.listen())
        connection.request("GET", "/" + url.split("/", 3)[3])
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    assert answer.status == 200 and answer.getheader("Referrer-Policy") == "no-referrer"
    assert answer.getheader("Cache-Control") == "no-store"
    return html.unescape(page)


def fragment(place, url):
    return ticket_page(place, url).split('data-to="')[1].split('"')[0]


def observe(place, **body):
    status, answer = place.gateway.request("POST", place.path() + "/observe", body, token=ADMIN, timeout=120)
    assert status == 200, answer
    assert answer["result"]["viewOnly"] == (not body.get("control", False))
    assert answer["result"]["expiresMs"] == 60000
    return answer["result"]["url"]


def test_a_person_looks(packages, place, served):
    place.browser("open", url=served + "shown.html")
    shots = os.environ.get("CREEL_DOCS_SHOTS", "")
    result = place.run(packages, "browser.mjs", observe=observe(place), shots=shots)
    assert result["colours"] >= 3 and result["note"] == "view only"
    assert result["again"] == 404  # the address worked once
    # Neither what is asked for, nor with which headers, nor what the person could copy.
    assert "password" not in result["address"]
    assert result["requests"] and not [r for r in result["requests"] if "password" in r]


def test_what_the_address_shows(packages, docker_place, tmp_path):
    shots = os.environ.get("CREEL_DOCS_SHOTS", str(tmp_path))
    shown = docker_place.run(packages, "browser.mjs", bootstrap=observe(docker_place), shots=shots)
    assert "browser" in shown["text"] and "password" not in shown["text"]


def test_who_looks_changes_nothing(packages, docker_place):
    """Not by a key, and not with a page that was changed: the VNC server itself refuses."""
    place = docker_place
    place.browser("open", url=KEYS_PAGE)
    forged = fragment(place, observe(place)).replace("view_only=1", "view_only=0")
    result = place.run(packages, "browser.mjs", press=[
        [observe(place), "a"], [f"{place.base()}/novnc/view{forged}", "b"], [observe(place, control=True), "c"]],
        linger=200)
    assert result["a"] == "view only" and result["b"] == result["c"] == "in control"
    # The last of three keys: it is there, so the others were on their way before.
    typed = wait_for(lambda: place.value("() => document.querySelector('textarea').value"), "a key")
    assert typed == "c"


# --- what nobody may see ---

def files_below(*roots):
    for root in roots:
        for where, _, names in os.walk(root):
            yield from (Path(where) / name for name in names)


def everything_that_is_said(place):
    """(what, bytes): every place of the host where somebody else could read."""
    for entry in os.listdir("/proc"):
        for name in ("cmdline", "environ"):
            try:
                if entry.isdigit() and int(entry) != os.getpid():
                    yield f"/proc/{entry}/{name}", Path(f"/proc/{entry}/{name}").read_bytes()
            except OSError:
                pass
    for path in files_below(place.gateway.home, "/run"):
        try:  # what is another's may go meanwhile
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode) or path.stat().st_size >= 1 << 24:
                continue
            if path.name == "passwords":  # what the broker keeps for its next life, for nobody else
                assert mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
                continue
            text = path.read_bytes()
        except FileNotFoundError:
            continue
        yield str(path), text
    for path in ("/v1/status", "/v1/sandboxes", "/v1/sandboxes?browser=true", "/v1/audit?limit=1000",
                 place.path() + "/json/version", "/metrics", "/v1/sessions", "/v1/tools", "/v1/explain"):
        connection = UnixConnection(place.gateway.state / "creel.sock", 30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {ADMIN}"})
        answer = connection.getresponse()
        assert answer.status == 200, path
        yield path, answer.read()
        connection.close()
    for action in ("status", "tabs", "console"):
        yield action, json.dumps(place.browser(action)).encode()
    for arguments in (("audit", "--json"), ("sandbox", "list", "--browser", "--json"), ("sandbox", "explain")):
        done = place.gateway.creel(*arguments)
        assert done.returncode == 0 and done.stdout, done.stderr
        yield " ".join(arguments), done.stdout.encode()


def test_the_password_is_nowhere_else(place):
    place.browser("start")
    passwords = [urllib.parse.parse_qs(fragment(place, observe(place, control=control))[1:])["password"][0]
                 for control in (False, True)]
    assert len(set(passwords)) == 2 and {len(p) for p in passwords} == {8}
    looked_at = 0
    for what, text in everything_that_is_said(place):
        looked_at += 1
        assert not [p for p in passwords if p.encode() in text], what
    assert looked_at > 50
    assert place.pids(b"x11vnc"), "the one program that knows it was among them"
    inside = Path(f"/proc/{place.pids(b'x11vnc')[0]}/root/tmp/creel-browser")
    assert inside.is_dir() and not (inside / "vnc").exists()
