# SPDX-License-Identifier: MIT
"""Every conformance row of edit and apply_patch, against the file tools themselves."""

import base64
import json
import os
import pathlib
import stat

import pytest

from fs_driver import Driver, ToolError

ROWS = pathlib.Path(__file__).resolve().parents[2] / "conformance"
ALIASES = {"file_path": "path", "old_string": "oldText", "new_string": "newText"}


def rows(name):
    """The rows of one file as pytest parameters."""
    with open(ROWS / name, encoding="utf-8") as file:
        parsed = [json.loads(line) for line in file if line.strip()]
    return [pytest.param(row, id=row["id"]) for row in parsed]


def lay_out(root, files):
    """Make what a row says is there."""
    for name, what in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, str):
            path.write_bytes(what.encode())
        elif "symlink" in what:
            path.symlink_to(what["symlink"])
        elif "base64" in what:
            path.write_bytes(base64.b64decode(what["base64"]))
        else:
            path.write_bytes(what["text"].encode())
            path.chmod(int(what["mode"], 8))


def look(root):
    """What is there: name to bytes, link target or None for an empty directory."""
    found = {}
    for top, dirs, names in os.walk(root):
        here = pathlib.Path(top)
        for name in names + [d for d in dirs if (here / d).is_symlink()]:
            path = here / name
            shown = str(path.relative_to(root))
            found[shown] = ("link", os.readlink(path)) if path.is_symlink() else path.read_bytes()
        if not names and not dirs and here != root:
            found[str(here.relative_to(root)) + "/"] = None
    return found


def expected(files):
    """The same form from a row."""
    result = {}
    for name, what in files.items():
        if what is None:
            result[name] = None
        elif isinstance(what, str):
            result[name] = what.encode()
        elif "symlink" in what:
            result[name] = ("link", what["symlink"])
        elif "base64" in what:
            result[name] = base64.b64decode(what["base64"])
        else:
            result[name] = what["text"].encode()
    return result


def modes(root):
    """Permission bits of every regular file."""
    return {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode)
            for p in root.rglob("*") if p.is_file() and not p.is_symlink()}


@pytest.fixture(params=["openat2", "no-openat2"])
def workspace(request, tmp_path):
    """A workspace and a driver that may not leave it, on both ways through the kernel."""
    root = tmp_path / "ws"
    root.mkdir()
    with Driver(root, "workspace-only", request.param) as driver:
        yield root, driver


@pytest.mark.parametrize("row", rows("patch.jsonl"))
def test_patch(workspace, row):
    root, driver = workspace
    lay_out(root, row["files"])
    before = modes(root)
    want = row["expect"]
    text = row["input"].replace("$WS", str(root))
    if want.get("error"):
        with pytest.raises(ToolError):
            driver.patch(text)
    else:
        got = driver.patch(text)
        assert got == {"text": want["text"], "summary": want["summary"]}
    assert look(root) == expected(want["files"])
    after = modes(root)
    assert all(after[name] == mode for name, mode in before.items() if name in after)


def edit_args(args):
    """The three texts after aliases, or None: refused before the file tools are asked."""
    args = dict(args)
    for alias, name in ALIASES.items():
        if alias in args:
            args.setdefault(name, args[alias])
    values = [args.get(name) for name in ("path", "oldText", "newText")]
    return values if all(isinstance(value, str) for value in values) else None


@pytest.mark.parametrize("row", rows("edit.jsonl"))
def test_edit(workspace, row):
    root, driver = workspace
    lay_out(root, row["files"])
    before = modes(root)
    want = row["expect"]
    args = edit_args(row["args"])
    if want.get("error"):
        if args is not None:
            with pytest.raises(ToolError):
                driver.edit(*args)
    else:
        got = driver.edit(*args)
        assert got["diff"].decode() == want["diff"]
        assert got["first_line"] == want["firstChangedLine"]
    assert look(root) == expected(want["files"])
    assert modes(root) == before
