"""Fixtures for the tests of the docker backend."""
import os

import pytest

from engine import Engine, FakeEngine, need_engine, why_not
from life import Life
from sandbox import Sandbox, write_config


@pytest.fixture(scope="session")
def engine():
    """A real engine with the sandbox image in it; one for the whole run."""
    need_engine(why_not())
    engine = Engine()
    try:
        engine.start()
        engine.make_image()
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def clean_engine(engine):
    """The test has to leave no container behind."""
    before = engine.containers()
    yield engine
    assert engine.containers() == before


class Backend:
    """Where sandboxes that last are made, and who is asked what there is."""

    def __init__(self, name, engine=None):
        self.name, self.engine = name, engine
        self.settings = {"backend": name}
        if engine:
            self.settings["docker"] = {"socket": str(engine.socket)}

    def __str__(self):
        return self.name


@pytest.fixture(params=["native", "docker"])
def backend(request):
    """Both in turn; the real engine where there can be one."""
    return Backend(request.param, request.getfixturevalue("clean_engine") if request.param == "docker" else None)


@pytest.fixture
def docker(creel_bin, home, workspace, clean_engine):
    """Containers for once that may write their workspace; docker.engine is where they are."""
    os.chown(workspace, 1000, 1000)
    sandbox = Sandbox(creel_bin, home, workspace, ("--once",))
    sandbox.engine = clean_engine

    def configure(docker=None, **keys):
        write_config(home, backend="docker",
                     docker={"socket": str(clean_engine.socket), **(docker or {})}, **keys)

    sandbox.configure = configure
    configure()
    return sandbox


@pytest.fixture
def docker_life(creel_bin, home, workspace, clean_engine):
    """Containers that last."""
    os.chown(workspace, 1000, 1000)
    life = Life(creel_bin, home, workspace,
                {"backend": "docker", "docker": {"socket": str(clean_engine.socket)}})
    life.engine = clean_engine
    yield life
    life.clean()


@pytest.fixture(params=[("--once",), ()], ids=["once", "lasting"])
def fake(request, creel_bin, home, workspace, tmp_path):
    """fake(script) is a Sandbox whose engine answers as the script says, to containers of both kinds."""
    running = []

    def start(script):
        path = tmp_path / f"fake{len(running)}.sock"
        running.append(FakeEngine(path, script))
        write_config(home, backend="docker", docker={"socket": str(path)})
        return Sandbox(creel_bin, home, workspace, request.param)

    yield start
    for engine in running:
        engine.stop()
