# SPDX-License-Identifier: MIT
"""The official MCP SDK's client and the MCP Inspector, over stdio and over HTTP."""
import base64
import json
import re
import subprocess

import pytest

from gateway import ADMIN
from mcp_client import CONFIG
from node import HERE, node
from support import BASE_ENV, ROOT
from test_tool_files import png

CLIENTS = {"sdk 1": {"sdk": "1"}, "sdk 2, with initialize": {"sdk": "2", "era": "legacy"},
           "sdk 2, without": {"sdk": "2", "era": "2026-07-28"}}


@pytest.fixture
def stdio(creel_bin, home):
    """The command line of a server."""
    (home / "config.json").write_text(CONFIG)
    (home / "ws").mkdir()
    return [str(creel_bin), "mcp", "--config", str(home / "config.json"), "--workspace", str(home / "ws")]


def url(gateway):
    return f"http://{gateway.status()['listen']}/mcp"


def run_sdk(packages, home, want):
    script = packages / "mcp-sdk.mjs"  # beside node_modules, where it looks for packages
    script.write_bytes((HERE / "mcp-sdk.mjs").read_bytes())
    done = subprocess.run([node(packages), script, json.dumps(want)], capture_output=True, text=True,
                          env={**BASE_ENV, "HOME": str(home)}, check=False, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("ok"), done.stdout + done.stderr
    return done.stdout.split()[1]


@pytest.mark.parametrize("client", CLIENTS)
def test_sdk_over_stdio(packages, stdio, home, client):
    version = run_sdk(packages, home, {
        **CLIENTS[client], "png": base64.b64encode(png(3, 2)).decode(), "command": stdio[0],
        "args": stdio[1:], "env": {**BASE_ENV, "HOME": str(home)}})
    assert client != "sdk 2, without" or version == "2026-07-28"


@pytest.mark.parametrize("client", CLIENTS)
def test_sdk_over_http(packages, gateway, home, client):
    version = run_sdk(packages, home, {
        **CLIENTS[client], "png": base64.b64encode(png(3, 2)).decode(), "url": url(gateway),
        "token": ADMIN})
    assert version == ("2026-07-28" if client == "sdk 2, without" else "2025-11-25")


def inspect(packages, home, *args, env=None, cwd=None):
    """The Inspector's command line mode: its exit status, and the answer as JSON."""
    launcher = packages / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    done = subprocess.run([node(packages), launcher, "--cli", *args], capture_output=True, text=True,
                          env={**BASE_ENV, "HOME": str(home), **(env or {})}, cwd=cwd or home,
                          stdin=subprocess.DEVNULL, check=False, timeout=120)
    assert done.stdout, done.stderr
    return done, json.loads(done.stdout)


def look_around(packages, home, *server):
    """The same of each transport."""
    # --strict: schemas that every client can take
    done, listed = inspect(packages, home, "--method", "tools/list", "--strict", *server)
    assert done.returncode == 0, done.stderr
    assert "exec" in [t["name"] for t in listed["tools"]]
    assert "warning" not in done.stderr.lower(), done.stderr
    _, written = inspect(packages, home, "--method", "tools/call", "--tool-name", "write",
                         "--tool-arg", "path=a.txt", "content=hello", *server)
    assert not written.get("isError")
    _, called = inspect(packages, home, "--method", "tools/call", "--tool-name", "exec",
                        "--tool-arg", "command=cat a.txt; id -u >/dev/null", *server)
    assert called["structuredContent"]["aggregated"] == "hello"
    _, resources = inspect(packages, home, "--method", "resources/list", *server)
    assert "workspace:///a.txt" in [r["uri"] for r in resources["resources"]]
    _, read = inspect(packages, home, "--method", "resources/read", "--uri", "workspace:///a.txt", *server)
    assert read["contents"][0]["text"] == "hello"


def test_inspector_over_stdio(packages, stdio, home):
    look_around(packages, home, "--", *stdio)


def test_inspector_over_http(packages, gateway, home):
    look_around(packages, home, "--transport", "http", "--server-url", url(gateway), "--header",
                f"Authorization: Bearer {ADMIN}")


def test_the_configuration_that_is_documented(packages, creel_bin, home):
    """The .mcp.json of docs/MCP.md, as a client reads it, in a project."""
    text = (ROOT / "docs/MCP.md").read_text()
    config = re.search(r"^```json\n(.*?)^```$", text, re.S | re.M)[1]
    (home / "project").mkdir()
    (home / "project/.mcp.json").write_text(config)
    (home / ".creel").mkdir()
    (home / ".creel/creel.json").write_text(CONFIG)
    (home / "bin").mkdir()
    (home / "bin/creel").symlink_to(creel_bin)
    _, called = inspect(packages, home, "--config", ".mcp.json", "--server", "creel", "--method",
                        "tools/call", "--tool-name", "exec", "--tool-arg", "command=touch made; pwd",
                        env={"PATH": f"{home / 'bin'}:{BASE_ENV['PATH']}"}, cwd=home / "project")
    assert called["structuredContent"]["aggregated"] == "/workspace"
    assert (home / "project/made").exists()
