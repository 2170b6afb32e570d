# SPDX-License-Identifier: MIT
"""MCP over Streamable HTTP, on a fake core: sessions, streams that break, requests that stand alone."""
import base64
import json
import time

import pytest

from http_front import ADMIN, MAIN_ONLY, Connection, EventStream, Front, request

MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {}}
BOTH = "application/json, text/event-stream"


@pytest.fixture
def front(tmp_path):
    running = Front(tmp_path)
    yield running
    running.stop()


def message(method, id_=1, meta=None, **params):
    if meta:
        params["_meta"] = meta
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def headers_for(method, name=None, **more):
    return {"Accept": BOTH, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method,
            **({"Mcp-Name": name} if name else {}), **more}


class Session:
    """A client that began with initialize."""

    def __init__(self, front, version="2025-11-25", token=ADMIN, path="/mcp"):
        self.front, self.token, self.path = front, token, path
        answer = front.request("POST", path, message("initialize", protocolVersion=version),
                               token=token, headers={"Accept": BOTH})
        assert answer.status == 200, answer
        assert answer.json["result"]["protocolVersion"] == version
        self.headers = {"Mcp-Session-Id": answer.headers["mcp-session-id"], "Accept": BOTH,
                        "MCP-Protocol-Version": version}
        assert len(self.headers["Mcp-Session-Id"]) == 32

    def post(self, body, **more):
        return self.front.request("POST", self.path, body, token=self.token,
                                  headers={**self.headers, **more})

    def call(self, command, id_=1, meta=None):
        return self.post(message("tools/call", id_, meta, name="exec", arguments={"command": command}))

    def open(self, command, id_=1, **more):
        """A call whose answer is read as a stream."""
        return Events(self.front, "POST", message("tools/call", id_, {"progressToken": "p"}, name="exec",
                                                  arguments={"command": command}),
                      {**self.headers, **more}, self.token)

    def listen(self, last=None):
        return Events(self.front, "GET", None,
                      {**self.headers, **({"Last-Event-ID": last} if last else {})}, self.token)


class Events(EventStream):
    """An answer in events."""

    def __init__(self, front, method, body, headers, token=ADMIN):
        super().__init__(Connection(("127.0.0.1", front.port)), request(method, "/mcp", body, token, headers))

    def next(self):
        """(id, message) of the next event that is a message; None at the end."""
        while (block := self.block()) is not None:
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            if fields.get("data"):
                return fields.get("id"), json.loads(fields["data"])
        return None


def until(what, check):
    for _ in range(500):
        if check():
            return
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")


# --- sessions ---

def test_a_session_belongs_to_its_token(front):
    session = Session(front)
    assert session.post(message("ping")).json == {"jsonrpc": "2.0", "id": 1, "result": {}}
    other = front.request("POST", "/mcp", message("ping"), token=MAIN_ONLY, headers=session.headers)
    assert other.status == 404 and other.error["type"] == "not_found"
    assert front.request("DELETE", "/mcp", token=MAIN_ONLY, headers=session.headers).status == 404
    with front.local() as local:
        assert local.request("POST", "/mcp", message("ping"), None, session.headers).status == 404
    for wrong in ("", "x", "0" * 32, session.headers["Mcp-Session-Id"].upper()):
        assert session.post(message("ping"), **{"Mcp-Session-Id": wrong}).status == 404
    assert front.request("DELETE", "/mcp", headers=session.headers).status == 200
    assert session.post(message("ping")).status == 404


def test_who_is_not_let_in_leaves_nothing(front):
    for token, headers in (("wrong", {}), (None, {}), ("wrong", {"Mcp-Session-Id": "x"})):
        for method, body in (("POST", message("initialize", protocolVersion="2025-11-25")),
                             ("GET", None), ("DELETE", None)):
            assert front.request(method, "/mcp", body, token=token, headers=headers).status == 401
    evil = front.request("POST", "/mcp", message("ping"), headers={"Origin": "http://evil.example"})
    assert evil.status == 403


def test_over_the_unix_socket(front):
    with front.local() as local:
        answer = local.request("POST", "/mcp", message("initialize", protocolVersion="2025-06-18"), None)
        session = {"Mcp-Session-Id": answer.headers["mcp-session-id"]}
        assert local.request("POST", "/mcp", message("ping"), None, session).status == 200
    with front.local() as local:
        assert local.request("POST", "/mcp", message("ping"), None, session).status == 200
    assert front.request("POST", "/mcp", message("ping"), headers=session).status == 404


def test_what_is_no_part_of_a_session(front):
    assert front.request("POST", "/mcp", message("ping")).json["result"] == {}
    for body in (message("tools/list"), b"[]", b"{", [message("initialize", protocolVersion="2025-03-26")]):
        answer = front.request("POST", "/mcp", body)
        assert answer.status == 400 and answer.json["error"]["code"] in (-32600, -32700)
        assert "mcp-session-id" not in answer.headers
    failed = front.request("POST", "/mcp", message("initialize"))
    assert "mcp-session-id" not in failed.headers and failed.json["error"]["code"] == -32602


