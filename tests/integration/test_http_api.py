"""The routes: what each takes and answers, and that /openapi.json tells the truth about all of them."""
import json
import re
import time

import jsonschema
import pytest

from http_front import ADMIN, MAIN_ONLY, Answer, EventStream, Front, invoke, request
from support import ROOT


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    server = Front(tmp_path_factory.mktemp("front"), heartbeat_ms=100)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def document(front):
    return front.request("GET", "/openapi.json", token=None).json


# --- POST /tools/invoke ---


def test_invoke(front):
    answer = front.request("POST", "/tools/invoke", {
        "tool": "exec", "args": {"command": "hello"}, "sessionKey": "agent:main:main", "agentId": "main",
        "sender": {"provider": "telegram", "id": "42", "isOwner": True}, "dryRun": False})
    assert answer.status == 200
    assert answer.json == {"ok": True, "result": {
        "content": [{"type": "text", "text": "hello"}],
        "details": {"tool": "exec", "args": {"command": "hello"}}}}


def test_aliases_are_tools(front):
    assert front.request("POST", "/tools/invoke", {"tool": "bash", "args": {"command": "x"}}).status == 200


def test_action_goes_to_the_arguments(front):
    body = {"tool": "process", "action": "list"}
    assert front.request("POST", "/tools/invoke", body).result["details"]["args"] == {"action": "list"}
    body["args"] = {"action": "poll"}
    assert front.request("POST", "/tools/invoke", body).result["details"]["args"] == {"action": "poll"}


@pytest.mark.parametrize("status,error_type,body", [
    (404, "not_found", {"tool": "nothing"}),
    (404, "denied", {"tool": "browser"}),
    (404, "not_found", {"tool": "read", "args": {"path": "missing"}}),
    (400, "invalid_arguments", {"tool": "exec"}),
    (400, "invalid_request", {}),
    (400, "invalid_request", {"tool": 1}),
    (400, "invalid_request", {"tool": None}),
    (400, "invalid_request", {"tool": "exec\0"}),
    (400, "invalid_request", {"tool": "exec", "args": []}),
    (400, "invalid_request", {"tool": "exec", "args": "ls"}),
    (400, "invalid_request", {"tool": "exec", "sessionKey": 1}),
    (400, "invalid_request", {"tool": "exec", "agentId": {}}),
    (400, "invalid_request", {"tool": "exec", "sender": "me"}),
    (400, "invalid_request", {"tool": "exec", "sender": {"id": 42}}),
    (400, "invalid_request", {"tool": "exec", "sender": {"admin": True}}),
    (400, "invalid_request", []),
    (400, "invalid_request", "exec"),
    (400, "invalid_request", None),
    (400, "invalid_request", b"{"),
    (400, "invalid_request", b"{\"tool\":\"exec\",\"tool\":\"read\"}"),
    (400, "invalid_request", b"{\"tool\":\"\xff\"}"),
    (400, "invalid_request", b"{\"tool\":\"\\ud800\"}"),
    (400, "invalid_request", b"\xef\xbb\xbf{}"),
    (400, "invalid_request", b"{\"tool\":\"exec\"} {}"),
    (400, "invalid_request", b"{'tool':'exec'}"),
])
def test_invoke_refuses(front, status, error_type, body):
    answer = front.request("POST", "/tools/invoke", body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.error["type"]) == (status, error_type)


def test_a_refusal_cannot_forge_lines(front):
    answer = front.request("POST", "/v1/sandboxes/recreate", {"a\r\nb\x1b[31m'": 1})
    assert answer.status == 400 and "a\\x0d\\x0ab\\x1b[31m\\x27" in answer.error["message"]


# --- fields ---


