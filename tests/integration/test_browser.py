# SPDX-License-Identifier: MIT
"""The browser tool with a real Chromium in a native sandbox: what an agent does, and what it may not."""

import base64
import json
import os
import shutil
import signal
import struct
from pathlib import Path

import pytest

from support import need
from tool_batch import Batch, Failed

CONFIG = json.dumps({"agents": {"defaults": {"sandbox": {
    "mode": "all", "workspaceAccess": "rw", "backend": "native",
    "browser": {"enabled": True, "autoStartTimeoutMs": 60000}}}}})

PAGE = """<!doctype html><meta charset=utf-8><title>Form</title><h1>Order</h1>
<a href="#more">More</a><form onsubmit="return false">
<label>Name <input id=name></label>
<label>Colour <select id=colour><option>red<option>blue</select></label>
<label>Gift <input type=checkbox id=gift></label><input type=file id=file>
<button id=go type=button onclick="console.log('went', 1);
document.getElementById('out').textContent = 'Result ' + document.getElementById('name').value + ' '
+ document.getElementById('colour').value + ' ' + document.getElementById('gift').checked">Go</button>
</form><button id=ask onclick="document.title = String(confirm('sure?'))">Ask</button><p id=out></p>"""


def data_url(html):
    return "data:text/html;base64," + base64.b64encode(html.encode()).decode()


@pytest.fixture(scope="module")
def browser(creel_bin, tmp_path_factory):
    need(shutil.which("chromium") and shutil.which("Xvfb"), "no chromium or Xvfb here")
    home = tmp_path_factory.mktemp("browser")
    batch = Batch(creel_bin, home, home / "ws", CONFIG)
    batch.text("browser", action="start")
    yield batch
    batch.close()


@pytest.fixture
def page(browser):
    """A tab of its own; page(action, ...) is a call on it."""
    opened = browser.call("browser", action="open", url=data_url(PAGE))
    target = opened["details"]["targetId"]

    class Page:
        id = target

        def __call__(self, action, **args):
            return browser.call("browser", action=action, targetId=target, **args)

        def text(self, action, **args):
            return self(action, **args)["content"][0]["text"]

        def act(self, kind, **args):
            return self.text("act", kind=kind, **args)

        def value(self, script):
            return self("act", kind="evaluate", fn=script)["details"]["result"]

        def fails(self, action, **args):
            return browser.fails("browser", action=action, targetId=target, **args)

        def ref(self, line):
            """The ref of the one line of a snapshot that begins so."""
            lines = [text for text in self.text("snapshot").splitlines()
                     if text.strip().startswith(line)]
            assert len(lines) == 1, lines
            return lines[0].split("[ref=")[1].split("]")[0]

    yield Page()
    try:
        browser.call("browser", action="close", targetId=target)
    except Failed:  # the test closed it
        pass


def test_snapshot_names_what_can_be_acted_on(page):
    text = page.text("snapshot")
    assert '- heading "Order" [level=1]' in text
    assert '- textbox "Name"' in text and '- button "Go"' in text
    interactive = page.text("snapshot", interactive=True)
    assert "heading" not in interactive and '- button "Go"' in interactive
    cut = page("snapshot", maxChars=130)
    assert cut["details"]["truncated"] and "cut at maxChars" in cut["content"][0]["text"]


def test_a_form_by_refs(page):
    page.act("type", ref=page.ref('- textbox "Name"'), text="Ann")
    page.act("select", ref=page.ref('- combobox "Colour"'), values=["blue"])
    page.act("click", ref=page.ref('- checkbox "Gift"'))
    page.act("click", ref=page.ref('- button "Go"'))
    assert "Result Ann blue true" in page.text("snapshot")
    assert "[log] went 1" in page.text("console")
    assert page.text("console", level="error") == "(nothing)"


def test_a_form_by_selectors(page):
    page("act", request={"kind": "fill", "fields": [
        {"element": "#name", "value": "Bob"}, {"element": "#gift", "value": True}]})
    page.act("press", element="#go", key="Enter")
    page.act("wait", text="Result Bob red true")
    page.act("press", element="#name", key="Control+a")
    page.act("press", key="x")
    assert page.value("() => document.getElementById('name').value") == "x"


