"""A thousand clients: what a gateway holds for them. bench/bench-http prints the figures."""
import os
import resource
from pathlib import Path

from gateway import ADMIN, Gateway
from http_front import Connection, request
from support import need

MIB = 1024 * 1024
COUNT = 1000
ALLOWED = 64 * MIB


def resident(*pids):
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") for pid in pids)


def test_a_thousand_connections_and_sessions(home):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need(hard >= 4 * COUNT, f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gateway = Gateway(home)
    gateway.sandbox["scope"] = "shared"
    gateway.write_config()
    clients = []
    try:
        gateway.start()
        status = gateway.status()
        pids = status["pid"], status["front"]["pid"]
        assert resident(*pids) <= 15 * MIB  # idle
        port = int(status["listen"].rsplit(":", 1)[1])
        gateway.call("write", path="a", content="x")
        for i in range(COUNT):
            clients.append(Connection(("127.0.0.1", port)))
            clients[-1].send(request("POST", "/tools/invoke", {
                "tool": "read", "args": {"path": "a"}, "sessionKey": f"s{i}"}, ADMIN))
            if i % 16 == 15 or i == COUNT - 1:
                for client in clients[i - i % 16:]:
                    assert client.answer().result["content"][0]["text"] == "x"
        status = gateway.status()
        assert status["sessions"] >= COUNT
        assert resident(*pids) <= ALLOWED
        # More sessions than one sandbox remembers (LIMIT_SANDBOX_SESSIONS): those that are idle make room.
        for i in [*range(COUNT, COUNT + 60), 0]:
            answer = clients[0].send(request("POST", "/tools/invoke", {
                "tool": "read", "args": {"path": "a"}, "sessionKey": f"s{i}"}, ADMIN)).answer()
            assert answer.result["content"][0]["text"] == "x"
        assert gateway.status()["front"]["pid"] == pids[1]
        # None of them was dropped.
        for client in clients[::97]:
            assert client.send(request("GET", "/healthz", token=ADMIN)).answer().status == 200
    finally:
        for client in clients:
            client.close()
        gateway.finish()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
