# SPDX-License-Identifier: MIT
"""What Chromium is started with: the seeds' defaults, and the switches that change them."""
import json
import os
import shutil
import subprocess

import pytest

from chromium import arguments
from support import BASE_ENV, need
from tool_batch import Batch

GRAPHICS = {"--disable-3d-apis", "--disable-gpu", "--disable-software-rasterizer"}
DEFAULTS = {
    "--remote-debugging-address=127.0.0.1", "--remote-debugging-port=9223", "--no-first-run",
    "--no-default-browser-check", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-features=TranslateUI", "--disable-breakpad", "--disable-crash-reporter", "--metrics-recording-only",
    "--disable-extensions", "--renderer-process-limit=2"}


@pytest.fixture
def start(creel_bin, tmp_path):
    need(shutil.which("chromium"), "no chromium here")
    batches = []

    def begin(env=None, browser=None, config=None):
        whole = {"browser": config or {}, "agents": {"defaults": {"sandbox": {
            "mode": "all", "backend": "native", "docker": {"env": env or {}},
            "browser": {"enabled": True, "headless": True, "autoStartTimeoutMs": 60000, **(browser or {})}}}}}
        batch = Batch(creel_bin, tmp_path, tmp_path / "ws", json.dumps(whole))
        batches.append(batch)
        batch.text("browser", action="start")
        return arguments(batch)

    yield begin
    for batch in batches:
        batch.close()


def test_the_defaults_of_the_seeds(start):
    got = set(start())
    assert got >= DEFAULTS | GRAPHICS, (DEFAULTS | GRAPHICS) - got
    assert [a for a in got if a.startswith("--user-data-dir=") and a.endswith("/.chrome")]
    assert "--headless=new" in got
    # Chromium's own sandbox is on, or it is said that it is off.
    assert ("--no-zygote" in got) == ("--no-sandbox" in got) == ("--disable-setuid-sandbox" in got)


@pytest.mark.parametrize("prefix", ["CREEL", "CLAWDBOT"])
def test_switches(start, prefix):
    got = set(start({f"{prefix}_BROWSER_{name}": value for name, value in (
        ("DISABLE_GRAPHICS_FLAGS", "0"), ("DISABLE_EXTENSIONS", "off"), ("RENDERER_PROCESS_LIMIT", "0"),
        ("NO_SANDBOX", "1"))}))
    assert not got & GRAPHICS and "--disable-extensions" not in got
    assert not [a for a in got if a.startswith("--renderer-process-limit")]
    assert {"--no-sandbox", "--disable-setuid-sandbox", "--no-zygote"} <= got


def test_a_limit_a_port_and_more_arguments(start):
    got = start({"CREEL_BROWSER_RENDERER_PROCESS_LIMIT": "5"}, {"cdpPort": 65535},
                config={"extraArgs": ["--lang=de", "--user-agent=A B"]})
    assert "--renderer-process-limit=5" in got and "--remote-debugging-port=65534" in got
    assert "--lang=de" in got and "--user-agent=A B" in got


def test_auto_start_off(creel_bin, tmp_path):
    """Then only action start begins it, and nothing is removed for that."""
    need(shutil.which("chromium"), "no chromium here")
    batch = Batch(creel_bin, tmp_path, tmp_path / "ws", json.dumps({"agents": {"defaults": {"sandbox": {
        "mode": "all", "backend": "native", "browser": {"enabled": True, "headless": True, "autoStart": False,
                                                        "autoStartTimeoutMs": 60000}}}}}))
    error = batch.fails("browser", action="tabs")
    assert error["code"] == "unavailable" and "no browser answers" in error["message"], error
    batch.text("browser", action="start")
    assert batch.call("browser", action="tabs")["details"]["tabs"]
    batch.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts the host's /usr into an image")
def test_an_unpacked_image(creel_bin, tmp_path):
    """browser.image as a directory, natively: made of what this host has."""
    need(shutil.which("chromium"), "no chromium here")
    root = tmp_path / "image"
    for name in ("usr", "etc"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / name).symlink_to(f"usr/{name}")

    def call(image):
        config = tmp_path / "creel.json"
        config.write_text(json.dumps({"agents": {"defaults": {"sandbox": {
            "mode": "all", "backend": "native", "browser": {
                "enabled": True, "headless": True, "autoStartTimeoutMs": 60000, "image": str(image)}}}}}))
        # The mount goes with its namespace.
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", 'mount --bind /usr "$0/usr" && exec "$@"', root, creel_bin,
             "tool", "browser", "--config", config, "--args",
             json.dumps({"action": "open", "url": "data:text/html,<title>Unpacked</title>"})],
            capture_output=True, text=True, env={**BASE_ENV, "HOME": str(tmp_path)}, cwd=tmp_path, check=False)

    done = call(root)
    assert done.returncode == 0 and "(Unpacked)" in done.stdout, done.stderr
    done = call(tmp_path / "missing")
    assert done.returncode != 0 and str(tmp_path / "missing") in done.stdout + done.stderr
