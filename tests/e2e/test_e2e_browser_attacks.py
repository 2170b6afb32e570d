# SPDX-License-Identifier: MIT
"""A browser's container against its neighbours, its pages, and whoever kills parts of it."""
import contextlib
import http.client
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from gateway import ADMIN, Gateway, ask_for_websocket, wait_for
from network import LAN, METADATA, enter, inside
from place import IMAGE, TOKENS, Refused, command_line, serve

PORTS = (5900, 6080, 9222, 9223)
# Which of "host:port" answer, all asked at once.
REACH = """
import json, select, socket, sys
waiting = {}
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex((host, int(port)))
    waiting[s] = target
reached = []
while waiting:
    ready = select.select([], list(waiting), [], 1)[1]
    if not ready:
        break
    for s in ready:
        target = waiting.pop(s)
        if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            reached.append(target)
print(json.dumps(sorted(reached)))
"""


@pytest.fixture(scope="module")
def place(docker_place):
    docker_place.browser("start")
    return docker_place


def container(engine, session="agent-main"):
    name, = [name for name in engine.engine.containers() if name.startswith(f"creel-sbx-browser-{session}")]
    return engine.engine.inspect(name)


def address(inspected):
    network, = inspected["NetworkSettings"]["Networks"].values()
    return network["IPAddress"], network["Gateway"]


def reached_from(prefix, targets):
    return json.loads(subprocess.run([*prefix, "python3", "-c", REACH, *targets], capture_output=True, check=True,
                                     timeout=30).stdout)


def run_beside(engine, *argv):
    """What a container on the same bridge prints, which is JSON."""
    ask = engine.engine.ask
    status, made = ask("POST", "/containers/create", {
        "Image": IMAGE, "Cmd": argv, "Tty": True, "HostConfig": {"NetworkMode": "creel-sandbox-browser"}})
    assert status == 201, made
    try:
        assert ask("POST", f"/containers/{made['Id']}/start")[0] == 204
        assert ask("POST", f"/containers/{made['Id']}/wait")[1]["StatusCode"] == 0
        return ask("GET", f"/containers/{made['Id']}/logs?stdout=1")[1]
    finally:
        ask("DELETE", f"/containers/{made['Id']}?force=1")


# --- neighbours ---

def test_no_port_leads_to_it(engine, place):
    inspected = container(engine)
    assert not inspected["HostConfig"]["PortBindings"]
    assert not [port for port in (inspected["NetworkSettings"]["Ports"] or {}).values() if port]
    ip, _ = address(inspected)
    pid = inspected["State"]["Pid"]
    targets = [f"{ip}:{port}" for port in PORTS]
    # They listen, on its loopback; what would lead to it from outside (9222) does not at all.
    assert reached_from(enter(pid), [f"127.0.0.1:{port}" for port in PORTS]) == [
        "127.0.0.1:5900", "127.0.0.1:6080", "127.0.0.1:9223"]
    assert reached_from(enter(pid), targets) == []
    with place.serve("/mnt", 8200, ip, pid):
        # The host reaches what listens there; another container does not even reach that.
        assert reached_from(engine.network.prefix, [*targets, f"{ip}:8200"]) == [f"{ip}:8200"]
        assert run_beside(engine, "python3", "-c", REACH, *targets, f"{ip}:8200") == []


def test_a_port_for_a_network_of_sources(engine, place):
    """cdpSourceRange: whoever else asks gets no answer."""
    place.browser("start", session="agent:edge:main")
    inspected = container(engine, "agent-edge")
    assert not inspected["HostConfig"]["PortBindings"]
    ip, bridge = address(inspected)

    def ask(source):
        with place.inside():
            connection = http.client.HTTPConnection(ip, 9222, timeout=30, source_address=(source, 0))
            connection.request("GET", "/json/version")
        try:
            return connection.getresponse().status
        finally:
            connection.close()

    assert ask(LAN) == 200
    with pytest.raises(ConnectionError):
        ask(bridge)
    assert run_beside(engine, "python3", "-c", REACH, f"{ip}:9222") == []


def upgrade(place, path, **headers):
    with place.inside():
        return ask_for_websocket(http.client.HTTPConnection(*place.listen(), timeout=60), path, **headers)


