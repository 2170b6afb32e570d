# SPDX-License-Identifier: MIT
"""A gateway with a sandboxed browser, and what tests ask of both."""
import contextlib
import json
import os
import subprocess
import uuid
from pathlib import Path
from urllib.parse import quote

from browser_image import SCRATCH_BYTES, root_tar
from engine import Engine, why_not
from gateway import ADMIN, Gateway, wait_for
from network import LAN, Network, enter, inside
from node import HERE, node
from support import BASE_ENV, need, scratch

IMAGE = "creel-sandbox-browser:bookworm-slim"
SESSION = "agent:main:main"

# Who may something, but not drive the browser of SESSION.
TOKENS = [{"name": "elsewhere", "token": "token-elsewhere", "agents": ["offline"]},
          {"name": "reader", "token": "token-reader", "tools": ["read"]}]


def agents(mark):
    """One whose browser has no network, one without Chromium's own sandbox, and one with a port for some; they can
    be told apart."""
    return [{"id": name, "sandbox": {**keys, "docker": {"env": {"TEST_MARK": f"{mark}-{name}", **env}}}}
            for name, keys, env in (("main", {}, {}), ("offline", {"browser": {"network": "none"}}, {}),
                                    ("bare", {}, {"CREEL_BROWSER_NO_SANDBOX": "1"}),
                                    ("edge", {"browser": {"cdpSourceRange": f"{LAN}/32"}}, {}))]


# As http.server's own, which asks for the name of its address first, and there is no DNS here.
SERVE = """
import functools, http.server, socket, socketserver, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[3])
socketserver.ThreadingTCPServer.allow_reuse_address = True
if ":" in sys.argv[1]:
    socketserver.ThreadingTCPServer.address_family = socket.AF_INET6
server = socketserver.ThreadingTCPServer((sys.argv[1], int(sys.argv[2])), handler)
print("serving", flush=True)
server.serve_forever()
"""


class Refused(Exception):
    """A call that failed; args are its type and its message."""


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def processes():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def below(ancestor):
    """Its descendants."""
    found = [ancestor]
    parents = {}
    for pid in processes():
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text()
            parents.setdefault(int(stat[stat.rindex(")") + 2:].split()[1]), []).append(pid)
    for pid in found:
        found += parents.get(pid, [])
    return found[1:]


@contextlib.contextmanager
def serve(prefix, site, address, port, log=subprocess.DEVNULL):
    """An HTTP server of a directory's files, in the network that prefix enters."""
    server = subprocess.Popen([*prefix, "python3", "-c", SERVE, address, str(port), str(site)],
                              stdout=subprocess.PIPE, stderr=log)
    try:
        assert server.stdout.readline() == b"serving\n"
        yield f"http://{address}:{port}/"
    finally:
        server.kill()
        server.wait()


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if ":\t" in line)