@pytest.mark.parametrize("method,path,body", [
    ("GET", "/v1/files", None),
    ("GET", "/v1/files?path=a&offset=one", None),
    ("GET", "/v1/files?path=a&offset=99999999999999999999", None),
    ("GET", "/v1/files?path=%ff", None),
    ("GET", "/v1/files?path=%0", None),
    ("GET", "/v1/files/glob?pattern=a&noIgnore=maybe", None),
    ("GET", "/v1/events?after=-1", None),
    ("PUT", "/v1/files", {"path": "a"}),
    ("PUT", "/v1/files", {"path": "a", "content": 1}),
    ("PUT", "/v1/files", {"path": "a", "content": "", "mode": 7}),
    ("POST", "/v1/sandboxes/recreate", {"al": True}),
    ("POST", "/v1/sandboxes/recreate", {"all": "yes"}),
    ("POST", "/v1/approvals/1", {"decision": "maybe"}),
    ("POST", "/v1/processes/swift-newt/resize", {"rows": "24", "columns": 80}),
    ("POST", "/v1/processes/swift-newt/resize", {"rows": 24.5, "columns": 80}),
])
def test_fields_are_checked(front, method, path, body):
    answer = front.request(method, path, body)
    assert answer.status == 400 and answer.error["type"] == "invalid_request"


@pytest.mark.parametrize("method,path,body,args", [
    ("GET", "/v1/explain?sessionKey=agent%3Amain%3Ax&agentId=main", None,
     {"session": "agent:main:x", "agent": "main"}),
    ("DELETE", "/v1/sandboxes/creel-sbx-a", None, None),
    ("GET", "/v1/sessions/a%2Fb", None, {"session": "a/b"}),
    ("POST", "/v1/sessions/main/directives", {"text": "/elevated on", "sender": {"id": "1"}},
     {"session": "main", "text": "/elevated on"}),
    ("POST", "/v1/approvals/7", {"decision": "allow"}, {"id": "7", "decision": "allow"}),
    ("POST", "/v1/config/reload", None, {}),
])
def test_fields_arrive(front, method, path, body, args):
    result = front.request(method, path, body).result
    assert args is None or result["args"] == args


@pytest.mark.parametrize("method,path,body,tool,args", [
    ("GET", "/v1/files?path=src%2Fa+b.c&offset=3&limit=10", None, "read",
     {"path": "src/a b.c", "offset": 3, "limit": 10}),
    ("PUT", "/v1/files", {"path": "a", "content": "b"}, "write", {"path": "a", "content": "b"}),
    ("POST", "/v1/files/edit", {"path": "a", "oldText": "b", "newText": "c", "sessionKey": "main"}, "edit",
     {"path": "a", "oldText": "b", "newText": "c"}),
    ("POST", "/v1/files/patch", {"input": "*** Begin Patch"}, "apply_patch", {"input": "*** Begin Patch"}),
    ("GET", "/v1/files/raw?path=a&offset=0", None, "read", {"path": "a", "offset": 0, "raw": True}),
    ("GET", "/v1/files/ls", None, "ls", {}),
    ("GET", "/v1/files/glob?pattern=**%2F*.c&noIgnore=1", None, "glob",
     {"pattern": "**/*.c", "noIgnore": True}),
    ("GET", "/v1/files/grep?pattern=a%2Bb&ignoreCase=false&context=2&glob=*.c", None, "grep",
     {"pattern": "a+b", "ignoreCase": False, "context": 2, "glob": "*.c"}),
])
def test_files_are_the_file_tools(front, method, path, body, tool, args):
    assert front.request(method, path, body).result["details"] == {"tool": tool, "args": args}


# --- paths ---


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/sessions/", "/v1//sessions", "/healthz/", "/v1/sessions/a/b",
                                  "/v1/sessions/%00", "/v1/sessions/%zz", "/../healthz", "/HEALTHZ", "/v1/files/%67lob"])
def test_paths_that_are_not_there(front, path):
    answer = front.request("GET", path)
    assert answer.status == 404 and answer.error["type"] == "not_found"


# --- the document ---


def example(field):
    kind = field["schema"].get("type")
    if "enum" in field["schema"]:
        return field["schema"]["enum"][0]
    return {"string": "x", "integer": 1, "boolean": True, "object": {}, "array": []}[kind]


class Operation:
    def __init__(self, path, method, data):
        self.template, self.method, self.data = path, method.upper(), data

    @property
    def id(self):
        return self.data["operationId"]

    @property
    def body_schema(self):
        return self.data.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")

    def path(self, name="swift-newt", query=True):
        path = re.sub(r"{\w+}", name, self.template)
        fields = [f for f in self.data["parameters"] if f["in"] == "query" and (f["required"] or f["name"] == "path")]
        return path + "?" + "&".join(f"{f['name']}={name}" for f in fields) if fields and query else path

    def body(self, name="swift-newt"):
        if self.body_schema is None:
            return None
        values = {key: example({"schema": value}) for key, value in self.body_schema["properties"].items()
                  if key in self.body_schema["required"]}
        for key in ("path", "tool"):
            if key in values:
                values[key] = name if key == "path" else "read"
        return values | ({"args": {"path": name}} if "tool" in values else {})

    def __repr__(self):
        return self.id


