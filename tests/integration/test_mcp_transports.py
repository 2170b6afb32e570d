# SPDX-License-Identifier: MIT
"""Each promise of MCP through both transports, stdio and Streamable HTTP, of a real gateway. What the official
clients make of it is in tests/e2e."""
import base64
import json
import os
import queue
import subprocess
import threading
import time
import zlib

import jsonschema
import pytest

from gateway import ADMIN, Gateway
from http_front import Connection, request
from mcp_client import Client, RpcError
from test_tool_files import png

REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {}}


class HttpClient:
    """mcp_client.Client's few words over POST and GET /mcp."""

    def __init__(self, port, session, version):
        self.port, self.told, self.next_id = port, [], 0
        self.arrived = queue.Queue()
        self.answers = {}
        self.headers = {"Accept": "application/json, text/event-stream"}
        self.path = f"/mcp?session={session}"
        self.open = []
        if version:
            self.hello = self.ask("initialize", protocolVersion=version, capabilities={},
                                  clientInfo={"name": "test", "version": "0"})
            self.headers["MCP-Protocol-Version"] = version
            self.tell("notifications/initialized")
            self.exchange("GET", None)

    def exchange(self, method, message, headers=None):
        """One request on a connection of its own, whatever form its answer has."""
        connection = Connection(("127.0.0.1", self.port), 60)
        self.open.append(connection)
        connection.send(request(method, self.path, message, ADMIN, {**self.headers, **(headers or {})}))
        status, found = connection.head()
        assert status in (200, 202), connection.take(int(found.get("content-length", 0)))
        if "mcp-session-id" in found:
            self.headers["Mcp-Session-Id"] = found["mcp-session-id"]
        if found.get("content-type") == "text/event-stream":
            threading.Thread(target=self.listen, args=(connection,), daemon=True).start()
        elif status == 200:
            self.arrived.put(json.loads(connection.take(int(found["content-length"]))))

    def listen(self, connection):
        text = ""
        try:
            while chunk := connection.chunk().decode():
                text += chunk
                while "\n\n" in text:
                    block, text = text.split("\n\n", 1)
                    for line in block.splitlines():
                        if line.startswith("data: {"):
                            self.arrived.put(json.loads(line[6:]))
        except (EOFError, OSError):
            pass

    def start(self, method, **params):
        self.next_id += 1
        meta = params.get("_meta", {}).get("io.modelcontextprotocol/protocolVersion")
        headers = {"MCP-Protocol-Version": meta, "Mcp-Method": method} if meta else {}
        if meta and "name" in params:
            headers["Mcp-Name"] = params["name"]
        self.exchange("POST", {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}, headers)
        return self.next_id

    def tell(self, method, **params):
        self.exchange("POST", {"jsonrpc": "2.0", "method": method, "params": params})

    def take(self):
        message = self.arrived.get(timeout=60)
        if "id" in message:
            self.answers[message["id"]] = message
        else:
            self.told.append(message)

    def wait(self, handle):
        while handle not in self.answers:
            self.take()
        answer = self.answers.pop(handle)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def wait_told(self, method):
        while True:
            for i, message in enumerate(self.told):
                if message["method"] == method:
                    return self.told.pop(i)["params"]
            self.take()

    ask, call, fails = Client.ask, Client.call, Client.fails

    def close(self):
        for connection in self.open:
            connection.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("mcp"))
    gateway.sandbox["workspaceAccess"] = "rw"
    gateway.write_config()
    try:
        yield gateway.start()
    finally:
        gateway.finish()


@pytest.fixture(params=["stdio", "http"])
def connect(request, creel_bin, gateway):  # noqa: F811: pytest's name
    clients = []

    def connect(version="2025-11-25", session="main"):
        if request.param == "stdio":
            clients.append(Client(creel_bin, gateway.home, None, extra=["--session", session], version=version))
        else:
            port = int(gateway.status()["listen"].rsplit(":", 1)[1])
            clients.append(HttpClient(port, session, version))
        return clients[-1]
    yield connect
    for client in clients:
        client.close()


def running(marker):
    return subprocess.run(["pgrep", "-f", f"sleep {marker}"], capture_output=True, check=False).stdout.split()


