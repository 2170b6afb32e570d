"""explain --probe: sandboxes are what was decided, over generated configurations."""
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from life import PREFIX, Life
from test_denied import need_control_group

MAIN = f"{PREFIX}agent-main-main-6d9217fe"

NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True).filter(lambda n: n not in ("PATH", "HOME"))
COMMON = {
    "env": st.dictionaries(NAMES, st.text("abc XYZ=:;/%'", max_size=20), max_size=3),
    "workdir": st.sampled_from(["/workspace", "/srv/work", "/w"]),
    "pidsLimit": st.integers(20, 600),
    "ulimits": st.fixed_dictionaries({}, optional={
        "nofile": st.integers(32, 1000).map(lambda n: {"soft": n, "hard": n + 24}),
        "core": st.just(0), "fsize": st.integers(1 << 20, 1 << 30)}),
    "tmpfs": st.sampled_from([["/tmp", "/var/tmp", "/run"], ["/tmp:size=8m"], ["/tmp", "/cache"]]),
}
DOCKER = {**COMMON, "readOnlyRoot": st.booleans(), "memory": st.sampled_from(["64m", "256m", "1g"]),
          "cpus": st.sampled_from([0.5, 1, 2]), "dns": st.sampled_from([[], ["192.0.2.1"]]),
          "extraHosts": st.sampled_from([[], ["db:192.0.2.2"]]),
          "capDrop": st.sampled_from([["ALL"], ["CHOWN", "NET_RAW"]])}
ACCESS = st.sampled_from(["none", "ro", "rw"])


def probe(life):
    done = life.cli("sandbox", "explain", "--probe", "--json", "--workspace", life.workspace)
    answer = json.loads(done.stdout)
    assert "probe" in answer, done.stdout + done.stderr
    different = [c for c in answer["probe"] if not c["same"]]
    assert done.returncode == (1 if different else 0)
    return different, answer["probe"]


def configurations(keys):
    return st.fixed_dictionaries({}, optional=keys)


@pytest.fixture
def native(creel_bin, home, workspace):
    if os.getuid() == 0:
        os.chown(workspace, 1000, 1000)
    return Life(creel_bin, home, workspace)


CHECKS = settings(deadline=None, derandomize=True,
                  suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@settings(CHECKS, max_examples=40)
@given(docker=configurations(COMMON), access=ACCESS)
def test_native_sandboxes_are_what_was_decided(native, docker, access):
    native.configure(docker=docker, workspaceAccess=access)
    different, checks = probe(native)
    assert different == [] and len(checks) > 20


@settings(CHECKS, max_examples=12)
@given(docker=configurations(DOCKER), access=ACCESS)
def test_containers_are_what_was_decided(docker_life, docker, access):
    docker_life.configure(docker=docker, workspaceAccess=access)
    different, checks = probe(docker_life)
    assert different == [] and len(checks) > 40


def test_a_bind_is_seen(native, tmp_path):
    (tmp_path / "data dir").mkdir()
    native.configure(docker={"binds": [f"{tmp_path}/data dir:/data:ro"],
                             "dangerouslyAllowExternalBindSources": True})
    different, checks = probe(native)
    assert different == [] and "mount /data" in [c["check"] for c in checks]


def test_a_container_that_was_changed_is_found_out(docker_life):
    life = docker_life
    assert probe(life)[0] == []
    status, answer = life.engine.ask("POST", f"/containers/{MAIN}/update",
                                     {"PidsLimit": 77, "Memory": 1 << 27, "MemorySwap": -1})
    assert status == 200, answer
    assert {c["check"] for c in probe(life)[0]} == {"pids limit", "memory"}
    done = life.cli("sandbox", "explain", "--probe", "--workspace", life.workspace)
    assert done.returncode == 1
    assert "  DIFFERENT  pids limit (engine): decided '512', found '77'\n" in done.stdout


def test_limits_of_control_groups_are_compared(native):
    need_control_group("memory")
    need_control_group("cpu")
    native.configure(docker={"memory": "64m", "cpus": 0.5, "pidsLimit": 50})
    different, checks = probe(native)
    assert different == []
    found = {c["check"]: c["found"] for c in checks if c["from"] == "control group"}
    assert found == {"memory": str(64 << 20), "cpu quota": "50000"}
    assert next(c for c in checks if c["check"] == "pids limit")["decided"] == "50:50"


def test_another_file_in_place_of_the_source_is_found_out(docker_life, tmp_path):
    """What was mounted stays mounted; what is decided is the path."""
    life = docker_life
    (tmp_path / "file").write_text("one")
    keys = {"binds": [f"{tmp_path}/file:/data:ro"], "dangerouslyAllowExternalBindSources": True}
    life.configure(docker=keys)
    assert probe(life)[0] == []
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").rename(tmp_path / "file")
    assert [c["check"] for c in probe(life)[0]] == ["source of /data"]


def test_without_a_sandbox_there_is_nothing_to_probe(native):
    native.configure(mode="off")
    done = native.cli("sandbox", "explain", "--probe", "--json")
    assert done.returncode == 0 and "probe" not in json.loads(done.stdout)


def test_a_sandbox_that_cannot_start(native):
    native.configure(backend="docker", docker={"socket": "/nowhere/engine.sock"})
    done = native.cli("sandbox", "explain", "--probe", "--workspace", native.workspace)
    assert done.returncode == 1 and "no container engine answers" in done.stderr
