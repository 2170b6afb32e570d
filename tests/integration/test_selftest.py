"""creel selftest: every attack is tried and held, and the documentation shows the same list."""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import BASE_ENV, ROOT


@pytest.fixture(scope="module")
def report(creel_bin, tmp_path_factory):
    """One run against the native sandboxes."""
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run([creel_bin, "selftest", "--backend", "native", "--json"], timeout=300,
                          env={**BASE_ENV, "HOME": str(home)}, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode, json.loads(done.stdout)


def results(report, column):
    return {r["attack"]: r for c in report["columns"] if c["name"] == column for r in c["results"]}


def test_everything_holds(report):
    status, report = report
    bad = [(c["name"], r["attack"], r["reason"]) for c in report["columns"] for r in c["results"]
           if r["outcome"] in ("fell", "broken")]
    assert bad == [] and status == 0 and report["ok"]


def test_every_way_to_start_was_tried(report):
    columns = {c["name"]: c for c in report[1]["columns"]}
    expected = ["native", "native, uid 0", "native, by user"] if os.getuid() == 0 else ["native"]
    assert sorted(columns) == sorted([*expected, "decisions"])
    assert all(c["ran"] and c["problem"] is None for c in columns.values())


def test_every_attack_has_a_result(report):
    report = report[1]
    in_sandbox, decisions = results(report, "native"), results(report, "decisions")
    for attack in report["attacks"]:
        where = decisions if attack["area"].startswith("configuration") else in_sandbox
        assert attack["id"] in where, attack
        assert where[attack["id"]]["reason"], attack
    tried = [a for a in {**in_sandbox, **decisions}.values() if a["outcome"] == "held"]
    assert len(tried) >= 140


def test_containers_hold_too(creel_bin, home, clean_engine):
    done = subprocess.run([creel_bin, "selftest", "--backend", "docker", "--json", "--socket",
                           clean_engine.socket], timeout=300, env={**BASE_ENV, "HOME": str(home)},
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    columns = {c["name"]: c for c in json.loads(done.stdout)["columns"]}
    assert sorted(columns) == ["decisions", "docker", "docker, other", "docker, uid 0"]
    for name, column in columns.items():
        bad = [r for r in column["results"] if r["outcome"] in ("fell", "broken")]
        assert column["ran"] and bad == [], (name, column["problem"])
    assert len([r for r in columns["docker"]["results"] if r["outcome"] == "held"]) >= 100
    assert done.returncode == 0


def test_names_are_unique(report):
    names = [a["id"] for a in report[1]["attacks"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("cve", """
    CVE-2019-5736 CVE-2019-16884 CVE-2019-19921 CVE-2021-30465 CVE-2021-43784 CVE-2022-29162
    CVE-2023-25809 CVE-2023-27561 CVE-2023-28642 CVE-2024-21626 CVE-2024-45310 CVE-2025-31133
    CVE-2025-52565 CVE-2025-52881 CVE-2026-41579 CVE-2019-18837 CVE-2022-27650 CVE-2025-24965
    CVE-2026-30892 CVE-2026-47766 CVE-2017-5226 CVE-2020-5291 CVE-2024-23651 CVE-2024-23652
    CVE-2024-23653 CVE-2026-25725 CVE-2026-39861 CVE-2026-27002 GHSA-ww6v-v748-x7g9
    GHSA-474h-prjg-mmw3 CVE-2026-44112 CVE-2026-44113 CVE-2026-44115 CVE-2026-44118
    CVE-2026-22708 GHSA-72w7-mf9g-733p""".split())
def test_known_holes_have_an_attack(report, cve):
    assert any(re.search(rf"{cve}\b", a["about"]) for a in report[1]["attacks"])


def test_the_documentation_lists_the_same(report):
    text = (ROOT / "docs/SELFTEST.md").read_text()
    text = text.split("<!-- matrix -->")[1]
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.M)
    assert listed == [a["id"] for a in report[1]["attacks"]], "run scripts/selftest-matrix"


def test_one_attack_alone(creel):
    done = creel("selftest", "--backend", "native", "--only", "proc-tiocsti", "-v")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^proc-tiocsti +held ", done.stdout, re.M)
    assert re.search(r"^held proc-tiocsti \(native\): TIOCSTI: Operation not permitted", done.stdout,
                     re.M)
    assert "kern-bpf" not in done.stdout


@pytest.mark.parametrize("args, words", [
    (["--backend", "host"], "isolates nothing"),
    (["--backend", "podman"], "takes native or docker"),
    (["--only", "kern-bpf,nonsense"], "takes names of attacks"),
])
def test_bad_options(creel, args, words):
    done = creel("selftest", *args)
    assert done.returncode == 2 and words in done.stderr


def test_a_backend_that_was_named_must_run(creel, tmp_path):
    done = creel("selftest", "--backend", "docker", "--only", "kern-bpf", "--socket",
                 tmp_path / "nobody")
    assert done.returncode == 1
    assert "not tried: docker: " in done.stdout


def left_behind():
    """Also those of other runs, which may go away while they are looked at."""
    return set(Path("/tmp").glob("creel-selftest-*"))


def test_a_killed_run_leaves_nothing_for_long(creel_bin, home):
    env = {**BASE_ENV, "HOME": str(home)}
    process = subprocess.Popen([creel_bin, "selftest", "--backend", "native"], env=env,
                               stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    before = left_behind()
    while left_behind() == before and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = left_behind() - before
    # The next run removes what this one left, once the last of its processes has died of it.
    for _ in range(20):
        subprocess.run([creel_bin, "selftest", "--backend", "native", "--only", "kern-bpf"], env=env,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=120, check=True)
        if not killed & left_behind():
            return
        time.sleep(1)
    pytest.fail(f"left: {killed & left_behind()}")


def test_the_shipped_programs_have_no_switch_that_weakens(creel_bin):
    """tests/security/weaken.c is linked into one test alone, and no source of ours knows of it."""
    build = Path(creel_bin).resolve().parents[2]
    for program in ("src/cli/creel", "src/backend/creel-docker", "src/init/creel-init"):
        assert b"weaken" not in (build / program).read_bytes(), program
    test = build / "tests/security/test-security-weakened"
    if test.exists():  # the pattern is one that would be found
        assert b"weaken" in test.read_bytes()
    for source in (ROOT / "src").rglob("*.[ch]"):
        assert "weakened" not in source.read_text(), source
