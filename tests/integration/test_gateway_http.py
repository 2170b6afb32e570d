"""HTTP on a real gateway: what a client can do to sandboxes, and what its death does."""
import base64
import time

import pytest

from gateway import ADMIN, Gateway, wait_for
from http_front import Connection, request

TOKENS = [{"name": "admin", "token": ADMIN, "admin": True},
          {"name": "other", "token": "other", "agents": ["other"]}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("home"), tokens=TOKENS)
    try:
        yield gateway.start()
    finally:
        gateway.finish()


@pytest.fixture(scope="module")
def connect(gateway):
    port = int(gateway.status()["listen"].rsplit(":", 1)[1])
    return lambda: Connection(("127.0.0.1", port))


@pytest.fixture
def connection(connect):
    with connect() as connection:
        yield connection


def tool(name, session="main", **args):
    return request("POST", "/tools/invoke", {"tool": name, "args": args, "sessionKey": session}, ADMIN)


def run(connection, command, **args):
    return connection.send(tool("exec", command=command, **args)).answer().result


def test_a_kept_alive_connection(connection):
    for i in range(20):
        assert run(connection, f"echo {i}")["content"][0]["text"] == str(i)


def test_many_connections_at_once(connect):
    clients = [connect() for _ in range(32)]
    for i, client in enumerate(clients):
        client.send(tool("exec", command=f"sleep 0.1; echo {i}"))
    for i, client in enumerate(clients):
        assert client.answer().result["content"][0]["text"] == str(i)
        client.close()


def count(connection, name):
    """Processes in the sandbox whose command line says so."""
    return int(run(connection, f"cat /proc/[0-9]*/comm 2>/dev/null | grep -cx {name} || true")["content"][0]["text"])


def test_a_client_that_dies_ends_its_command_and_all_below_it(connection, connect):
    run(connection, "cp /bin/sleep dying")
    client = connect().send(tool("exec", command="(setsid ./dying 1000 &) ; ./dying 1000", yieldMs=600000))
    wait_for(lambda: count(connection, "dying") == 2, "the command")
    client.close()
    wait_for(lambda: count(connection, "dying") == 0, "its end")


def test_what_is_in_the_background_outlives_its_client(connection, connect):
    run(connection, "cp /bin/sleep staying")
    with connect() as client:
        details = client.send(tool("exec", command="exec ./staying 1000", background=True)).answer().result["details"]
    wait_for(lambda: count(connection, "staying") == 1, "its program")
    answer = connection.request("DELETE", f"/v1/processes/{details['sessionId']}", token=ADMIN)
    assert answer.status == 200
    wait_for(lambda: count(connection, "staying") == 0, "its end")


def background(connection, command, **args):
    return run(connection, command, background=True, **args)["details"]["sessionId"]


def output(connection, name, offset=0, **more):
    query = "&".join(f"{key}={value}" for key, value in {"offset": offset, **more}.items())
    details = connection.request("GET", f"/v1/processes/{name}/output?{query}", token=ADMIN).result["details"]
    return base64.b64decode(details["dataBase64"]), details


def test_output_by_the_byte(connection):
    name = background(connection, "printf 'a\\0b\\377'; cat; exit 7")
    wait_for(lambda: output(connection, name)[0] == b"a\0b\xff", "the first bytes")
    assert output(connection, name, 1, limit=2)[0] == b"\0b"
    data, details = output(connection, name, 99)
    assert data == b"" and (details["offset"], details["next"], details["end"]) == (4, 4, 4)
    assert details["running"] and details["lost"] == 0
    body = {"dataBase64": base64.b64encode(b"\x00more\n").decode(), "eof": True}
    assert connection.request("POST", f"/v1/processes/{name}/stdin", body, ADMIN).result["details"]["bytes"] == 6
    wait_for(lambda: not output(connection, name)[1]["running"], "its end")
    data, details = output(connection, name, 4)
    assert data == b"\x00more\n" and details["exitCode"] == 7
    assert output(connection, name, 4)[0] == data  # again
    answer = connection.request("POST", f"/v1/processes/{name}/stdin", body, ADMIN)
    assert answer.status == 404 and "has ended" in answer.error["message"]


def test_output_that_is_kept_no_more(connection):
    name = background(connection, "head -c 3000000 /dev/zero | tr '\\0' x; printf end")
    wait_for(lambda: not output(connection, name)[1]["running"], "its end")
    data, details = output(connection, name, 10)
    assert details["end"] == 3000003 and details["lost"] == details["offset"] - 10 > 0
    assert data and set(data) == {ord("x")}
    assert output(connection, name, 3000000)[0] == b"end"


def test_signals_and_sizes(connection):
    name = background(connection, "trap 'echo usr1' USR1; trap 'stty size' WINCH; echo ready; "
                                  "while :; do sleep 0.05; done", pty=True)
    def said(text):
        return lambda: text in output(connection, name)[0]
    wait_for(said(b"ready"), "the start")
    assert connection.request("POST", f"/v1/processes/{name}/signal", {"signal": "USR1"}, ADMIN).status == 200
    wait_for(said(b"usr1"), "the signal")
    assert connection.request("POST", f"/v1/processes/{name}/resize", {"rows": 31, "columns": 77}, ADMIN).status == 200
    wait_for(said(b"31 77"), "the size")
    assert connection.request("POST", f"/v1/processes/{name}/signal", {"signal": "SIGKILL", "tree": True},
                              ADMIN).status == 200
    wait_for(lambda: not output(connection, name)[1]["running"], "its end")
    assert output(connection, name)[1]["exitSignal"] == "SIGKILL"


