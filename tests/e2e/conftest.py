# SPDX-License-Identifier: MIT
"""Fixtures for tests with programs of others."""
import os
import shutil
import sys

import pytest

from support import ROOT, need

sys.path.insert(0, str(ROOT / "tests/integration"))

# pylint: disable=wrong-import-position
from gateway import Gateway  # noqa: E402
from node import modules  # noqa: E402
from place import IMAGE, DockerPlaces, Place  # noqa: E402


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


@pytest.fixture(scope="session")
def engine():
    """A real engine with the browser's image, in a network of its own."""
    if os.getuid() != 0:
        pytest.skip("only root can start a container engine")
    places = DockerPlaces()
    yield places
    places.stop()


def running(place):
    yield place
    place.finish()


@pytest.fixture(scope="session")
def docker_place(engine, tmp_path_factory):
    """A gateway whose browsers are containers."""
    yield from running(Place(tmp_path_factory.mktemp("docker"), "docker", engine.network, docker={
        "socket": str(engine.engine.socket), "image": IMAGE}))


@pytest.fixture(scope="session")
def native_place(request, tmp_path_factory):
    """One whose browsers are native: of the unpacked image, or of this machine's own programs."""
    need(shutil.which("chromium") and shutil.which("Xvfb"), "no chromium or Xvfb here")
    if os.getuid() != 0:
        yield from running(Place(tmp_path_factory.mktemp("native"), "native"))
        return
    engine = request.getfixturevalue("engine")
    yield from running(Place(tmp_path_factory.mktemp("native"), "native", engine.network,
                             native={"root": engine.root()}))


@pytest.fixture(params=["docker", "native"], scope="session")
def place(request):
    return request.getfixturevalue(f"{request.param}_place")