def operations(document):
    return [Operation(path, method, data) for path, methods in document["paths"].items()
            for method, data in methods.items()]


def test_the_document_is_openapi(document):
    assert document["openapi"] == "3.1.0" and set(document["info"]) >= {"title", "version"}
    ids = [op.id for op in operations(document)]
    assert len(ids) == len(set(ids)) and len(ids) >= 30
    for op in operations(document):
        named = re.findall(r"{(\w+)}", op.template)
        fields = [f for f in op.data["parameters"] if f["in"] == "path"]
        assert [f["name"] for f in fields] == named and all(f["required"] for f in fields), op
        assert op.data["summary"].endswith(".") and op.data["tags"], op
        assert {"200", "101"} & set(op.data["responses"]) and "default" in op.data["responses"], op
        for field in op.data["parameters"]:
            assert field["description"] and field["schema"]["type"] in ("string", "integer", "boolean"), op
        for answer in op.data["responses"].values():
            for media in answer.get("content", {}).values():
                jsonschema.Draft202012Validator.check_schema(media.get("schema", {}))
        if op.body_schema:
            jsonschema.Draft202012Validator.check_schema(op.body_schema)
    references = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(document)))
    assert references == {"#/components/schemas/Failure"}


def test_the_page_names_every_route(document):
    page = (ROOT / "docs/API.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", page, re.M))
    assert named == {f"{op.method} {op.template}" for op in operations(document)}


def test_no_table_of_routes_is_left_out(document):
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src/gateway").glob("*.c")}
    tables = {name: text[text.index(f"{name}[] = {{"):] for text in sources.values()
              for name in re.findall(r"^const struct http_route (\w+)\[\] = {", text, re.M)}
    listed = set(re.findall(r"^\t(\w+),$", sources[ROOT / "src/gateway/routes.c"], re.M)) - {"NULL"}
    assert set(tables) == listed
    rows = {re.sub(r"{\w+}", "{}", pattern) for text in tables.values()
            for pattern in re.findall(r'(?:HTTP_\w+, |\.pattern = )"(/[^"]*)"', text.split("\n};")[0])}
    parts_of_pages = {"/novnc/boot.js", "/novnc/view.js", "/v1/browser/{}/json/version/"}
    assert rows - parts_of_pages == {re.sub(r"{\w+}", "{}", path) for path in document["paths"]}


def validate(document, op, answer):
    """Is this answer one that the document tells of?"""
    responses = op.data["responses"]
    described = responses.get(str(answer.status), responses["default"] if answer.status >= 400 else None)
    assert described is not None, f"{op}: {answer}"
    media = answer.headers["content-type"].split(";")[0]
    assert media in described["content"], f"{op}: {answer}"
    schema = described["content"][media].get("schema")
    if schema is not None:
        jsonschema.validate(answer.json, {**schema, "components": document["components"]},
                            cls=jsonschema.Draft202012Validator)


def mcp_hello(front, **headers):
    return front.request("POST", "/mcp", {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}, headers=headers)


def provoke_mcp(front, op, status):
    """The same of /mcp, where most depends on a session."""
    session = {"Mcp-Session-Id": mcp_hello(front).headers["mcp-session-id"]}
    if status == 200 and op.method == "POST":
        return mcp_hello(front)
    if status == 200 and op.method == "GET":
        with Stream(front, headers=session, path="/mcp") as stream:
            return stream
    if status == 200:
        return front.request(op.method, op.path(), headers=session)
    if status == 404:
        return front.request(op.method, op.path(), op.body(), headers={"Mcp-Session-Id": "missing"})
    assert status == 400 and op.method == "POST"
    return front.request("POST", "/mcp", op.body(), headers={
        **session, "MCP-Protocol-Version": "2025-03-26"})


UPGRADE = {"Connection": "Upgrade", "Upgrade": "creel-frames, creel-mcp, websocket"}  # what any route asks for


