"""HTTP as it should not be: every malformed request gets its status, and nobody else notices."""
import json
import time

import pytest

from http_front import MAIN_ONLY, Front, invoke, request


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    server = Front(tmp_path_factory.mktemp("front"))
    yield server
    server.stop()


HOST = "Host: localhost\r\n"
AUTH = "Authorization: Bearer admin\r\n"
JSON = "Content-Type: application/json\r\n"
POST = f"POST /tools/invoke HTTP/1.1\r\n{HOST}{AUTH}{JSON}"


MALFORMED = [
    (400, "nonsense\r\n\r\n"),
    (400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    (400, f"GET /healthz\r\n{HOST}\r\n"),
    (400, f"GET  /healthz HTTP/1.1\r\n{HOST}\r\n"),
    (400, f"GET http://localhost/healthz HTTP/1.1\r\n{HOST}\r\n"),
    (400, f"CONNECT localhost:22 HTTP/1.1\r\n{HOST}\r\n"),
    (505, f"GET /healthz HTTP/3.0\r\n{HOST}\r\n"),
    (501, f"BREW /healthz HTTP/1.1\r\n{HOST}\r\n"),
    (501, f"{POST}Transfer-Encoding: gzip\r\n\r\n"),
    (400, "GET /healthz HTTP/1.1\nHost: localhost\n\n"),
    (400, f"GET /healthz HTTP/1.1\r\n{HOST}\n"),
    (400, "GET /healthz HTTP/1.1\r\n\r\n"),
    (400, f"GET /healthz HTTP/1.1\r\n{HOST}{HOST}\r\n"),
    (400, f"GET /healthz HTTP/1.1\r\n{HOST}X: 1\r\n folded\r\n\r\n"),
    (400, f"GET /healthz HTTP/1.1\r\n{HOST}Content-Length : 5\r\n\r\n"),
    (400, f"{POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
    (400, f"{POST}Content-Length: 2, 2\r\n\r\n{{}}"),
    (400, f"{POST}Content-Length: -2\r\n\r\n{{}}"),
    (400, f"{POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, f"{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    (400, f"{POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}x"),
    (400, f"{POST}Transfer-Encoding: chunked\r\n\r\n2\n{{}}\r\n0\r\n\r\n"),
    (400, f"{POST}Transfer-Encoding: chunked\r\n\r\n2;{'x' * 9000}"),
    (413, f"{POST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n" + "x" * 17 * 1024 * 1024),
    (413, f"{POST}Content-Length: {16 * 1024 * 1024 + 1}\r\n\r\n"),
    (413, f"{POST}Content-Length: 99999999999999999999999\r\n\r\n"),
    (431, "GET /" + "x" * 17000),
    (431, f"GET / HTTP/1.1\r\n{HOST}X: " + "x" * 17000 + "\r\n\r\n"),
    (431, f"GET / HTTP/1.1\r\n{HOST}" + "".join(f"X-{i}: 1\r\n" for i in range(70)) + "\r\n"),
    (400, f"GET /v1/status HTTP/1.1\r\n{HOST}{AUTH}Content-Length: 2\r\n\r\n{{}}"),
    (417, f"{POST}Expect: tea\r\nContent-Length: 2\r\n\r\n{{}}"),
]


@pytest.mark.parametrize("status,data", MALFORMED, ids=[f"{i}-{row[0]}" for i, row in enumerate(MALFORMED)])
def test_malformed_requests(front, status, data):
    with front.connect() as connection:
        try:
            connection.send(data.encode("latin-1"))
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was there
        answer = connection.answer()
        assert answer.status == status and answer.error
        assert answer.headers["connection"] == "close"
        assert connection.is_closed()
    assert front.request("GET", "/healthz").json == {"status": "ok"}


def test_what_hides_in_a_body_is_no_request(front):
    hidden = request("GET", "/v1/status")
    with front.connect() as connection:
        answer = connection.send(request("POST", "/tools/invoke", hidden)).answer()
        assert answer.status == 400 and "no JSON" in answer.error["message"]
        assert connection.request("GET", "/healthz").status == 200


def test_requests_in_a_row_are_answered_in_order(front):
    with front.connect() as connection:
        connection.send(b"".join(request("POST", "/tools/invoke", invoke(f"sleep {ms}" if ms else "now", n=ms))
                                 for ms in (30, 0, 10, 0)))
        texts = [connection.answer().result["content"][0]["text"] for _ in range(4)]
        assert texts == ["slept", "now", "slept", "now"]


def test_many_pipelined_requests(front):
    with front.connect() as connection:
        for _ in range(3):
            connection.send(request("GET", "/healthz") * 500)
            assert all(connection.answer().status == 200 for _ in range(500))


def test_a_request_byte_by_byte(front):
    with front.connect() as connection:
        for byte in request("POST", "/tools/invoke", invoke("hello")):
            connection.send(bytes([byte]))
        assert connection.answer().result["content"] == [{"type": "text", "text": "hello"}]


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_chunked_body(front, step):
    body = json.dumps(invoke("x" * 1500)).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + step]), body[i:i + step])
                      for i in range(0, len(body), step))
    with front.connect() as connection:
        connection.send(f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n")
        assert connection.answer().result["content"][0]["text"] == "x" * 1500
        assert connection.request("GET", "/healthz").status == 200


def test_expect_continue(front):
    body = json.dumps(invoke("hello")).encode()
    with front.connect() as connection:
        connection.send(f"{POST}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n")
        assert connection.head() == (100, {})
        assert connection.send(body).answer().result["content"][0]["text"] == "hello"


def test_expect_continue_is_not_sent_to_whom_is_refused(front):
    with front.connect() as connection:
        connection.send(f"POST /tools/invoke HTTP/1.1\r\n{HOST}{JSON}Expect: 100-continue\r\n"
                        "Content-Length: 20\r\n\r\n")
        assert connection.head()[0] == 401


def test_http_1_0_closes(front):
    with front.connect() as connection:
        answer = connection.send("GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert connection.is_closed()


def test_connection_close_is_obeyed(front):
    with front.connect() as connection:
        answer = connection.request("GET", "/healthz", headers={"Connection": "close"})
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert connection.is_closed()


def test_head_has_no_body(front):
    with front.connect() as connection:
        head = connection.request("HEAD", "/healthz")
        assert head.status == 200 and head.headers["content-length"] == "15" and head.body == b""
        assert connection.request("GET", "/healthz").json == {"status": "ok"}


def test_every_answer_says_that_it_is_not_to_be_kept_or_guessed(front):
    for path in ("/healthz", "/nothing", "/v1/status"):
        headers = front.request("GET", path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["date"].endswith(" GMT")


# --- who asks ---


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"},
    {"Host": "evil.example:18790"},
    {"Host": "localhost.evil.example"},
    {"Host": "localhost", "Origin": "http://evil.example"},
    {"Host": "localhost", "Origin": "null"},
    {"Host": "localhost", "Origin": "http://localhost:8080"},
    {"Host": "localhost", "Sec-Fetch-Site": "cross-site"},
    {"Host": "localhost", "Sec-Fetch-Site": "same-site"},
])
@pytest.mark.parametrize("path", ["/healthz", "/v1/status", "/openapi.json", "/nothing"])
def test_pages_of_other_sites_are_refused(front, headers, path):
    answer = front.request("GET", path, headers=headers)
    assert answer.status == 403 and answer.error["type"] == "forbidden"
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [
    {"Host": "localhost:18790", "Origin": "http://localhost:18790"},
    {"Host": "127.0.0.1", "Sec-Fetch-Site": "same-origin"},
    {"Host": "[::1]:18790", "Sec-Fetch-Site": "none"},
    {"Host": "gateway.test:18790"},
])
def test_its_own_pages_are_not(front, headers):
    assert front.request("GET", "/v1/status", headers=headers).status == 200


