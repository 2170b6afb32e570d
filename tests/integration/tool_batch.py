# SPDX-License-Identifier: MIT
"""A live sandbox with tool calls in it: `creel tool --batch`, asked and answered by line."""

import json
import queue
import subprocess
import threading

from support import BASE_ENV

CONFIG = '{agents:{defaults:{sandbox:{mode:"all",workspaceAccess:"rw",backend:"native"}}}}'


class Failed(Exception):
    """A call that ended in an error; .error is its object."""

    def __init__(self, error):
        super().__init__(error.get("message"))
        self.error = error


class Batch:
    """Calls may overlap: start() gives a handle for wait(). call() is both."""

    def __init__(self, creel_bin, home, workspace, config=CONFIG, extra=()):
        path = home / f"tool-config-{len(list(home.glob('tool-config-*')))}.json"
        path.write_text(config, encoding="utf-8")
        workspace.mkdir(exist_ok=True)
        # pylint: disable-next=consider-using-with
        self.proc = subprocess.Popen(
            [str(creel_bin), "tool", "--batch", "--config", str(path), "--workspace",
             str(workspace), *extra],
            env={**BASE_ENV, "HOME": str(home)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.workspace = workspace
        self.next_id = 0
        self.answers = {}
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.proc.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def start(self, tool, **args):
        self.next_id += 1
        line = json.dumps({"id": self.next_id, "tool": tool, "args": args})
        self.proc.stdin.write(line.encode() + b"\n")
        self.proc.stdin.flush()
        return self.next_id

    def wait(self, handle, timeout=120):
        while handle not in self.answers:
            answer = self.lines.get(timeout=timeout)
            assert answer is not None, self.proc.stderr.read().decode()
            self.answers[answer["id"]] = answer
        answer = self.answers.pop(handle)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def call(self, tool, **args):
        return self.wait(self.start(tool, **args))

    def text(self, tool, **args):
        return self.call(tool, **args)["content"][0]["text"]

    def fails(self, tool, **args):
        """The error object of a call that must fail."""
        try:
            result = self.call(tool, **args)
        except Failed as failed:
            return failed.error
        raise AssertionError(f"should have failed: {result}")

    def poll_until(self, session, wanted, tries=100):
        """Polls until wanted is in what came so far; returns all of it."""
        seen = ""
        for _ in range(tries):
            seen += self.text("process", action="poll", sessionId=session, timeout=200)
            if wanted in seen:
                return seen
        raise AssertionError(f"{wanted!r} never came: {seen!r}")

    def close(self):
        self.proc.stdin.close()
        assert self.proc.wait(timeout=60) == 0, self.proc.stderr.read().decode()