def provoke(front, op, status):
    """An answer with this status from this route."""
    def send(*args, headers=None, **kwargs):
        return front.request(*args, headers=(UPGRADE if "101" in op.data["responses"] else {}) | (headers or {}),
                             **kwargs)
    if status == 101:
        with front.connect() as connection:
            return Answer(*connection.send(request(op.method, op.path(), op.body(), headers=UPGRADE)).head(), b"")
    if status == 426:
        return send(op.method, op.path(), op.body(), headers={"Connection": None})
    if op.path() == "/mcp" and status in (200, 400, 404):
        return provoke_mcp(front, op, status)
    if status == 200 and op.id == "watchEvents":
        with Stream(front) as stream:
            return stream
    if status == 200:
        return send(op.method, op.path(), op.body())
    if status == 400 and op.body_schema:
        return send(op.method, op.path(), b"[]")
    if status == 400:
        query = [f["name"] for f in op.data["parameters"] if f["in"] == "query"] + ["x"]
        return send(op.method, f"{op.path(query=False)}?{query[0]}=%ff")
    if status == 401:
        return send(op.method, op.path(), op.body(), token="wrong")
    if status == 403:
        return send(op.method, op.path(), op.body(), headers={"Origin": "http://evil.example"})
    if status == 404:
        return send(op.method, op.path("missing"), op.body("missing"))
    if status == 413:
        with front.connect() as connection:
            return connection.send(
                f"{op.method} {op.path()} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\n"
                "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n").answer()
    assert status == 415
    return send(op.method, op.path(), op.body() or {}, headers={"Content-Type": "text/plain"})


def test_every_documented_status_of_every_route(front, document):
    for op in operations(document):
        for status in op.data["responses"]:
            # There is no browser behind the fake; test_gateway_browser.py has a real one.
            if status == "default" or op.data["tags"] == ["browser"]:
                continue
            answer = provoke(front, op, int(status))
            assert answer.status == int(status), f"{op} {status}: {answer}"
            if answer.status != 101 and not isinstance(answer, Stream):
                validate(document, op, answer)


def test_every_route_names_its_methods(front, document):
    for path in document["paths"]:
        filled = re.sub(r"{\w+}", "x", path)
        answer = front.request("OPTIONS", filled)
        assert answer.status == 405 and answer.error["type"] == "method_not_allowed"
        allowed = {m.lower() for m in answer.headers["allow"].split(", ")} - {"head"}
        assert allowed >= set(document["paths"][path])


def test_every_route_needs_a_token_unless_it_says_so(front, document):
    for op in operations(document):
        status = front.request(op.method, op.path(), op.body(), token=None).status
        assert (status == 401) == ("security" not in op.data), op


def test_what_the_document_refuses_is_refused(front, document):
    """A field of the wrong type, in each body that says so."""
    for op in operations(document):
        for name in (op.body_schema or {"properties": {}})["properties"]:
            if name == "args" or op.id == "mcpSend":  # answered as JSON-RPC answers
                continue
            answer = front.request(op.method, op.path(), {**op.body(), name: [1]}, headers=UPGRADE)
            assert answer.status == 400 and answer.error["message"].startswith(name), f"{op} {name}"


# --- processes, metrics ---


# --- other protocols ---


def test_a_connection_goes_on_in_another_protocol(front):
    with front.connect() as connection:
        connection.send(request("POST", "/v1/exec", {}, headers=UPGRADE) + b"\0early frames")
        assert connection.head() == (101, {"connection": "Upgrade", "upgrade": "creel-frames"})
        assert connection.take(13) == b"\0early frames" and connection.is_closed()


@pytest.mark.parametrize("headers", [{}, {"Upgrade": "creel-frames"}, {"Connection": "Upgrade"},
                                     {"Connection": "Upgrade", "Upgrade": "websocket"}])
def test_who_asks_for_no_upgrade(front, headers):
    with front.connect() as connection:
        answer = connection.request("POST", "/v1/exec", {}, headers=headers)
        assert answer.status == 426 and answer.headers["upgrade"] == "creel-frames"


