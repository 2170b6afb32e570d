# SPDX-License-Identifier: MIT
"""The Chromium of a batch of tool calls, seen from the host."""
from pathlib import Path


def inside(batch):
    """A process of the batch's browser."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
                children.setdefault(int(text[text.rindex(")") + 2:].split()[1]), []).append(int(entry.name))
            except OSError:
                pass
    queue = [batch.proc.pid]
    while queue:
        pid = queue.pop()
        queue += children.get(pid, [])
        try:
            if b"\0--remote-debugging-port=" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        except OSError:
            pass
    raise AssertionError("no Chromium runs")


def arguments(batch):
    return Path(f"/proc/{inside(batch)}/cmdline").read_bytes().decode().split("\0")[:-1]