@pytest.mark.parametrize("path,body,status", [
    ("nobody/signal", {"signal": "TERM"}, 404),
    ("nobody/stdin", {"dataBase64": ""}, 404),
    ("{}/signal", {"signal": "NOTHING"}, 400),
    ("{}/stdin", {"dataBase64": "?"}, 400),
    ("{}/resize", {"rows": 0, "columns": 80}, 400),
    ("{}/resize", {"rows": 24, "columns": 99999}, 400),
    ("{}/resize", {"rows": 24, "columns": 80}, 400),  # it has no terminal
])
def test_processes_refuse(connection, path, body, status):
    name = background(connection, "exec sleep 1000")
    answer = connection.request("POST", f"/v1/processes/{path.format(name)}", body, ADMIN)
    assert answer.status == status and answer.error
    assert connection.request("DELETE", f"/v1/processes/{name}", token=ADMIN).status == 200


def test_a_session_sees_its_own_processes_alone(connection):
    name = background(connection, "exec sleep 1000")
    listed = connection.request("GET", "/v1/processes", token=ADMIN).result["content"][0]["text"]
    assert name in listed
    elsewhere = connection.request("GET", f"/v1/processes/{name}/output?sessionKey=elsewhere", token=ADMIN)
    assert elsewhere.status == 404
    assert connection.request("DELETE", f"/v1/processes/{name}", token=ADMIN).status == 200


def test_files(connection):
    def send(method, path, body=None):
        return connection.request(method, path, body, ADMIN)
    assert send("PUT", "/v1/files", {"path": "d/a b.txt", "content": "one\ntwo\n"}).status == 200
    assert send("GET", "/v1/files?path=d%2Fa+b.txt&offset=2").result["content"][0]["text"].startswith("two")
    assert send("POST", "/v1/files/edit", {"path": "d/a b.txt", "oldText": "two", "newText": "2"}).status == 200
    patch = "*** Begin Patch\n*** Add File: d/new\n+\u00e9\n*** End Patch"
    assert send("POST", "/v1/files/patch", {"input": patch}).status == 200
    raw = send("GET", "/v1/files/raw?path=d/new&offset=1").result["details"]
    assert (raw["size"], raw["bytes"], raw["encoding"], base64.b64decode(raw["data"])) == (3, 2, "base64", b"\xa9\n")
    assert "new" in send("GET", "/v1/files/ls?path=d").result["content"][0]["text"]
    assert "d/a b.txt" in send("GET", "/v1/files/glob?pattern=**/*.txt").result["content"][0]["text"]
    assert "one" in send("GET", "/v1/files/grep?pattern=o%5Bn%5De").result["content"][0]["text"]
    assert send("GET", "/v1/files?path=d/none").status == 404
    assert send("GET", "/v1/files/ls?path=none").status == 404
    assert send("POST", "/v1/files/edit", {"path": "d/new", "oldText": "zzz", "newText": ""}).status == 404
    answer = send("PUT", "/v1/files", {"path": "d", "content": "no file"})
    assert answer.status == 400 and answer.error["type"] == "failed"
    assert send("POST", "/v1/files/patch", {"input": "nonsense"}).status == 400


def test_a_body_of_16_mib_becomes_a_file(connection):
    body = {"path": "big", "content": "x" * (16 * 1024 * 1024 - 200)}
    assert connection.request("PUT", "/v1/files", body, ADMIN).status == 200
    assert run(connection, "wc -c <big; rm big")["content"][0]["text"] == str(len(body["content"]))


def test_a_token_for_another_agent(connection):
    for path in ("/v1/files/ls", "/v1/processes", "/v1/explain", "/v1/tools", "/v1/sessions/agent%3Amain%3Amain"):
        answer = connection.request("GET", path + ("?agentId=main" if "sessions" not in path else ""), token="other")
        assert answer.status == 403 and answer.error["type"] == "forbidden", path
    answer = connection.request("POST", "/tools/invoke", {"tool": "exec", "args": {"command": "true"},
                                                          "sessionKey": "agent:main:main"}, "other")
    assert answer.status == 403


def test_only_administrators(connection):
    for method, path in (("GET", "/v1/status"), ("POST", "/v1/config/reload"), ("GET", "/v1/approvals")):
        assert connection.request(method, path, token="other").status == 403
        assert connection.request(method, path, token=ADMIN).status == 200


def test_a_tool_that_policy_denies(connection):
    answer = connection.request("POST", "/tools/invoke", {"tool": "browser", "args": {}}, ADMIN)
    assert answer.status == 404 and answer.error["type"] in ("denied", "not_found")


def test_events_of_calls(connect):
    with connect() as listener, connect() as caller:
        assert listener.send(request("GET", "/v1/events", token=ADMIN)).head()[0] == 200
        run(caller, "true")
        text = b""
        deadline = time.monotonic() + 20
        while b"event: call.ended" not in text:
            assert time.monotonic() < deadline
            text += listener.chunk()
        last = [line for line in text.decode().splitlines() if line.startswith("id: ")][-1]
        run(caller, "true")
    with connect() as again:
        again.send(request("GET", "/v1/events", token=ADMIN, headers={"Last-Event-ID": last.removeprefix("id: ")}))
        assert again.head()[0] == 200
        text = b""
        while b"event: call.ended" not in text:
            text += again.chunk()
        assert int(text.split(b"\nid: ")[1].split()[0]) == int(last.removeprefix("id: ")) + 1


def test_a_client_that_never_reads_stops_nobody(connection, connect):
    with connect() as lazy:
        run(connection, "head -c 400000 /dev/zero | tr '\\0' x >text")
        lazy.send(tool("read", path="text", raw=True) * 200)
        for _ in range(20):
            assert run(connection, "echo hello")["content"][0]["text"] == "hello"