@pytest.mark.parametrize("version", REVISIONS)
def test_each_revision(connect, version):
    client = connect(version)
    assert client.hello["protocolVersion"] == version
    result = client.call("exec", command="echo hi")
    assert result["content"][0] == {"type": "text", "text": "hi"}
    assert ("structuredContent" in result) == (version >= "2025-06-18")


def test_the_revision_without_sessions(connect):
    client = connect(None)
    assert client.ask("server/discover", _meta=MODERN)["supportedVersions"][0] == "2026-07-28"
    result = client.ask("tools/call", name="exec", arguments={"command": "echo hi"}, _meta=MODERN)
    assert result["structuredContent"]["aggregated"] == "hi"


def test_schemas_annotations_and_structured_results(connect):
    client = connect()
    tools = {tool["name"]: tool for tool in client.ask("tools/list")["tools"]}
    for tool in tools.values():
        assert tool["inputSchema"]["type"] == "object" and tool["title"] and tool["description"]
        assert set(tool["annotations"]) >= {"readOnlyHint"}, tool
    assert tools["read"]["annotations"]["readOnlyHint"] is True
    assert tools["write"]["annotations"]["readOnlyHint"] is False
    result = client.call("exec", command="exit 3")
    assert result["structuredContent"]["exitCode"] == 3
    schema = tools["glob"]["outputSchema"]
    jsonschema.validate(client.call("glob", pattern="*")["structuredContent"], schema)
    assert "paths" in schema["properties"]


def test_progress_while_a_command_runs(connect, gateway):
    client = connect()
    fifo = gateway.state / "workspace/go"
    client.call("exec", command="rm -f go; mkfifo -m 666 go")
    handle = client.start("tools/call", name="exec", _meta={"progressToken": "p"},
                          arguments={"command": "echo one; read line < go; echo two"})
    assert client.wait_told("notifications/progress") == {"progressToken": "p", "progress": 4, "message": "one\n"}
    fifo.write_text("go\n")
    assert client.wait(handle)["structuredContent"]["aggregated"] == "one\ntwo"


def test_cancellation_kills_the_tree(connect):
    client = connect()
    marker = f"{os.getpid()}.{zlib.crc32(type(client).__name__.encode()) % 1000}"
    handle = client.start("tools/call", name="exec", _meta={"progressToken": 1}, arguments={
        "command": f"trap '' TERM; (sleep {marker} & sleep {marker} & echo up; wait) & wait"})
    assert "up" in client.wait_told("notifications/progress")["message"]
    assert len(running(marker)) >= 2
    client.tell("notifications/cancelled", requestId=handle, reason="enough")
    end = time.monotonic() + 30
    while running(marker):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert client.call("exec", command="echo on")["structuredContent"]["aggregated"] == "on"


def test_image_content(connect):
    client = connect()
    picture = base64.b64encode(png(3, 2)).decode()
    client.call("exec", command=f"printf %s {picture} | base64 -d > i.png")
    content = client.call("read", path="i.png")["content"]
    assert content[1] == {"type": "image", "data": picture, "mimeType": "image/png"}


def test_resources(connect):
    client = connect()
    client.call("write", path="r.md", content="# r\n")
    assert "workspace:///r.md" in [r["uri"] for r in client.ask("resources/list")["resources"]]
    assert client.ask("resources/read", uri="workspace:///r.md")["contents"] == [
        {"uri": "workspace:///r.md", "mimeType": "text/markdown", "text": "# r\n"}]
    assert client.ask("resources/templates/list")["resourceTemplates"][0]["uriTemplate"] == "workspace:///{+path}"
    assert client.fails("resources/read", uri="workspace:///none")["code"] == -32002
    assert client.fails("resources/read", uri="workspace:////etc/passwd")["code"] in (-32602, -32603)


def test_logging(connect):
    client = connect()
    assert client.ask("logging/setLevel", level="debug") == {}
    client.call("ls")
    told = client.wait_told("notifications/message")
    assert (told["level"], told["data"]["tool"]) == ("debug", "ls")
    assert client.fails("logging/setLevel", level="loud")["code"] == -32602


def test_errors_are_typed(connect):
    client = connect()
    assert client.fails("tools/call", name="nope")["code"] == -32602
    assert client.fails("nope")["code"] == -32601
    missing = client.call("read", path="none")
    assert missing["isError"] and missing["structuredContent"]["error"]["type"] == "not_found"