class Place:
    """One gateway; its sandboxes' processes are known by a mark in their environment."""

    def __init__(self, home, backend, network=None, **sandbox):
        self.backend, self.network, self.mark = backend, network, uuid.uuid4().hex
        self.gateway = Gateway(home, tokens=[{"name": "admin", "token": ADMIN, "admin": True}, *TOKENS])
        self.gateway.prefix = network.prefix if network else ()
        self.gateway.sandbox.update(
            backend=backend, workspaceAccess="rw", browser={"enabled": True, "autoStartTimeoutMs": 60000}, **sandbox)
        self.gateway.extra = {"defaults": {"workspace": str(Path(home) / "ws")}}
        self.workspace = Path(home) / "ws"
        self.workspace.mkdir(mode=0o777)
        self.workspace.chmod(0o777)
        self.gateway.write_config()
        config = json.loads((self.gateway.state / "creel.json").read_text())
        config["agents"]["list"] = agents(self.mark)
        self.gateway.write_config(json.dumps(config))
        self.gateway.start()

    def finish(self):
        done = self.gateway.creel("sandbox", "recreate", "--all", "--browser", "--force")
        self.gateway.finish()
        assert done.returncode == 0, done.stderr

    # --- asking ---

    def call(self, tool, session=SESSION, **args):
        status, answer = self.gateway.request("POST", "/tools/invoke", {
            "tool": tool, "sessionKey": session, "args": args}, token=ADMIN, timeout=120)
        if status != 200:
            raise Refused(answer["error"]["type"], answer["error"]["message"])
        return answer["result"]

    def browser(self, action, **args):
        return self.call("browser", action=action, **args)

    def fails(self, action, **args):
        try:
            self.browser(action, **args)
        except Refused as refused:
            return refused.args
        raise AssertionError(f"{action} {args} was not refused")

    def value(self, script, **args):
        """What a script says in the page."""
        return self.browser("act", kind="evaluate", fn=script, **args)["details"]["result"]

    def until_works(self, action, **args):
        """After something was killed: what is asked meanwhile may fail."""
        def works():
            try:
                return self.browser(action, **args)
            except Refused:
                return None
        return wait_for(works, f"{action} to work again", timeout=60)

    def listen(self):
        address = self.gateway.status()["listen"].rsplit(":", 1)
        return address[0], int(address[1])

    def base(self):
        return "http://%s:%s" % self.listen()

    @staticmethod
    def path(session=SESSION):
        return f"/v1/browser/{quote(session, safe='')}"

    def inside(self):
        """Sockets made in here can reach the gateway."""
        return inside(self.network.holder.pid) if self.network else contextlib.nullcontext()

    def run(self, packages, script, **want):
        """A script of this directory, with Node.js: its JSON."""
        copy = packages / script  # beside node_modules, where it looks for packages
        copy.write_bytes((HERE / script).read_bytes())
        done = subprocess.run(
            [*self.gateway.prefix, node(packages), copy, json.dumps({"token": ADMIN, **want})],
            capture_output=True, text=True, env={**BASE_ENV, "HOME": str(self.gateway.home)}, check=False,
            timeout=120)
        assert done.returncode == 0 and done.stdout.startswith("ok"), done.stdout + done.stderr
        return json.loads(done.stdout[3:])

    # --- its processes, as the host numbers them ---

    def pids(self, prefix, session=SESSION):
        """Of the session's browser, not of another's."""
        mark, found = f"TEST_MARK={self.mark}-{session.split(':')[1]}".encode(), []
        for pid in processes():
            with contextlib.suppress(OSError):
                if command_line(pid).startswith(prefix) and (
                        mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")):
                    found.append(pid)
        return sorted(found)

    def chromium(self, session=SESSION):
        """The browser's own process: one, or none while it is restarted."""
        return [pid for pid in self.pids(b"/usr/lib/chromium/chromium", session)
                if b"--type=" not in command_line(pid)]

    def pages(self, session=SESSION):
        """Processes of pages; where Chromium forks them, they have written over their environment."""
        return [pid for main in self.chromium(session) for pid in below(main)
                if b"--type=renderer" in command_line(pid)]

    def own_sandbox(self, session=SESSION):
        """Whether Chromium's own is on. In any case its pages are held: by a filter, without a capability."""
        main, = self.chromium(session)
        page = status_of(wait_for(lambda: self.pages(session), "a page")[0])
        assert page["Seccomp"] == "2" and page["NoNewPrivs"] == "1"
        deeper = len(page["NSpid"].split()) > len(status_of(main)["NSpid"].split())
        assert deeper == (b"--no-sandbox" not in command_line(main))
        assert deeper or int(page["CapEff"], 16) == 0
        return deeper

    def serve(self, site, port=8123, address="127.0.0.1", pid=None):
        """Files of a directory, on the loopback of the browser's own network."""
        return serve(enter(pid or self.pids(b"Xvfb")[-1]), site, address, port)


class DockerPlaces:
    """An engine with the browser's image alone, which serves for every sandbox here."""

    def __init__(self):
        need(why_not() is None, str(why_not()))
        tar = root_tar()
        self.network = Network()
        self.engine = Engine(self.network.prefix, scratch(SCRATCH_BYTES))
        self.engine.start()
        self.engine.make_image("sandbox-browser-setup.sh", tar)

    def root(self):
        """The image, unpacked: as the engine keeps it."""
        status, answer = self.engine.ask("GET", f"/images/{IMAGE}/json")
        assert status == 200, answer
        return answer["GraphDriver"]["Data"]["UpperDir"]

    def stop(self):
        self.engine.stop()
        self.network.stop()
