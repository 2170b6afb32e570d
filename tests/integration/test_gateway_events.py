"""What the gateway tells those who watch, and MCP clients of it."""
import json
import signal
import threading

from gateway import UnixConnection, wait_for
from mcp_client import Client
from support import find_creel


class Watch:
    """GET /v1/events, read by a thread until the stream ends."""

    def __init__(self, gateway):
        self.events, self.connection = [], UnixConnection(gateway.state / "creel.sock", 60)
        self.connection.request("GET", "/v1/events")
        self.answer = self.connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        kind = None
        try:
            for line in self.answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    self.events.append((kind, json.loads(value)))
        except (OSError, ValueError, AttributeError):
            pass  # the test closed it

    def wait(self, kind):
        """The next event of that kind; those before it are over."""
        def find():
            while self.events:
                seen = self.events.pop(0)
                if seen[0] == kind:
                    return seen[1]
            return None
        return wait_for(find, kind)


def direct(gateway, text, session="main"):
    assert gateway.request("POST", f"/v1/sessions/{session}/directives", {"text": text})[0] == 200


def test_every_change_is_told(gateway):
    watch = Watch(gateway)
    gateway.process.send_signal(signal.SIGHUP)
    assert watch.wait("config.reloaded")["ok"]
    gateway.write_config()
    assert watch.wait("config.reloaded")["ok"]
    assert gateway.request("POST", "/v1/config/reload")[0] == 200
    assert watch.wait("config.reloaded")["ok"]
    gateway.write_config("{")
    told = watch.wait("config.reloaded")
    assert not told["ok"] and "creel.json:1" in told["problem"]
    direct(gateway, "/exec ask=always")
    assert watch.wait("session.directive") == {"agentId": "main", "sessionKey": "agent:main:main",
                                               "directives": {"exec": {"ask": "always"}}}
    gateway.call("exec", command="true")
    name = watch.wait("sandbox.started")["name"]
    assert watch.wait("call.ended")["tool"] == "exec"
    assert gateway.request("DELETE", "/v1/sessions/main")[0] == 200
    assert watch.wait("session.ended") == {"agentId": "main", "sessionKey": "agent:main:main"}
    assert gateway.request("DELETE", f"/v1/sandboxes/{name}")[0] == 200
    assert watch.wait("sandbox.released") == watch.wait("sandbox.removed") == {"name": name}


def test_mcp_clients_hear_that_their_tools_changed(gateway):
    client = Client(find_creel(), gateway.home, None)
    try:
        def changed():
            while (message := client.next_message())["method"] != "notifications/tools/list_changed":
                pass

        direct(gateway, "/exec ask=always")
        changed()
        gateway.extra = {"tools": {"deny": ["exec"]}}
        gateway.write_config()
        changed()
        assert "exec" not in [tool["name"] for tool in client.ask("tools/list")["tools"]]
        assert gateway.request("DELETE", "/v1/sessions/main")[0] == 200
        changed()
    finally:
        client.proc.kill()
        client.proc.wait()