def test_who_may_not_drive_it(place):
    good = {"Authorization": f"Bearer {ADMIN}"}
    cdp = place.path() + "/cdp"
    assert upgrade(place, cdp, **good) == 101
    assert upgrade(place, cdp) == 401
    assert upgrade(place, cdp, Authorization="Bearer wrong") == 401
    assert upgrade(place, f"{cdp}?token={ADMIN}") in (400, 401)
    for token in TOKENS:
        bearer = {"Authorization": f"Bearer {token['token']}"}
        assert upgrade(place, cdp, **bearer) in (403, 404), token
        for method, what in (("GET", "/json/version"), ("POST", "/observe")):
            status, answer = place.gateway.request(method, place.path() + what, {} if method == "POST" else None,
                                                   token=token["token"])
            assert status in (403, 404) and "url" not in json.dumps(answer).lower(), answer
    for origin in ("http://evil.example", "null", "chrome-extension://abc", "http://127.0.0.1:1"):
        assert upgrade(place, cdp, **good, Origin=origin) == 403, origin
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
        assert upgrade(place, cdp, **good, Host=host) in (400, 403, 421), host
    assert upgrade(place, "/novnc/ws/" + "0" * 48) == 404
    assert place.gateway.request("GET", "/novnc/t/" + "0" * 48)[0] == 404


def test_what_opens_novnc_works_once(place):
    """Each half of it, and for no other page."""
    status, answer = place.gateway.request("POST", place.path() + "/observe", {}, token=ADMIN)
    assert status == 200
    ticket = "/" + answer["result"]["url"].split("/", 3)[3]
    # Not as the other half, and not changed.
    assert upgrade(place, ticket.replace("/t/", "/ws/")) == 404
    assert place.gateway.request("GET", ticket[:-1] + ("0" if ticket[-1] != "0" else "1"))[0] == 404
    with place.inside():
        connection = http.client.HTTPConnection(*place.listen())
        connection.request("GET", ticket)
    page = connection.getresponse().read().decode()
    assert place.gateway.request("GET", ticket)[0] == 404
    stream = "/novnc/ws/" + page.split("novnc/ws/")[1].split('"')[0]
    assert upgrade(place, stream, Origin="http://evil.example") == 403
    assert upgrade(place, stream) == 101
    assert upgrade(place, stream) == 404


# --- pages ---

FETCH = """async () => Promise.all(%s.map(async url => {
  try { await fetch(url, {mode: 'no-cors', signal: AbortSignal.timeout(3000)}); return url } catch (e) { return '' }
}))"""


def fetched(place, urls):
    """Those that a script of the page reaches, whatever the answer is."""
    return [url for url in place.value(FETCH % json.dumps(urls)) if url]


@contextlib.contextmanager
def served_by_host(place, tmp_path, at, port):
    """The file of the requests that a server of the host has got."""
    (tmp_path / "secret").write_text("CREDENTIALS")
    with open(tmp_path / "log", "wb") as log, serve(place.gateway.prefix, tmp_path, at, port, log):
        yield tmp_path / "log"


def test_a_page_and_the_gateway(engine, place, tmp_path):
    """Its addresses lead nowhere, and where an operator opens one, a page is nobody."""
    place.browser("open", url="about:blank")
    port = place.listen()[1]
    _, bridge = address(container(engine))
    with served_by_host(place, tmp_path, LAN, 8300):
        # What listens for everybody is reached, so the rest says something.
        assert fetched(place, [f"http://{LAN}:8300/", f"http://{LAN}:{port}/healthz",
                               f"http://{bridge}:{port}/healthz", f"http://127.0.0.1:{port}/healthz"]) == [
            f"http://{LAN}:8300/"]
    (tmp_path / "open").mkdir()
    opened = Gateway(tmp_path / "open", listen=f"{LAN}:0")
    opened.prefix = place.gateway.prefix
    opened.start()
    try:
        base = f"http://{opened.status()['listen']}"
        assert fetched(place, [f"{base}/healthz"]) == [f"{base}/healthz"]
        assert place.value(f"""async () => {{ try {{ return (await fetch('{base}/v1/status')).status }}
                               catch (e) {{ return 'refused' }} }}""") == "refused"  # no CORS
        assert place.value(f"""() => new Promise(done => {{
            const ws = new WebSocket('{base.replace("http", "ws")}/v1/browser/agent%3Amain%3Amain/cdp');
            ws.onopen = () => done('open'); ws.onerror = () => done('refused') }})""") == "refused"
        place.value(f"() => fetch('{base}/tools/invoke', {{method: 'POST', mode: 'no-cors', "
                    "body: JSON.stringify({tool: 'exec', args: {command: 'true'}})}).then(() => 0)")
        place.browser("navigate", url=f"{base}/v1/status")
        assert "unauthorized" in place.browser("snapshot")["content"][0]["text"].lower()
        # Nobody's call was run: no sandbox came to be.
        assert opened.sandboxes() == []
    finally:
        opened.finish()