def test_what_is_not_there_is_said(page):
    assert "take one first" in page.fails("act", kind="click", ref="e4000")["message"]
    assert "no element" in page.fails("act", kind="click", element="#nothing")["message"]
    assert page.fails("act", kind="dance")["code"] == "invalid_arguments"
    error = page.fails("act", kind="wait", text="never", timeoutMs=100)
    assert error["code"] == "timeout"
    assert "ReferenceError" in page.fails("act", kind="evaluate", fn="() => nowhere")["message"]


def test_the_pointer(page):
    page("navigate", url=data_url(
        "<title>-</title><style>div{width:80px;height:40px;margin:20px;background:#ccc}</style>"
        "<div id=over onmouseenter=\"document.title='hovered'\">Over</div>"
        "<div id=twice ondblclick=\"document.title='twice'\">Twice</div>"
        "<div id=from onmousedown=\"document.title='down'\">From</div>"
        "<div id=to onmouseup=\"document.title+=' up'\">To</div>"
        "<button oncontextmenu=\"document.title='menu'\">Menu</button>"
        "<button onclick=\"document.title='shift '+event.shiftKey\">Shift</button>"))
    page.act("hover", element="#over")
    assert page.value("document.title") == "hovered"
    page.act("click", element="#twice", doubleClick=True)
    assert page.value("document.title") == "twice"
    page("act", request={"kind": "drag", "startElement": "#from", "endElement": "#to"})
    assert page.value("document.title") == "down up"
    page.act("click", ref=page.ref('- button "Menu"'), button="right")
    assert page.value("document.title") == "menu"
    page.act("click", ref=page.ref('- button "Shift"'), modifiers=["Shift"])
    assert page.value("document.title") == "shift true"


def test_waiting(page):
    page("navigate", url=data_url("<title>Wait</title><p id=now>Now</p>"))
    page.value("() => { setTimeout(() => { const e = document.getElementById('now'); e.textContent = 'Later'; "
               "e.className = 'done' }, 50); return 1 }")
    page.act("wait", textGone="Now")
    page.act("wait", text="Later")
    page.act("wait", selector=".done")
    page.act("wait", timeMs=1)
    assert page.fails("act", kind="wait", selector=".never", timeoutMs=100)["code"] == "timeout"


def test_refs_that_are_stale(page):
    go = page.ref('- button "Go"')
    page.value("() => { document.getElementById('go').remove(); return 1 }")
    for kind in ("click", "hover"):
        error = page.fails("act", kind=kind, ref=go)
        assert error["code"] == "not_found" and "gone from the page" in error["message"], error
    assert "gone from the page" in page.fails("screenshot", ref=go)["message"]
    # Another document has none of them, though its nodes have the same numbers.
    page("navigate", url=data_url("<button>Other</button>" * 9))
    error = page.fails("act", kind="click", ref=go)
    assert error["code"] == "not_found" and "not in the last snapshot" in error["message"], error


def test_a_tab_that_is_closed(page):
    page.act("close")
    error = page.fails("act", kind="wait", text="x", timeoutMs=1000)
    assert error["code"] == "not_found" and "action tabs lists them" in error["message"], error


def test_pictures(page):
    shot = page("screenshot")
    data = base64.b64decode(shot["content"][1]["data"])
    assert data.startswith(b"\x89PNG") and struct.unpack(">II", data[16:24])[0] > 1000
    part = base64.b64decode(page("screenshot", element="#go")["content"][1]["data"])
    assert struct.unpack(">II", part[16:24])[0] < 200
    jpeg = page("screenshot", type="jpeg", fullPage=True)["content"][1]
    assert jpeg["mimeType"] == "image/jpeg"
    page.act("resize", width=400, height=300)
    assert page.value("() => innerWidth") == 400