def test_the_version_that_was_agreed_on(front):
    session = Session(front, "2025-06-18")
    assert session.post(message("ping"), **{"MCP-Protocol-Version": None}).status == 200
    for version in ("2025-03-26", "2025-11-25"):
        assert session.post(message("ping"), **{"MCP-Protocol-Version": version}).status == 400
    assert session.post(message("ping"), **{"MCP-Protocol-Version": "1999-01-01"}).status in (200, 400)


def test_notifications_and_batches(front):
    session = Session(front, "2025-03-26")
    done = session.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (done.status, done.body) == (202, b"")
    both = session.post([message("ping", 1), message("ping", 2)])
    assert [a["id"] for a in both.json] == [1, 2]
    assert session.post([{"jsonrpc": "2.0", "method": "notifications/initialized"}]).status == 202


def test_whose_tools(front):
    session = Session(front, path="/mcp?agentId=other", token=MAIN_ONLY)
    refused = session.call("echo")
    assert refused.json["result"]["isError"]
    assert refused.json["result"]["structuredContent"]["error"]["type"] == "forbidden"
    assert not Session(front, token=MAIN_ONLY).call("echo").json["result"]["isError"]


def test_what_is_accepted(front):
    session = Session(front)
    assert session.post(message("ping"), Accept="text/html").status == 406
    assert session.post(message("ping"), Accept="*/*").status == 200
    assert session.post(message("ping"), Accept="application/*;q=0.5").status == 200
    assert session.post(message("ping"), Accept=None).status == 200
    # without events there is no progress, and the answer is there all the same
    only_json = session.post(message("tools/call", 1, {"progressToken": 1}, name="exec",
                                     arguments={"command": "tell 1"}), Accept="application/json")
    assert only_json.json["result"]["content"][0]["text"] == "slept"
    with session.open("echo", Accept="text/event-stream") as events:
        assert events.next()[1]["result"]["content"][0]["text"] == "echo"
        assert events.next() is None
    assert front.request("GET", "/mcp", headers={**session.headers, "Accept": "application/json"}).status == 406


def test_cancelled_in_another_request(front):
    session = Session(front)
    with session.open("tell 60000", 7) as events:
        assert events.next()[1]["params"]["message"] == "up\n"
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        assert session.post(cancelled).status == 202
        assert events.next() is None
    assert front.state()["aborted"] == 1 and front.state()["running"] == 0


# --- streams ---

def test_progress_and_then_the_answer(front):
    with Session(front).open("tell 1") as events:
        assert events.headers["content-type"] == "text/event-stream"
        assert events.headers["x-accel-buffering"] == "no"
        first, told = events.next()
        assert told["method"] == "notifications/progress"
        second, answer = events.next()
        assert answer["result"]["content"][0]["text"] == "slept"
        assert (first, second) == ("2-1", "2-2")
        assert events.next() is None


def test_a_connection_that_breaks_is_taken_up_again(front):
    session = Session(front)
    with session.open("tell 300") as events:
        assert events.block() == "id: 2-0\ndata: "
        last, _ = events.next()
    assert front.state()["running"] == 1
    with session.listen(last) as events:
        assert events.next()[1]["result"]["content"][0]["text"] == "slept"
        assert events.next() is None
    # from its beginning, after its end
    with session.listen("2-0") as events:
        assert events.next()[1]["method"] == "notifications/progress"
        assert "result" in events.next()[1]
        assert events.next() is None
    with session.listen("99-1") as events:
        assert events.next() is None
    assert front.request("GET", "/mcp", headers={**session.headers, "Last-Event-ID": "1"}).status == 400
    assert front.state()["aborted"] == 0


def test_a_session_ends_with_what_runs(front):
    session = Session(front)
    with session.open("tell 60000") as events:
        assert events.next()
        assert front.request("DELETE", "/mcp", headers=session.headers).status == 200
        assert events.next() is None
    assert front.state()["running"] == 0 and front.state()["aborted"] == 1


def test_what_the_server_says_by_itself(front):
    session = Session(front)

    def change():
        assert front.request("POST", "/v1/sessions/main/directives", {"text": "/x"}).status == 200

    with session.listen() as events:
        assert events.status == 200
        change()
        last, told = events.next()
        assert told["method"] == "notifications/tools/list_changed"
        change()
        assert events.next()[0] != last
    change()
    with session.listen(last) as events:
        # both that it has not seen
        assert [events.next()[1]["method"] for _ in range(2)] == [told["method"]] * 2
        with session.listen() as other:
            assert events.next() is None
            change()
            assert other.next()[1] == told