def test_a_preflight_is_not_answered(front):
    answer = front.request("OPTIONS", "/tools/invoke", token=None,
                           headers={"Access-Control-Request-Method": "POST"})
    assert answer.status == 405 and answer.headers["allow"] == "POST"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded",
                                          "application/jsonx", "multipart/form-data; boundary=x"])
def test_what_a_form_can_send_is_not_json(front, content_type):
    answer = front.request("POST", "/tools/invoke", invoke("hello"), headers={"Content-Type": content_type})
    assert answer.status == 415 and answer.error["type"] == "unsupported_media_type"


def test_json_with_a_charset(front):
    answer = front.request("POST", "/tools/invoke", invoke("hello"),
                           headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status == 200


@pytest.mark.parametrize("authorization", [None, "Basic YWRtaW46", "Bearer", "Bearer ", "bearer wrong", "admin"])
def test_without_a_good_token(front, authorization):
    answer = front.request("POST", "/tools/invoke", invoke("hello"), token=None,
                           headers={"Authorization": authorization})
    assert answer.status == 401 and answer.error["type"] == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_scheme_in_any_case(front):
    assert front.request("GET", "/v1/status", token=None,
                         headers={"Authorization": "bEARER   admin"}).status == 200


def test_a_token_for_another_agent(front):
    for extra in ({"agentId": "other"}, {"sessionKey": "agent:other:main"}):
        answer = front.request("POST", "/tools/invoke", invoke("hello", **extra), token=MAIN_ONLY)
        assert answer.status == 403 and answer.error["type"] == "forbidden"
    assert front.request("POST", "/tools/invoke", invoke("hello", agentId="main"), token=MAIN_ONLY).status == 200
    assert front.request("GET", "/v1/sessions/agent:other:main", token=MAIN_ONLY).status == 403


def test_the_unix_socket_needs_no_token(front):
    with front.local() as connection:
        assert connection.request("GET", "/v1/status", token=None, headers={"Host": "anything"}).status == 200
        assert connection.request("GET", "/v1/status", token="wrong").status == 401


# --- clients that die ---


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_dies_aborts_its_call(front):
    before = front.state()["aborted"]
    connection = front.connect().send(request("POST", "/tools/invoke", invoke("sleep 600000")))
    wait_for(lambda: front.state()["running"] == 1)
    connection.close()
    wait_for(lambda: front.state() | {"asked": 0} == {"running": 0, "aborted": before + 1, "asked": 0})


def test_a_client_that_dies_while_the_broker_is_asked(front):
    for _ in range(50):
        front.connect().send(request("GET", "/v1/explain")).close()
    wait_for(lambda: front.state()["asked"] == 0)


def test_a_client_that_dies_in_its_body(front):
    for _ in range(50):
        front.connect().send(f"{POST}Content-Length: 60000\r\n\r\n" + "x" * 50000).close()
    wait_for(lambda: front.metric("creel_http_body_bytes") == 0)


def test_a_large_answer_arrives_whole(front):
    with front.connect() as connection:
        size = 30 * 1024 * 1024
        answer = connection.request("POST", "/tools/invoke", invoke(f"print {size}"))
        assert answer.result["content"][0]["text"] == "x" * size
        assert connection.request("GET", "/healthz").status == 200


def test_a_body_of_16_mib(front):
    body = {"path": "big", "content": "x" * (16 * 1024 * 1024 - 100)}
    assert front.request("PUT", "/v1/files", body).result["details"]["args"] == body
    assert front.request("PUT", "/v1/files", body, token="wrong").status == 401