def test_pdf_goes_into_the_workspace(page, browser):
    page("pdf", path="out/page.pdf")
    assert (browser.workspace / "out/page.pdf").read_bytes().startswith(b"%PDF")
    error = page.fails("pdf", path="../page.pdf")
    assert "workspace" in error["message"], error


def test_uploads_come_from_the_workspace_alone(page, browser):
    (browser.workspace / "note.txt").write_text("from the workspace")
    page("upload", paths=["note.txt"], element="#file")
    assert page.value("async () => await document.getElementById('file').files[0].text()") == (
        "from the workspace")
    for path in ("/etc/passwd", "../note.txt", "/workspace/../etc/passwd", "/workspacex/y"):
        assert page.fails("upload", paths=[path], element="#file")["code"] == "denied"


def test_a_file_chooser_that_was_armed(page, browser):
    (browser.workspace / "armed.txt").write_text("armed")
    page("upload", paths=["armed.txt"])
    page.act("click", element="#file")
    page.act("wait", loadState="load", timeMs=200)
    assert page.value("() => document.getElementById('file').files[0].name") == "armed.txt"


def test_dialogs(page):
    said = page.act("click", element="#ask")
    assert "confirm 'sure?'" in said
    assert "action dialog" in page.fails("snapshot")["message"]
    page("dialog", accept=True)
    assert page.value("() => document.title") == "true"
    page("dialog", accept=False)
    page.act("click", element="#ask")
    assert page.value("() => document.title") == "false"


def test_tabs(page, browser):
    second = browser.call("browser", action="open", url=data_url("<title>Second</title>"))
    tabs = browser.call("browser", action="tabs")["details"]["tabs"]
    assert {"Form", "Second"} <= {tab["title"] for tab in tabs}
    page("focus")
    assert browser.call("browser", action="snapshot")["details"]["title"] == "Form"
    browser.call("browser", action="close", targetId=second["details"]["targetId"])
    error = browser.fails("browser", action="snapshot", targetId=second["details"]["targetId"])
    assert error["code"] == "not_found"


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", " FILE:///etc/passwd", "chrome://version", "view-source:http://x/",
    "javascript:alert(1)", "http://169.254.169.254/latest/meta-data", "http://0xa9fea9fe/",
    "http://2852039166/", "http://169.254.43518/", "http://[::ffff:a9fe:a9fe]/",
    "http:\\\\169.254.169.254/", "http://user@169.254.169.254:80/", "http://[fd00:ec2::254]/",
    "http://metadata.google.internal./", "http://1%369.254.169.254/"])
def test_places_that_no_page_is_at(page, url):
    for action in ("navigate", "open"):
        assert page.fails(action, url=url)["code"] == "denied", url


def test_a_page_does_not_get_further_than_its_sandbox(page):
    """By itself, without the tool: files, the metadata address, and what listens on the host."""
    assert "url" in page("navigate", url=data_url(
        "<script>location='file:///etc/passwd'</script>"))["details"]
    assert page.value("() => location.protocol") == "data:"
    script = """async () => { try { await fetch(%r, {mode: 'no-cors'}); return 'reached' }
                catch (e) { return 'refused' } }"""
    for url in ("http://169.254.169.254/", "http://metadata.google.internal/",
                "http://127.0.0.1:18790/healthz"):
        assert page.value(script % url) == "refused", url


def test_a_page_opens_no_tabs_by_itself(page, browser):
    before = browser.call("browser", action="tabs")["details"]["tabs"]
    opened = page.value("() => { let n = 0; for (let i = 0; i < 200; i++) "
                        "n += window.open('about:blank') ? 1 : 0; return n }")
    after = browser.call("browser", action="tabs")["details"]["tabs"]
    assert opened <= 1 and len(after) <= len(before) + 1


