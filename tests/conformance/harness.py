# SPDX-License-Identifier: MIT
"""Rows of the conformance files, a home to run them in, and the creel binary."""

import json
import os
import pathlib
import re
import shutil
import subprocess

from support import find_creel, need

HERE = pathlib.Path(__file__).resolve().parent


def rows(name):
    """The rows of one file, each a dict."""
    with open(HERE / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


class Home:
    """A home directory of the brand openclaw."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path / ".openclaw" / "openclaw.json"
        self.config.parent.mkdir(parents=True, exist_ok=True)

    def expand(self, text):
        """A path with the home written out."""
        if text == "~" or text.startswith("~/"):
            return str(self.path) + text[1:]
        return text

    def expand_config(self, text):
        """Configuration text with every string that starts with ~/ or ~: written out."""
        return re.sub(r"""(["'])~(?=[/:"'])""", lambda m: m.group(1) + str(self.path), text)

    def fill(self, fixture):
        """Make the directories, files and links that the bind rows need."""
        for name in fixture["dirs"]:
            pathlib.Path(self.expand(name)).mkdir(parents=True, exist_ok=True)
        for name in fixture["files"]:
            pathlib.Path(self.expand(name)).write_text("x\n", encoding="utf-8")
        for name, target in fixture["links"].items():
            os.symlink(self.expand(target), self.expand(name))

    def write(self, config, files=None):
        """Write the configuration, or take it away (None), and the files it includes."""
        if config is None:
            self.config.unlink(missing_ok=True)
        else:
            self.config.write_text(config, encoding="utf-8")
        for name, text in (files or {}).items():
            path = pathlib.Path(self.expand(name))
            if not path.is_absolute():
                path = self.config.parent / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text if isinstance(text, str) else json.dumps(text),
                            encoding="utf-8")

    def run(self, *args, env=None):
        """creel with this home and nothing else of the environment: status, JSON or None, text."""
        full = {"HOME": str(self.path), "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "LANG": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE"):
            if name in os.environ:
                full[name] = os.environ[name]
        for name, value in (env or {}).items():
            full[name] = self.expand(value)
        creel = find_creel()
        need(creel is not None, "creel is not built: run make, or set CREEL_BIN")
        done = subprocess.run([str(creel), *args], env=full, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False)
        try:
            return done.returncode, json.loads(done.stdout), done.stderr
        except ValueError:
            return done.returncode, None, done.stdout + done.stderr


def session_args(args):
    """--agent and --session of a row; an empty session is passed as --session=''."""
    out = []
    if args.get("agent") is not None:
        out += ["--agent", args["agent"]]
    if args.get("session") is not None:
        out += ["--session", args["session"]]
    return out


def differences(expect, got, home, path=""):
    """Where got lacks or contradicts something of expect; lists must be equal."""
    if isinstance(expect, dict):
        if not isinstance(got, dict):
            return [f"{path}: {got!r} is not an object"]
        out = []
        for key, value in expect.items():
            out += differences(value, got.get(key), home, f"{path}.{key}")
        return out
    if isinstance(expect, str):
        expect = home.expand(expect)
    if isinstance(expect, list):
        expect = [home.expand(item) if isinstance(item, str) else item for item in expect]
    return [] if expect == got else [f"{path}: expected {expect!r}, got {got!r}"]


def scratch(base, name):
    """A fresh directory below base."""
    path = pathlib.Path(base) / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
