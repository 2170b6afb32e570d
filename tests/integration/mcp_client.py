# SPDX-License-Identifier: MIT
"""`creel mcp` and a client of it that says exactly what a test wants said."""

import json
import queue
import subprocess
import threading

from support import BASE_ENV

CONFIG = '{agents:{defaults:{sandbox:{mode:"all",workspaceAccess:"rw",backend:"native"}}}}'


class RpcError(Exception):
    """An answer that is an error; .error is its object."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error


class Client:
    """start() gives an id for wait(); ask() is both. Notifications are kept in .told."""

    def __init__(self, creel_bin, home, workspace, config=CONFIG, extra=(), version="2025-11-25"):
        if workspace is not None:
            path = home / "mcp-config.json"
            path.write_text(config, encoding="utf-8")
            workspace.mkdir(exist_ok=True)
            extra = ["--config", str(path), "--workspace", str(workspace), *extra]
        self.workspace, self.home = workspace, home
        # pylint: disable-next=consider-using-with
        self.proc = subprocess.Popen(
            [str(creel_bin), "mcp", *extra],
            env={**BASE_ENV, "HOME": str(home)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.next_id = 0
        self.answers, self.told = {}, []
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        if version:
            self.hello = self.ask("initialize", protocolVersion=version, capabilities={},
                                  clientInfo={"name": "test", "version": "0"})
            self.tell("notifications/initialized")

    def _read(self):
        for line in self.proc.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def send(self, data):
        self.proc.stdin.write(data)
        self.proc.stdin.flush()

    def tell(self, method, **params):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        self.send(json.dumps(message).encode() + b"\n")

    def start(self, method, **params):
        self.next_id += 1
        message = {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}
        self.send(json.dumps(message).encode() + b"\n")
        return self.next_id

    def next_message(self, timeout=60):
        """The next message of any kind; None: the server has gone."""
        message = self.lines.get(timeout=timeout)
        if message is not None and "id" not in message:
            self.told.append(message)
        return message

    def wait(self, handle):
        while handle not in self.answers:
            message = self.next_message()
            assert message is not None, self.proc.stderr.read().decode()
            if "id" in message:
                self.answers[message["id"]] = message
        answer = self.answers.pop(handle)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def ask(self, method, **params):
        return self.wait(self.start(method, **params))

    def call(self, name, **args):
        return self.ask("tools/call", name=name, arguments=args)

    def text(self, name, **args):
        result = self.call(name, **args)
        assert not result["isError"], result
        return result["content"][0]["text"]

    def fails(self, method, **params):
        """The error object of a request that must fail."""
        try:
            result = self.ask(method, **params)
        except RpcError as failed:
            return failed.error
        raise AssertionError(f"should have failed: {result}")

    def wait_told(self, method):
        """The next notification of that method, or one that was not taken yet."""
        while True:
            for i, message in enumerate(self.told):
                if message["method"] == method:
                    return self.told.pop(i)["params"]
            message = self.next_message()
            assert message is not None, self.proc.stderr.read().decode()
            if "id" in message:
                self.answers[message["id"]] = message

    def close(self):
        self.proc.stdin.close()
        assert self.proc.wait(timeout=60) == 0, self.proc.stderr.read().decode()
        assert self.proc.stderr.read() == b""