def renderers(batch):
    """The page processes of this browser, from outside."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            parents[int(entry)] = int(stat[stat.rindex(")") + 2:].split()[1])
    found = []
    for pid in parents:
        ancestor = pid
        while ancestor in parents and ancestor not in (0, batch.proc.pid):
            ancestor = parents[ancestor]
        if ancestor == batch.proc.pid:
            try:
                if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                pass
    return found


def test_a_page_that_crashes_again_and_again(page, browser):
    for i in range(3):
        for pid in renderers(browser):
            os.kill(pid, signal.SIGKILL)
        error = page.fails("act", kind="wait", text="never", timeoutMs=60000)
        assert "crashed" in error["message"], error
        page("navigate", url=data_url(f"<title>Back {i}</title>"))
        assert page("snapshot")["details"]["title"] == f"Back {i}"
    assert browser.call("browser", action="status")["details"]["running"]


def test_without_a_browser(creel_bin, tmp_path):
    batch = Batch(creel_bin, tmp_path, tmp_path / "ws")
    assert batch.fails("browser", action="status")["code"] == "denied"
    batch.close()
    config = CONFIG.replace('"enabled": true', '"enabled": false').replace(
        '"browser"', '"docker": {}, "browser"')
    config = json.loads(config)
    config["tools"] = {"sandbox": {"tools": {"allow": ["browser"], "deny": ["exec"]}}}
    batch = Batch(creel_bin, tmp_path, tmp_path / "ws", json.dumps(config))
    error = batch.fails("browser", action="tabs")
    assert error["code"] == "unavailable" and "browser.enabled" in error["message"]
    batch.close()


@pytest.mark.parametrize("args, code, words", [
    ({"target": "host"}, "denied", "Host browser control is disabled by sandbox policy"),
    ({"target": "custom", "controlUrl": "http://h:1/"}, "denied", "Host browser control"),
    ({"target": "moon"}, "invalid_arguments", "none of sandbox"),
])
def test_other_targets_need_permission(browser, args, code, words):
    error = browser.fails("browser", action="tabs", **args)
    assert error["code"] == code and words in error["message"]


def test_custom_targets_by_lists(creel_bin, tmp_path):
    config = json.loads(CONFIG)
    config["agents"]["defaults"]["sandbox"]["browser"].update(
        allowHostControl=True, allowedControlUrls=["http://127.0.0.1:9222"],
        allowedControlPorts=[9222])
    batch = Batch(creel_bin, tmp_path, tmp_path / "ws", json.dumps(config))
    for url, code in (("http://127.0.0.1:9222/", "unavailable"), ("http://127.0.0.1:9223", "denied"),
                      ("http://10.0.0.1:9222", "denied"), ("ftp://127.0.0.1:9222", "denied")):
        assert batch.fails("browser", action="tabs", target="custom", controlUrl=url)["code"] == code
    batch.close()


def test_one_that_never_comes_up(creel_bin, tmp_path):
    config = json.loads(CONFIG)
    config["agents"]["defaults"]["sandbox"]["browser"]["autoStartTimeoutMs"] = 1
    batch = Batch(creel_bin, tmp_path, tmp_path / "ws", json.dumps(config))
    error = batch.fails("browser", action="open", url="about:blank")
    assert error["code"] == "unavailable"
    assert "did not become reachable within 1 ms" in error["message"]
    assert "json/version" in error["message"]
    batch.close()


def test_scripts_can_be_switched_off(creel_bin, tmp_path):
    need(shutil.which("chromium"), "no chromium here")
    config = json.loads(CONFIG)
    config["browser"] = {"evaluateEnabled": False}
    config["agents"]["defaults"]["sandbox"]["browser"]["headless"] = True
    batch = Batch(creel_bin, tmp_path, tmp_path / "ws", json.dumps(config))
    batch.call("browser", action="open", url="about:blank")
    error = batch.fails("browser", action="act", kind="evaluate", fn="1")
    assert error["code"] == "denied" and "evaluateEnabled" in error["message"]
    status = batch.call("browser", action="status")["details"]
    assert status["headless"] and not status["noVnc"] and status["running"] and status["tabs"]
    # Its end, and its beginning.
    batch.call("browser", action="stop")
    assert not batch.call("browser", action="status")["details"]["running"]
    batch.call("browser", action="start")
    assert batch.call("browser", action="status")["details"]["version"].startswith("Chrome/")
    batch.close()
