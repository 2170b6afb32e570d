# SPDX-License-Identifier: MIT
"""Fixtures for tests with programs of others."""
import shutil
import sys

import pytest

from support import ROOT

sys.path.insert(0, str(ROOT / "tests/integration"))

# pylint: disable=wrong-import-position
from gateway import Gateway  # noqa: E402
from node import modules  # noqa: E402


@pytest.fixture(scope="session")
def packages():
    return modules()


@pytest.fixture
def gateway(home, monkeypatch):
    running = Gateway(home)
    running.start()
    yield running
    running.finish()
    shutil.rmtree(home, ignore_errors=True)
