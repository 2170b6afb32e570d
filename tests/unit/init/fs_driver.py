# SPDX-License-Identifier: MIT
"""The file tools of creel-init, called from Python through fs-driver."""

import os
import struct
import subprocess

DRIVER = os.environ.get("FS_DRIVER", "fs-driver")


class ToolError(Exception):
    """What the tool said."""

    def __init__(self, number, text):
        super().__init__(text)
        self.errno = number
        self.text = text


class Driver:
    """One fs-driver process on one workspace."""

    def __init__(self, workspace, *flags, home="/nonexistent", program=DRIVER, **popen):
        self.process = subprocess.Popen([program, str(workspace), str(home), *flags],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **popen)

    def close(self):
        """End it; a sanitizer's complaint is its exit status."""
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(60) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, *args):
        """Fields of the answer, as bytes."""
        fields = [a if isinstance(a, bytes) else str(a).encode("utf-8", "surrogateescape")
                  for a in args]
        self.process.stdin.write(struct.pack("<I", len(fields)) + b"".join(
            struct.pack("<I", len(f)) + f for f in fields))
        self.process.stdin.flush()
        answer = [self._take(self._number()) for _ in range(self._number())]
        if answer[0] == b"error":
            raise ToolError(int(answer[1]), answer[2].decode("utf-8", "replace"))
        return answer[1:]

    def _take(self, count):
        data = self.process.stdout.read(count)
        assert len(data) == count, "the driver died"
        return data

    def _number(self):
        return struct.unpack("<I", self._take(4))[0]

    def read(self, path, offset=0, limit=0, max_bytes=0, raw=0):
        """A page as a dict."""
        names = ("kind", "data", "size", "first", "count", "next", "total", "cut", "long_line",
                 "mime", "width", "height")
        fields = self.call("read", path, offset, limit, max_bytes, raw)
        return {n: f if n in ("data", "mime") else int(f) for n, f in zip(names, fields)}

    def write(self, path, data, sync=0):
        """created, in_place, bytes, other_names."""
        names = ("created", "in_place", "bytes", "other_names")
        return dict(zip(names, map(int, self.call("write", path, data, sync))))

    def edit(self, path, old, new):
        """diff, first_line, ..."""
        fields = self.call("edit", path, old, new)
        return {"diff": fields[0], "first_line": int(fields[1]), "tolerant": int(fields[2]),
                "created": int(fields[4]), "in_place": int(fields[5]), "bytes": int(fields[6]),
                "other_names": int(fields[7])}

    def patch(self, text, sync=0):
        """text, and the summary's three lists."""
        fields = self.call("patch", text, sync)
        lists = [[n.decode() for n in f.split(b"\0")[:-1]] for f in fields[1:]]
        return {"text": fields[0].decode(),
                "summary": dict(zip(("added", "modified", "deleted"), lists))}

    def glob(self, pattern, path="", no_ignore=0, limit=0):
        """paths, truncated."""
        fields = self.call("glob", pattern, path, no_ignore, limit)
        return [os.fsdecode(n) for n in fields[0].split(b"\0")[:-1]], fields[1] == b"1"

    def grep(self, pattern, path="", glob="", flags="", context=0, limit=0):
        """text and the numbers."""
        fields = self.call("grep", pattern, path, glob, flags, context, limit)
        names = ("matches", "files", "searched", "truncated", "lines_cut")
        return {"text": fields[0].decode("utf-8", "replace"), **dict(zip(names, map(int, fields[1:])))}
