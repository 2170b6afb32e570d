# SPDX-License-Identifier: MIT
"""The browser's container on a real engine whose image has no browser: what is left of it, and what is not."""
import json
import os

from engine import IMAGE
from gateway import ADMIN, Gateway, wait_for
from life import Life

BROWSER = {"enabled": True, "image": IMAGE, "network": "none", "containerPrefix": "life-browser-",
           "autoStartTimeoutMs": 20000}


def mine(engine):
    return [name for name in engine.containers() if name.startswith("life-browser-")]


def test_a_container_without_chromium_is_removed(creel_bin, home, workspace, clean_engine):
    os.chown(workspace, 1000, 1000)
    life = Life(creel_bin, home, workspace, {
        "backend": "docker", "browser": BROWSER, "docker": {"socket": str(clean_engine.socket)}})
    try:
        done = life.cli("tool", "browser", "--workspace", workspace, "--json", "--args", '{"action": "tabs"}')
        assert done.returncode != 0
        said = done.stdout + done.stderr
        assert "there is no chromium in this sandbox" in said and "creel image build browser" in said
        assert not mine(clean_engine)
    finally:
        life.clean()


def test_a_gateway_removes_it_too(home, clean_engine):
    gateway = Gateway(home)
    gateway.sandbox = {"mode": "all", "backend": "docker", "workspaceAccess": "none", "browser": BROWSER,
                       "docker": {"socket": str(clean_engine.socket)}}
    gateway.write_config()
    gateway.start()
    try:
        status, answer = gateway.invoke("browser", {"action": "tabs"}, token=ADMIN)
        assert status != 200 and "there is no chromium" in answer["error"]["message"], answer
        wait_for(lambda: not mine(clean_engine), "the container's end")
        done = gateway.creel("sandbox", "list", "--browser", "--json")
        assert json.loads(done.stdout)["browsers"] == []
    finally:
        gateway.finish()
