"""What all Python tests share: where the program under test is, and when to skip.

CREEL_BIN names the program (scripts/test sets it); without it, the one in build/ or build-test/.
"""
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What a user's shell would hand over, and nothing that this machine happens to have set.
BASE_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}


def find_creel():
    named = os.environ.get("CREEL_BIN")
    if named:
        return Path(named)
    for build in ("build-test/gcc", "build"):
        for place in ("src/cli/creel", "creel"):
            if (ROOT / build / place).exists():
                return ROOT / build / place
    return None


def scratch(size):
    """Where so many bytes fit: memory where there is enough, because an image is tens of thousands of files, to write
    and to remove."""
    memory = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    if memory and memory.f_bavail * memory.f_frsize > size and available() > size:
        return "/dev/shm"
    return "/var/tmp"


def available():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))


def need(condition, reason):
    """Skip when something is missing that a test machine should have; on CI that is a failure."""
    if condition:
        return
    if os.environ.get("CREEL_TESTS_MUST_RUN") == "1":
        pytest.fail(f"must run here, but {reason}")
    pytest.skip(reason)
