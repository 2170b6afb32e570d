"""Fixtures for all Python tests: the program under test and a scratch home."""
import subprocess
import sys

import pytest

from support import BASE_ENV, find_creel, need

sys.dont_write_bytecode = True


def pytest_addoption(parser):
    parser.addoption("--engine", choices=["only", "without"],
                     help="only the tests with the container engine of the whole run, or those without it")
    parser.addoption("--part", metavar="N/M",
                     help="the Nth of M shares of the files, for runs side by side")


def has_engine(item):
    """By the fixture, or by the case of a fixture that then asks for it."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return "engine" in item.fixturenames or any(value == "docker" for value in params.values())


def keep(config, items, wanted):
    others = [item for item in items if not wanted(item)]
    items[:] = [item for item in items if wanted(item)]
    config.hook.pytest_deselected(items=others)


def pytest_collection_modifyitems(config, items):
    engine, part = config.getoption("--engine"), config.getoption("--part")
    if engine:
        keep(config, items, lambda item: has_engine(item) == (engine == "only"))
    if part:
        number, count = map(int, part.split("/"))
        # Dealt out by size, there and back: a large file has more tests.
        files = sorted({item.path for item in items}, key=lambda path: (-path.stat().st_size, path))
        rounds = [files[i:i + count] for i in range(0, len(files), count)]
        mine = {path for turn, dealt in enumerate(rounds)
                for place, path in enumerate(dealt if turn % 2 == 0 else dealt[::-1]) if place == number - 1}
        keep(config, items, lambda item: item.path in mine)


@pytest.fixture(scope="session")
def creel_bin():
    path = find_creel()
    need(path is not None, "creel is not built: run make, or set CREEL_BIN")
    return path


@pytest.fixture
def home(tmp_path):
    """An empty home directory of the test's own."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def creel(creel_bin, home):
    """Runs creel with a clean environment: creel("exec", "--", "true").returncode."""

    def run(*args, env=None, cwd=None, input=None, timeout=60, text=True, **kwargs):
        full = {**BASE_ENV, "HOME": str(home), **(env or {})}
        if input is None:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([str(creel_bin), *map(str, args)], env=full, cwd=cwd or home,
                              input=input, timeout=timeout, capture_output=True, text=text,
                              check=False, **kwargs)

    return run
