"""Clients that are slow, many, greedy or gone: memory stays bounded, and the others notice nothing."""
import json
import socket
import time

import pytest

from http_front import MAIN_ONLY, Front, invoke, request


@pytest.fixture
def start(tmp_path):
    fronts = []

    def run(**limits):
        fronts.append(Front(tmp_path, **limits))
        return fronts[-1]

    yield run
    for front in fronts:
        front.stop()


@pytest.mark.parametrize("part", [b"G", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_half_a_head_gets_408(start, part):
    front = start(head_ms=100)
    with front.connect() as connection:
        answer = connection.send(part).answer()
        assert answer.status == 408 and answer.error["type"] == "timeout"
        assert connection.is_closed()


def test_a_head_that_trickles_gets_408(start):
    front = start(head_ms=300)
    with front.connect(timeout=0.02) as connection:
        connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for _ in range(1000):
            try:
                connection.send("x")
                connection.fill()
            except TimeoutError:
                continue
            break
        assert connection.buffer.startswith(b"HTTP/1.1 408 ")


def test_silence_is_closed_without_a_word(start):
    front = start(idle_ms=100)
    with front.connect() as connection:
        assert connection.is_closed()
    with front.connect() as connection:
        assert connection.request("GET", "/healthz").status == 200
        assert connection.is_closed()


def test_a_body_that_stops_gets_408(start):
    front = start(body_ms=100)
    with front.connect() as connection:
        whole = request("POST", "/tools/invoke", invoke("hello"))
        assert connection.send(whole[:-5]).answer().status == 408
        assert connection.is_closed()
    assert front.metric("creel_http_body_bytes") == 0


def test_a_call_may_take_longer_than_any_of_them(start):
    front = start(head_ms=50, idle_ms=50, body_ms=50, write_ms=50)
    assert front.request("POST", "/tools/invoke", invoke("sleep 300")).status == 200


def test_a_client_that_never_reads_is_cut(start):
    front = start(write_ms=200)
    with front.connect() as reader:
        reader.send(request("POST", "/tools/invoke", invoke("print 30000000")))
        reader.send(request("GET", "/healthz") * 1000)
        while front.metric('creel_http_connections{state="busy"}') > 1:
            time.sleep(0.02)
    assert front.request("GET", "/healthz").status == 200


def test_an_event_stream_that_nobody_reads_is_cut(start):
    front = start(write_ms=600000)
    with front.connect() as reader, front.connect() as writer:
        reader.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert reader.send(request("GET", "/v1/events")).head()[0] == 200
        text = {"text": "x" * 500000}
        for _ in range(40):
            assert writer.request("POST", "/v1/sessions/main/directives", text).status == 200
        while front.metric('creel_http_connections{state="busy"}') > 1:
            time.sleep(0.02)


def test_half_open_connections_push_out_each_other(start):
    front = start(connections=200)
    with front.connect() as steady:
        assert steady.request("GET", "/healthz").status == 200
        crowd = []
        for i in range(2000):
            crowd.append(front.connect())
            if i % 2:
                crowd[-1].send("GET /healthz HTTP/1.1\r\nHost: local")
            if i % 100 == 0:
                assert front.request("GET", "/healthz").status == 200
                assert steady.request("GET", "/healthz").status == 200
        open_now = sum(front.metric(f'creel_http_connections{{state="{state}"}}')
                       for state in ("fresh", "idle", "busy"))
        assert open_now <= 200 and front.metric("creel_http_refused_total") == 0
        for connection in crowd:
            connection.close()


def test_ten_thousand_half_open_connections_cost_little(start):
    front = start()
    before = front.memory()
    crowd = []
    try:
        for _ in range(10000):
            sock = socket.create_connection(("127.0.0.1", front.port))
            sock.send(b"POST /tools/invoke HTTP/1.1\r\nHost: localhost\r\n")
            crowd.append(sock)
            if len(crowd) > 500:  # ours, so that the test needs no more descriptors than it has
                crowd.pop(0).close()
        assert front.request("POST", "/tools/invoke", invoke("hello")).status == 200
        assert front.memory() - before < 32 * 1024 * 1024
    finally:
        for sock in crowd:
            sock.close()


def test_when_all_are_at_work_a_newcomer_is_told(start):
    front = start(connections=3)
    busy = [front.connect() for _ in range(3)]
    try:
        for connection in busy:
            # Behind an answer, so that the call is at work before anything that we do next.
            connection.send(request("GET", "/healthz") + request("POST", "/tools/invoke", invoke("sleep 600000")))
            assert connection.answer().status == 200
        with front.connect() as connection:
            answer = connection.answer()
            assert answer.status == 503 and answer.error["type"] == "busy"
            assert answer.headers["retry-after"] == "1" and connection.is_closed()
    finally:
        for connection in busy:
            connection.close()


def test_one_token_has_so_many_calls_at_work(start):
    front = start(calls=2)
    busy = [front.connect().send(request("POST", "/tools/invoke", invoke("sleep 600000"), MAIN_ONLY))
            for _ in range(2)]
    try:
        while front.state()["running"] < 2:
            time.sleep(0.01)
        answer = front.request("POST", "/tools/invoke", invoke("hello"), MAIN_ONLY)
        assert answer.status == 429 and answer.error["type"] == "busy"
        assert answer.headers["retry-after"] == "1"
        assert front.request("POST", "/tools/invoke", invoke("hello")).status == 200
    finally:
        for connection in busy:
            connection.close()


def test_large_bodies_share_a_budget(start):
    front = start(bodies=1024 * 1024)
    body = json.dumps({"path": "a", "content": "x" * 700000}).encode()
    whole = request("PUT", "/v1/files", body)
    with front.connect() as slow, front.connect() as late:
        slow.send(whole[:-10])
        while front.metric("creel_http_body_bytes") < 650000:
            time.sleep(0.01)
        answer = late.send(whole).answer()
        assert answer.status == 503 and answer.error["type"] == "busy"
        assert front.request("POST", "/tools/invoke", invoke("small")).status == 200
        assert slow.send(whole[-10:]).answer().status == 200


def test_nobody_sends_much_without_a_token(start):
    front = start()
    with front.connect() as connection:
        connection.send("PUT /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n"
                        "Content-Type: application/json\r\nContent-Length: 16000000\r\n\r\n")
        assert connection.answer().status == 401  # before any of it came


@pytest.mark.parametrize("body", [
    b"[" * 1000000, b"{\"a\":" * 1000000, b"[" + b"{}," * 1000000, b"[" + b"1," * 5000000,
], ids=["deep-lists", "deep-objects", "objects", "numbers"])
def test_json_bombs(start, body):
    front = start()
    before = front.memory()
    with front.connect() as connection:
        answer = connection.request("POST", "/tools/invoke", body)
        assert answer.status == 400 and "more than 200000 values or 64 levels" in answer.error["message"]
    assert front.memory() - before < 64 * 1024 * 1024


def test_an_idle_connection_holds_no_memory(start):
    front = start()
    front.request("GET", "/healthz")
    before = front.memory()
    crowd = [front.connect() for _ in range(400)]
    for connection in crowd:
        assert connection.request("POST", "/tools/invoke", invoke("x" * 10000)).status == 200
    assert (front.memory() - before) / 400 < 8 * 1024
    for connection in crowd:
        connection.close()


# --- the end ---


def test_draining_finishes_what_is_at_work(start):
    front = start()
    idle = front.connect()
    assert idle.request("GET", "/healthz").status == 200
    stream = front.connect().send(request("GET", "/v1/events"))
    assert stream.head()[0] == 200
    busy = front.connect().send(request("POST", "/tools/invoke", invoke("sleep 700")))
    while front.state()["running"] < 1:
        time.sleep(0.01)
    front.process.terminate()
    assert idle.is_closed()
    while stream.chunk():
        pass
    with pytest.raises(ConnectionRefusedError):
        while True:
            front.connect().close()
    answer = busy.answer()
    assert answer.status == 200 and answer.headers["connection"] == "close"
    busy.close()
    stream.close()
    assert front.process.wait(timeout=20) == 0