NAT64 = "64:ff9b::a9fe:a9fe"
METADATA_NAMES = [
    f"http://{METADATA}/secret", "http://2852039166/secret", "http://0xa9.0xfe.0xa9.0xfe/secret",
    f"http://[::ffff:{METADATA}]/secret", "http://[::ffff:a9fe:a9fe]/secret",
    f"http://[{NAT64}]/secret", "http://metadata.google.internal/secret", "http://[fd00:ec2::254]/secret"]


def test_a_page_and_the_metadata_address(engine, place, tmp_path):
    pid = container(engine)["State"]["Pid"]
    # The engine gives it no IPv6, which has ways to IPv4 addresses.
    subprocess.run([*enter(pid), "sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && "
                    f"ip -6 addr add {NAT64}/128 dev lo"], check=True)
    with served_by_host(place, tmp_path, METADATA, 80) as log, place.serve(tmp_path, 80, NAT64, pid):
        with inside(pid):
            connection = http.client.HTTPConnection(METADATA, timeout=10)
            connection.request("GET", "/secret")
        assert connection.getresponse().read() == b"CREDENTIALS"  # it is there, for a program
        control = log.read_text()
        assert control.count("GET /secret") == 1
        place.browser("open", url="about:blank")
        assert fetched(place, METADATA_NAMES) == []
        for url in METADATA_NAMES:
            assert place.fails("navigate", url=url)[0] == "denied", url
        site = tmp_path / "site"
        site.mkdir()
        (site / "index.html").write_text(
            f"<img src='http://{METADATA}/secret'><iframe src='http://{METADATA}/secret'></iframe>"
            f"<script src='http://{METADATA}/secret'></script><link rel=prefetch href='http://{METADATA}/secret'>"
            f"<script>new WebSocket('ws://{METADATA}/secret'); navigator.sendBeacon('http://{METADATA}/secret');"
            f"open('http://{METADATA}/secret')</script>")
        (site / "away.html").write_text(f"<meta http-equiv=refresh content='0;url=http://{METADATA}/secret'>")
        with place.serve(site, 8124, pid=pid) as base:
            place.browser("open", url=base)
            place.browser("act", kind="wait", loadState="load")
            place.browser("open", url=base + "away.html")
            wait_for(lambda: "away" not in place.value("() => location.href"), "the page to go away")
            assert "CREDENTIALS" not in place.browser("snapshot")["content"][0]["text"]
        assert log.read_text() == control


def test_a_page_and_files(place):
    for url in ("file:///etc/passwd", "FILE:/etc/passwd", "view-source:file:///etc/passwd", "chrome://version",
                "filesystem:http://x/temporary/y", "blob:file:///etc/passwd"):
        assert place.fails("open", url=url)[0] == "denied", url
    place.browser("open", url="data:text/html,<iframe src='file:///etc/passwd'></iframe>"
                              "<script>location='file:///etc/passwd'</script>")
    assert place.value("() => location.protocol") == "data:"
    assert fetched(place, ["file:///etc/passwd"]) == []
    assert "root:" not in place.browser("snapshot")["content"][0]["text"]


def test_many_tabs(packages, place):
    result = place.run(packages, "browser.mjs", url=place.base() + place.path(), flood=200)
    assert result["made"] == 200
    tabs = wait_for(lambda: (lambda tabs: tabs if len(tabs) <= 50 else None)(
        place.browser("tabs")["details"]["tabs"]), "most of the tabs to go")
    for tab in tabs[2:]:
        place.browser("close", targetId=tab["targetId"])
    place.browser("open", url="data:text/html,<h1>still there")
    assert "still there" in place.browser("snapshot")["content"][0]["text"]


# --- ends of its parts ---

def kill(pids):
    assert pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_pages_that_crash_again_and_again(packages, place):
    main = place.chromium()
    assert place.run(packages, "browser.mjs", url=place.base() + place.path(), crash=3)["crashed"] == 3
    for i in range(3):
        place.until_works("open", url=f"data:text/html,<h1>life {i}")
        kill(wait_for(lambda: place.pages(), "a page"))
    place.until_works("open", url="data:text/html,<h1>after")
    assert "after" in place.browser("snapshot")["content"][0]["text"]
    assert place.chromium() == main  # the pages went, and nothing else


