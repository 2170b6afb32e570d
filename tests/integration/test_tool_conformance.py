# SPDX-License-Identifier: MIT
"""Every conformance row of patch and edit, as a tool call in a native sandbox."""

import base64
import json
import os
from pathlib import Path

import pytest

from support import ROOT
from tool_batch import CONFIG


def rows(name):
    text = (ROOT / "tests" / "conformance" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [pytest.param(json.loads(line), id=json.loads(line)["id"])
            for line in text.split("\n") if line]


def content(value):
    if isinstance(value, dict):
        return value["text"].encode() if "text" in value else base64.b64decode(value["base64"])
    return value.encode()


def fill(workspace, files):
    for name, value in files.items():
        path = workspace / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, dict) and "symlink" in value:
            path.symlink_to(value["symlink"])
            continue
        path.write_bytes(content(value))
        if isinstance(value, dict) and "mode" in value:
            path.chmod(mode_of(value))


def mode_of(value):
    return int(str(value["mode"]), 8)


def check(workspace, files):
    """The workspace holds these files and nothing else."""
    found = set()
    for top, dirs, names in os.walk(workspace):
        for name in names + [d for d in dirs if Path(top, d).is_symlink()]:
            found.add(str(Path(top, name).relative_to(workspace)))
        found.update(str(Path(top, d).relative_to(workspace)) + "/" for d in dirs
                     if not Path(top, d).is_symlink() and not os.listdir(Path(top, d)))
    assert found == set(files)
    for name, value in files.items():
        path = workspace / name
        if name.endswith("/"):
            continue
        if isinstance(value, dict) and "symlink" in value:
            assert os.readlink(path) == value["symlink"]
            continue
        assert path.read_bytes() == content(value)
        if isinstance(value, dict) and "mode" in value:
            assert path.stat().st_mode & 0o7777 == mode_of(value)


def run_row(creel, home, tool, args, row):
    workspace = home / "ws"
    config = home / "config.json"
    expect = row["expect"]

    workspace.mkdir()
    config.write_text(CONFIG, encoding="utf-8")
    fill(workspace, row["files"])
    done = creel("tool", tool, "--config", config, "--workspace", workspace, "--args", "-", "--json",
                 input=json.dumps(args).replace("$WS", "/workspace"))
    answer = json.loads(done.stdout)
    if expect.get("error"):
        assert done.returncode == 1
        assert answer["error"]["message"]
    else:
        assert done.returncode == 0, answer
        if "text" in expect:
            assert answer["content"][0]["text"] == expect["text"]
        for key in ("summary", "diff", "firstChangedLine"):
            if key in expect:
                assert answer["details"][key] == expect[key]
    check(workspace, expect["files"])


@pytest.mark.parametrize("row", rows("patch"))
def test_patch(creel, home, row):
    run_row(creel, home, "apply_patch", {"input": row["input"]}, row)


@pytest.mark.parametrize("row", rows("edit"))
def test_edit(creel, home, row):
    run_row(creel, home, "edit", row["args"], row)