@pytest.mark.parametrize("method,path,body,args", [
    ("GET", "/v1/processes", None, {"action": "list"}),
    ("GET", "/v1/processes/swift-newt/output?offset=7&limit=10", None,
     {"action": "raw.output", "sessionId": "swift-newt", "offset": 7, "limit": 10}),
    ("POST", "/v1/processes/swift-newt/stdin", {"dataBase64": "YQ==", "eof": True},
     {"action": "raw.stdin", "sessionId": "swift-newt", "dataBase64": "YQ==", "eof": True}),
    ("DELETE", "/v1/processes/swift-newt", None, {"action": "remove", "sessionId": "swift-newt"}),
])
def test_processes_are_the_process_tool(front, method, path, body, args):
    assert front.request(method, path, body).result["details"] == {"tool": "process", "args": args}


def test_metrics(front):
    answer = front.request("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.body.decode().splitlines()
    assert "creel_fake 1" in lines
    kinds = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE ")}
    for line in lines:
        if not line.startswith("#"):
            match = re.fullmatch(r'(\w+)(\{\w+="[^"]*"\})? \d+', line)
            assert match and match[1] in kinds, line
            assert (kinds[match[1]] == "counter") == match[1].endswith("_total")


# --- events ---


class Stream(EventStream):
    """What /v1/events tells."""

    def __init__(self, front, token=ADMIN, headers=None, path="/v1/events"):
        super().__init__(front.connect(), request("GET", path, None, token, headers))

    def event(self):
        while True:
            block = self.block()
            if block.startswith("id: "):
                fields = dict(line.split(": ", 1) for line in block.splitlines())
                return int(fields["id"]), fields["event"], json.loads(fields["data"])


def happen(front, text):
    assert front.request("POST", "/v1/sessions/main/directives", {"text": text}).status == 200


def test_events_as_they_happen(front):
    with Stream(front) as stream, Stream(front) as other:
        assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream"
        assert stream.block() == other.block() == "retry: 1000"
        happen(front, "one\nline")
        first, kind, event = stream.event()
        assert kind == "session.directive" and event == {"session": "main", "text": "one\nline"}
        happen(front, "two")
        assert stream.event() == (first + 1, kind, {"session": "main", "text": "two"})
        assert [other.event()[0] for _ in range(2)] == [first, first + 1]


def test_a_heartbeat_shows_that_the_stream_lives(front):
    with Stream(front) as stream:
        assert stream.block().startswith("retry")
        assert [stream.block() for _ in range(3)] == [": still here"] * 3


def test_who_comes_back_misses_nothing(front):
    with Stream(front) as stream:
        happen(front, "seen")
        last, _, _ = stream.event()
    for text in ("missed 1", "missed 2"):
        happen(front, text)
    for more in ({"headers": {"Last-Event-ID": str(last)}}, {"path": f"/v1/events?after={last}"}):
        with Stream(front, **more) as stream:
            assert [stream.event()[2]["text"] for _ in range(2)] == ["missed 1", "missed 2"]


def test_who_was_away_too_long_gets_what_is_kept(front):
    with front.connect() as connection:
        connection.send(b"".join(request("POST", "/v1/sessions/main/directives", {"text": str(i)})
                                 for i in range(1100)))
        assert all(connection.answer().status == 200 for _ in range(1100))
    with Stream(front, headers={"Last-Event-ID": "0"}) as stream:
        assert [stream.event()[2]["text"] for _ in range(1024)] == [str(i) for i in range(76, 1100)]


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "99999999999999999999"])
def test_an_id_that_is_none(front, value):
    answer = front.request("GET", "/v1/events", headers={"Last-Event-ID": value})
    assert answer.status == 400 and answer.error["type"] == "invalid_request"


def test_events_need_a_token(front):
    assert Stream(front, token="wrong").status == 401
    with Stream(front, token=MAIN_ONLY) as stream:
        assert stream.status == 200


def test_a_listener_that_dies_is_forgotten(front):
    for _ in range(30):
        Stream(front).connection.close()
    happen(front, "who listens?")
    deadline = time.monotonic() + 20
    while front.metric('creel_http_connections{state="busy"}') > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_call_while_others_listen(front):
    with Stream(front) as stream:
        assert front.request("POST", "/tools/invoke", invoke("hello")).status == 200
        happen(front, "x")
        assert stream.event()[2]["text"] == "x"
