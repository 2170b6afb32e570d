#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The root of the browser's image, made once by the product's own builder and kept beside the builds.

Run as a program it gets what is missing, npm's packages too: scripts/test does so while other tests run.
"""
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

# pylint: disable=wrong-import-position
import pytest  # noqa: E402

from node import modules  # noqa: E402
from support import ROOT, find_creel, need, scratch  # noqa: E402

MADE_OF = ("scripts/sandbox-image", "images/sandbox-browser.packages")
SCRATCH_BYTES = 5 << 30  # the root, its packages, and the archive of both


def place():
    """Where it is kept: anew when what it is made of changes."""
    made_of = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in MADE_OF))
    build = Path(os.environ.get("CREEL_BUILD", ROOT / "build-test/gcc")).parent
    return build / "browser-image" / made_of.hexdigest()[:16]


@contextlib.contextmanager
def alone(kept):
    """Whoever makes it is waited for."""
    kept.mkdir(parents=True, exist_ok=True)
    with open(kept / "lock", "w", encoding="ascii") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def make(kept):
    """creel image build browser; what it leaves is the archive of the root."""
    with alone(kept):
        if (kept / "root.tar").exists():
            return
        with tempfile.TemporaryDirectory(prefix="creel-browser-", dir=scratch(SCRATCH_BYTES)) as directory:
            done = subprocess.run(
                [find_creel(), "image", "build", "browser", "--root", f"{directory}/root"],
                env={**os.environ, "TMPDIR": directory, "CREEL_ROOT_TAR": str(kept / "root.tar")},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-4000:])
    for old in kept.parent.iterdir():  # a GB each
        if old != kept:
            shutil.rmtree(old, ignore_errors=True)


def root_tar():
    """The archive, or a skip: it is downloaded on machines of CI and by scripts/test alone."""
    named = os.environ.get("CREEL_TEST_BROWSER_TAR")
    if named:
        return Path(named)
    kept = place()
    if os.environ.get("CREEL_TESTS_MUST_RUN") == "1":
        make(kept)
    with alone(kept):
        need((kept / "root.tar").exists(), "the browser's image is not made yet: run scripts/test images, or name "
                                           "its root in CREEL_TEST_BROWSER_TAR")
    return kept / "root.tar"


def main():
    if shutil.which("npm"):
        print(modules())
    if os.environ.get("CREEL_TEST_BROWSER_TAR"):
        print("the root in CREEL_TEST_BROWSER_TAR is taken")
    elif os.getuid() != 0 or shutil.which("mmdebstrap") is None:
        print("only root makes the browser's image, with mmdebstrap")
    else:
        make(place())
        print(place() / "root.tar")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, pytest.skip.Exception) as why:  # no network, most likely
        print(why)
        sys.exit(1 if os.environ.get("CREEL_TESTS_MUST_RUN") == "1" else 77)
