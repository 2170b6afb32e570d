"""Fixtures for tests that start sandboxes."""
import os

import pytest

from docker_fixtures import backend, clean_engine, docker, docker_life, engine, fake  # noqa: F401: fixtures
from gateway_fixtures import either, gateway  # noqa: F401
from sandbox import Sandbox, write_config
from support import need


@pytest.fixture
def workspace(tmp_path):
    path = tmp_path / "workspace"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def sandbox(creel_bin, home, workspace):
    """Native sandboxes that may write their workspace."""
    write_config(home)
    return Sandbox(creel_bin, home, workspace)


@pytest.fixture
def as_root():
    if os.getuid() != 0:
        pytest.skip("only root can do this")


@pytest.fixture(scope="session", autouse=True)
def host_can(creel_bin, tmp_path_factory):
    """One clear word instead of a hundred failures where no sandbox can start at all."""
    home = tmp_path_factory.mktemp("probe")
    write_config(home)
    done = Sandbox(creel_bin, home, home)("true")
    need("user namespaces" not in done.stderr, f"no sandbox can start here: {done.stderr}")