@pytest.mark.parametrize("program", ["x11vnc", "websockify", "chromium", "Xvfb"])
def test_a_part_that_is_killed_comes_back(place, program):
    def pids():
        return {"x11vnc": place.pids(b"x11vnc"), "Xvfb": place.pids(b"Xvfb"), "chromium": place.chromium(),
                "websockify": [pid for pid in place.pids(b"/usr/bin/python3")
                               if b"websockify" in command_line(pid)]}[program]

    before, restarts = pids(), place.until_works("status")["details"]["restarts"]
    kill(before)
    after = wait_for(lambda: pids() if not set(pids()) & set(before) else None, program)
    assert after
    place.until_works("open", url="data:text/html,<h1>again")
    status = wait_for(lambda: (lambda s: s if s["restarts"] > restarts else None)(
        place.browser("status")["details"]), "the restart to be counted")
    assert status["running"]


def test_what_dies_at_once_is_given_up(place):
    """Bounded: the supervisor ends, says why, and the next call that wants a browser starts all anew."""
    supervisor = place.pids(b"/bin/sh\0-c\0# SPDX") or place.pids(b"/bin/sh\0-c")
    assert supervisor

    def ended():
        for pid in place.chromium():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not any(os.path.exists(f"/proc/{pid}") for pid in supervisor)

    wait_for(ended, "the supervisor to give up", timeout=60)
    assert place.until_works("start")["details"]["running"]
    assert place.chromium()


# --- without this and that ---

def exit_status(engine, inspected, *argv):
    """Of a command in that container."""
    ask = engine.engine.ask
    made = ask("POST", f"/containers/{inspected['Id']}/exec", {"Cmd": argv, "AttachStdout": True})[1]
    assert ask("POST", f"/exec/{made['Id']}/start", {"Detach": False})[0] == 200
    return ask("GET", f"/exec/{made['Id']}/json")[1]["ExitCode"]


def test_chromium_keeps_its_own_sandbox_where_it_can(engine, place):
    """In a container whose rules let it make namespaces; unless CREEL_BROWSER_NO_SANDBOX is set."""
    place.until_works("open", url="data:text/html,<h1>held")
    may = exit_status(engine, container(engine), "unshare", "--user", "--pid", "--net", "--fork", "true") == 0
    assert place.own_sandbox() == may
    place.browser("open", url="data:text/html,<h1>bare", session="agent:bare:main")
    assert not place.own_sandbox("agent:bare:main")


def test_no_network_at_all(engine, place):
    """Reached, driven and watched through the stream alone."""
    session = "agent:offline:main"
    place.browser("open", url="data:text/html,<h1>alone", session=session)
    assert "alone" in place.browser("snapshot", session=session)["content"][0]["text"]
    inspected = container(engine, "agent-offline")
    assert inspected["HostConfig"]["NetworkMode"] == "none"
    assert not inspected["NetworkSettings"]["Ports"] and not inspected["HostConfig"]["PortBindings"]
    assert Path(f"/proc/{inspected['State']['Pid']}/net/dev").read_text().count(":") == 1  # lo
    status, answer = place.gateway.request("POST", place.path(session) + "/observe", {}, token=ADMIN, timeout=60)
    assert status == 200 and answer["result"]["url"]


def titles(place):
    return sorted(tab["url"] for tab in place.until_works("tabs")["details"]["tabs"])


def test_a_gateway_that_is_killed(place):
    """The front, then all of it: the browser does not notice."""
    kept = place.browser("open", url="data:text/html,<h1>kept")["details"]["targetId"]
    before, main = titles(place), place.chromium()
    front = place.gateway.front()
    os.kill(front, signal.SIGKILL)
    wait_for(lambda: place.gateway.front() not in (None, front), "another front")
    place.gateway.wait_ready()
    assert titles(place) == before
    place.gateway.kill()
    place.gateway.start()
    assert titles(place) == before and place.chromium() == main
    assert "kept" in place.browser("snapshot", targetId=kept)["content"][0]["text"]
    # Who looked before may look again: the passwords are known still.
    status, answer = place.gateway.request("POST", place.path() + "/observe", {}, token=ADMIN, timeout=60)
    assert status == 200, answer


def test_the_bridge_is_there_as_long_as_browsers_are(engine, place):
    """The last test of them: it takes all browsers away."""
    def networks():
        return [n["Name"] for n in engine.engine.ask("GET", "/networks")[1] if n["Driver"] == "bridge"]

    assert networks() == ["creel-sandbox-browser"]
    done = place.gateway.creel("sandbox", "recreate", "--all", "--browser", "--force")
    assert done.returncode == 0, done.stderr
    assert networks() == []
    assert place.until_works("start")["details"]["running"]
    assert networks() == ["creel-sandbox-browser"]
    with pytest.raises(Refused):
        place.browser("snapshot", targetId="0" * 32)