def test_a_large_result_in_one_event(front):
    with Session(front).open("print 6000000", Accept="text/event-stream") as events:
        assert len(events.next()[1]["result"]["content"][0]["text"]) == 6000000


def test_a_quiet_stream_shows_that_it_lives(tmp_path):
    front = Front(tmp_path, heartbeat_ms=20)
    with Session(front, "2025-06-18").open("sleep 60000") as events:
        assert events.block() == ": still here"
    session = Session(front)
    with session.open("sleep 60000") as events:
        assert events.block() == "id: 2-0\ndata: "
        assert events.block() == ": still here"
    front.stop()


def test_as_many_sessions_as_there_may_be(front):
    first = Session(front)
    with front.connect() as connection:
        for _ in range(1100):
            answer = connection.request("POST", "/mcp", message("initialize", protocolVersion="2025-11-25"))
            assert answer.status == 200
    assert first.post(message("ping")).status == 404
    assert front.memory() < 64 * 1024 * 1024


# --- requests that stand alone ---

def modern(front, method, called=None, headers=None, **params):
    return front.request("POST", "/mcp", message(method, 1, MODERN, **params),
                         headers=headers or headers_for(method, called))


def test_without_a_session(front):
    found = modern(front, "server/discover")
    assert found.json["result"]["supportedVersions"][0] == "2026-07-28"
    assert "mcp-session-id" not in found.headers
    called = modern(front, "tools/call", "exec", name="exec", arguments={"command": "echo"})
    assert called.json["result"]["resultType"] == "complete"
    encoded = "=?base64?" + base64.b64encode(b"exec").decode() + "?="
    called = modern(front, "tools/call", encoded, name="exec", arguments={"command": "echo"})
    assert called.status == 200


@pytest.mark.parametrize("change,code,status", [
    ({"Mcp-Method": "tools/list"}, -32020, 400), ({"Mcp-Method": None}, -32020, 400),
    ({"Mcp-Name": "read"}, -32020, 400), ({"Mcp-Name": None}, -32020, 400),
    ({"Mcp-Name": "=?base64?ZXhlYw?="}, -32020, 400), ({"Mcp-Name": "=?base64??="}, -32020, 400),
    ({"MCP-Protocol-Version": None}, -32020, 400),
    ({"MCP-Protocol-Version": "2025-11-25"}, -32020, 400),
])
def test_headers_that_say_something_else(front, change, code, status):
    answer = modern(front, "tools/call", name="exec", arguments={"command": "echo"},
                    headers={**headers_for("tools/call", "exec"), **change})
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


def test_what_a_request_alone_cannot_have(front):
    assert modern(front, "ping").status == 404
    meta = {**MODERN, "io.modelcontextprotocol/protocolVersion": "1900-01-01"}
    old = front.request("POST", "/mcp", message("tools/list", 1, meta),
                        headers=headers_for("tools/list", **{"MCP-Protocol-Version": "1900-01-01"}))
    assert (old.status, old.json["error"]["code"]) == (400, -32022)
    bare = front.request("POST", "/mcp", message("tools/list"), headers=headers_for("tools/list"))
    assert bare.status == 400
    answer = front.request("GET", "/mcp", headers=headers_for("x"))
    assert answer.status == 405 and answer.headers["allow"] == "POST"


def test_its_connection_is_its_life(front):
    body = message("tools/call", 1, {**MODERN, "progressToken": 1}, name="exec",
                   arguments={"command": "tell 60000"})
    with Events(front, "POST", body, headers_for("tools/call", "exec")) as events:
        told = events.next()
        assert told[0] is None and told[1]["method"] == "notifications/progress"
    until("the end of the call", lambda: front.state()["aborted"] == 1)
    # also before anything was said
    body["params"]["arguments"]["command"] = "sleep 60000"
    with Connection(("127.0.0.1", front.port)) as connection:
        connection.send(request("POST", "/mcp", body, ADMIN, headers_for("tools/call", "exec")))
        until("its start", lambda: front.state()["running"] == 1)
    until("its end", lambda: front.state()["aborted"] == 2)


def test_listening(front):
    body = message("subscriptions/listen", "s", MODERN, notifications={"toolsListChanged": True})
    with Events(front, "POST", body, headers_for("subscriptions/listen")) as events:
        assert events.next()[1]["method"] == "notifications/subscriptions/acknowledged"
        assert front.request("POST", "/v1/sessions/main/directives", {"text": "/x"}).status == 200
        told = events.next()[1]
        assert told["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "s"}
        with Session(front).listen() as other:
            front.process.terminate()  # drains
            end = events.next()[1]
            assert end["id"] == "s" and end["result"]["resultType"] == "complete"
            assert events.next() is None and other.next() is None
