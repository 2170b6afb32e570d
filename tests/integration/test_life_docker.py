"""Containers that last, on a real engine."""
import concurrent.futures
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

from life import PREFIX, Life
from sandbox import processes, running_with

MAIN = f"{PREFIX}agent-main-main-6d9217fe"


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not come to be"
        time.sleep(0.02)


@pytest.fixture
def life(docker_life):
    return docker_life


def containers(life):
    return [name for name in life.engine.containers() if name.startswith(PREFIX)]


def identity(life, name=MAIN):
    return life.engine.inspect(name)["Id"]


# --- one per scope -------------------------------------------------------------------------------

def test_it_lasts(life):
    assert life("sh", "-c", "echo x > /tmp/mark; ls /run/creel").stdout == "init\n"
    first = identity(life)
    assert life("cat", "/tmp/mark").stdout == "x\n"
    done = life.cli("tool", "exec", "--workspace", life.workspace, "--json", "--args",
                    '{"command": "cat /tmp/mark"}')
    assert "x" in json.loads(done.stdout)["content"][0]["text"], done.stderr
    assert identity(life) == first and containers(life) == [MAIN]
    labels = life.engine.inspect(MAIN)["Config"]["Labels"]
    assert labels["creel.sandbox"] == "1" and labels["creel.sessionKey"] == "agent:main:main"
    assert labels["creel.agent"] == "main" and labels["creel.kind"] == "sandbox"
    assert labels["creel.workspace"] == str(life.workspace)
    assert len(labels["creel.configHash"]) == 64 and "creel.once" not in labels


@pytest.mark.parametrize("scope, count", [("session", 3), ("agent", 2), ("shared", 1)])
def test_scopes(life, scope, count):
    life.configure(scope=scope)
    for session in ("agent:main:a", "agent:main:b", "agent:other:a"):
        assert life("true", options=["--session", session]).returncode == 0
    assert len(containers(life)) == count
    listed = life.list()["containers"]
    assert sorted(c["containerName"] for c in listed) == containers(life)
    assert all(c["running"] and c["imageMatch"] for c in listed)


def test_processes_in_the_background_go_on(life):
    assert life("sh", "-c", "sleep 300 & echo $! > pid").returncode == 0
    assert life("sh", "-c", "kill -0 $(cat pid)").returncode == 0


def test_what_its_caller_ran_dies_with_it(life):
    assert life("true").returncode == 0
    process = life.start("sh", "-c", "echo up; exec sleep 3456", stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    wait_for(lambda: running_with("3456"))
    process.kill()
    process.wait()
    wait_for(lambda: not running_with("3456"))
    assert containers(life) == [MAIN]


def test_the_second_waits_and_says_so(life):
    assert life("true").returncode == 0
    holder = life.hold()
    second = life.start("echo", "mine", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert "waiting for the sandbox" in second.stderr.readline().decode()
    assert life.list()["containers"][0]["inUse"]
    holder.stdin.close()
    out, err = second.communicate(timeout=30)
    assert (out, err, second.returncode) == (b"mine\n", b"", 0)
    holder.wait(20)


def test_two_callers_of_a_new_session_get_one(life):
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        ran = list(pool.map(lambda n: life("echo", n, options=["--quiet"]), range(6)))
    assert [r.stdout for r in ran] == [f"{n}\n" for n in range(6)], [r.stderr for r in ran]
    assert containers(life) == [MAIN]


def test_twenty_at_once(life):
    def one(n):
        return life("sh", "-c", f"echo {n}", options=["--session", f"agent:main:s{n}"], timeout=240)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        ran = list(pool.map(one, range(20)))
    assert [r.stdout for r in ran] == [f"{n}\n" for n in range(20)], [r.stderr for r in ran]
    assert len(containers(life)) == 20 and len(life.names()) == 20
    assert life.cli("sandbox", "recreate", "--agent", "main", "--force").stdout == (
        "Done: 20 removed, 0 failed\n")
    assert containers(life) == [] and life.names() == []


# --- changes -------------------------------------------------------------------------------------

def test_a_changed_configuration(life):
    assert life("true").returncode == 0
    old = identity(life)
    life.configure(docker={"env": {"NEW": "value"}})
    assert life("sh", "-c", "echo $NEW").stdout == "value\n"
    idle = identity(life)
    assert idle != old
    life.drive("leave", "trap 'exit 0' USR1; echo $$ > pid; while :; do sleep 0.1; done")
    life.configure(docker={"env": {"NEW": "other"}})
    done = life("sh", "-c", "echo here")
    assert done.stdout == "here\n" and "creel sandbox recreate --session" in done.stderr
    assert identity(life) == idle
    assert life.cli("sandbox", "recreate", "--session", "main", "--force").returncode == 0
    assert life("sh", "-c", "echo $NEW").stdout == "other\n"


def test_what_a_command_left_behind_keeps_it(life):
    """Nobody remembers the command; what it started in the background runs on, and is not killed."""
    leave = "(setsid sh -c 'trap \"exit 0\" USR1; echo $$ > pid; while :; do sleep 0.05; done' &) >/dev/null 2>&1"
    assert life("sh", "-c", f"{leave}; while ! [ -s pid ]; do sleep 0.01; done").returncode == 0
    first = identity(life)
    life.configure(docker={"env": {"NEW": "value"}})
    done = life("sh", "-c", "kill -0 $(cat pid) && echo alive")
    assert done.stdout == "alive\n" and "creel sandbox recreate --session" in done.stderr
    assert identity(life) == first
    done = life("sh", "-c", "kill -USR1 $(cat pid); while kill -0 $(cat pid) 2>/dev/null; do sleep 0.01; done")
    assert done.returncode == 0 and identity(life) == first
    done = life("sh", "-c", "echo $NEW")
    assert (done.stdout, done.stderr) == ("value\n", "") and identity(life) != first


def test_an_image_of_another_name_is_listed(life):
    assert life("true").returncode == 0
    life.configure(docker={"image": "some-other:1"})
    [item] = life.list()["containers"]
    assert item["running"] and not item["imageMatch"]
    assert "not the one that is configured" in life.cli("sandbox", "list").stdout


# --- stopped, lost, taken ------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_stopped_container_is_started_again(life, how):
    assert life("true").returncode == 0
    first = identity(life)
    status, answer = life.engine.ask("POST", f"/containers/{MAIN}/{how}")
    assert status == 204, answer
    wait_for(lambda: not life.engine.inspect(MAIN)["State"]["Running"])
    assert life.list()["containers"][0]["status"] == "stopped"
    assert life("echo", "again").stdout == "again\n"
    assert identity(life) == first


def test_a_removed_container_is_made_anew(life):
    assert life("true").returncode == 0
    assert life.engine.ask("DELETE", f"/containers/{MAIN}?force=1")[0] == 204
    assert life.names() == []
    assert life("echo", "again").stdout == "again\n"


def test_a_lost_run_directory(life):
    """As after a reboot, where /run is empty: with the container running, then stopped."""
    for stop in (False, True):
        assert life("true").returncode == 0
        mounts = life.engine.inspect(MAIN)["Mounts"]
        run = [m["Source"] for m in mounts if m["Destination"] == "/run/creel"][0]
        if stop:
            assert life.engine.ask("POST", f"/containers/{MAIN}/kill")[0] == 204
        subprocess.run(["rm", "-rf", os.path.dirname(run)], check=True)
        assert life("echo", "again").stdout == "again\n"
        assert containers(life) == [MAIN]


def foreign(life, labels):
    status, answer = life.engine.ask(
        "POST", f"/containers/create?name={MAIN}",
        {"Image": "creel-sandbox:bookworm-slim", "Cmd": ["true"], "Labels": labels})
    assert status == 201, answer
    return answer["Id"]


@pytest.mark.parametrize("labels, words", [
    ({}, "Creel did not make"),
    ({"creel.instance": "0123456789abcdef", "creel.sandbox": "1"}, "another instance of Creel"),
])
def test_a_name_that_is_taken(life, labels, words):
    made = foreign(life, labels)
    try:
        done = life("true")
        assert (done.returncode, done.stdout) == (125, "") and words in done.stderr
        assert MAIN in done.stderr and identity(life) == made
        assert life.names() == []
        assert life.cli("sandbox", "rm", "--force", MAIN).stdout == "No sandbox containers match.\n"
        life.cli("sandbox", "prune")
        assert identity(life) == made
    finally:
        life.engine.ask("DELETE", f"/containers/{MAIN}?force=1")


def test_two_instances(life, creel_bin, tmp_path, workspace):
    """Two state directories, the same names."""
    (tmp_path / "other").mkdir(mode=0o700)
    other = Life(creel_bin, tmp_path / "other", workspace, life.base)
    assert life("true").returncode == 0
    done = other("true")
    assert done.returncode == 125 and "another instance of Creel" in done.stderr
    assert other.names() == [] and life.names() == [MAIN]
    other.base["docker"] = {**life.base["docker"], "containerPrefix": "other-sbx-"}
    other.config.write_text(other.config.read_text().replace(PREFIX, "other-sbx-"))
    assert other("true").returncode == 0
    assert other.names() == [MAIN.replace(PREFIX, "other-sbx-")] and life.names() == [MAIN]
    other.remove_all()
    other.cli("sandbox", "prune")
    assert containers(life) == [MAIN]


# --- the registry --------------------------------------------------------------------------------

def test_the_registry_comes_from_the_labels(life):
    for session in ("agent:main:a", "agent:work:b"):
        assert life("true", options=["--session", session]).returncode == 0
    before = {c["containerName"]: c for c in life.list()["containers"]}
    for damage in ("gone", "broken"):
        path = life.home / ".creel/sandbox/registry.db"
        path.unlink()
        if damage == "broken":
            path.write_bytes(b"x" * 9000)
        after = {c["containerName"]: c for c in life.list()["containers"]}
        assert after.keys() == before.keys()
        for name, item in after.items():
            for key in ("sessionKey", "agentId", "image", "configHash", "workspaceDir", "running"):
                assert item[key] == before[name][key], key


def test_a_list_without_an_engine(life, tmp_path):
    assert life("true").returncode == 0
    life.configure(docker={"socket": str(tmp_path / "none.sock")})
    path = life.home / ".creel/sandbox/registry.db"
    with sqlite3.connect(path) as db:
        db.execute("UPDATE sandboxes SET socket = ?", (str(tmp_path / "none.sock"),))
    db.close()
    listed = life.list()
    assert [c["status"] for c in listed["containers"]] == ["unknown"]
    assert "no container engine answers" in listed["warning"]
    life.configure()
    assert [c["status"] for c in life.list()["containers"]] == ["running"]


def test_it_works_while_the_engine_is_away(life):
    """The engine is not asked for a sandbox that dials home."""
    assert life("true").returncode == 0
    os.kill(life.engine.process.pid, signal.SIGSTOP)
    try:
        assert life("echo", "x").stdout == "x\n"
    finally:
        os.kill(life.engine.process.pid, signal.SIGCONT)


def test_what_is_let_in_against_the_rules_is_said_loudly(life, tmp_path):
    bound = "/var/spool/cron"
    os.makedirs(bound, exist_ok=True)
    life.configure(docker={"binds": [f"{bound}:/cron:ro"], "dangerouslyAllowBindSources": [bound],
                           "dangerouslyAllowExternalBindSources": True})
    done = life("ls", "/cron")
    assert done.returncode == 0, done.stderr
    (life.home / ".creel/sandbox/registry.db").unlink()  # the label says it, too
    assert f"DANGER:  bound into it by dangerouslyAllowBindSources: {bound}" in life.cli(
        "sandbox", "list").stdout
    assert life.list()["containers"][0]["dangerousBinds"] == [bound]


# --- setupCommand --------------------------------------------------------------------------------

def test_setup_runs_once_and_is_shown(life):
    life.configure(docker={"setupCommand": "echo setting up; echo x >> /workspace/count"})
    done = life.drive("run", "echo ready", check=False)
    assert done.stdout.endswith("ready\n") and done.stderr == "setting up\n"
    assert life("cat", "count").stdout == "x\n"
    assert containers(life) == [MAIN]


def test_a_failed_setup_leaves_nothing(life):
    life.configure(docker={"setupCommand": "echo the reason; exit 3"})
    for _ in range(2):
        done = life("echo", "not reached")
        assert (done.returncode, done.stdout) == (125, "")
        assert "failed with status 3; the sandbox is removed: the reason" in done.stderr
        assert life.engine.containers() == [] and life.names() == []


# --- killed at every moment ----------------------------------------------------------------------

# Between the requests to the engine; those themselves are in test_killed_at_stages.py.
@pytest.mark.parametrize("delay_ms, setup, with_client", [
    (2, None, False), (80, None, True), (250, None, False), (30, "sleep 0.3", True), (250, "sleep 0.3", False),
    (600, "sleep 0.3", True)])
def test_killed_while_it_is_made(life, delay_ms, setup, with_client):
    if setup:
        life.configure(docker={"setupCommand": f"{setup}; echo done >> /workspace/setup"})
    process = life.start("sleep", "1000")
    time.sleep(delay_ms / 1000)
    clients = [pid for pid, (name, parent) in processes().items()
               if name == "creel-docker" and parent == process.pid]
    if with_client:
        for pid in clients:
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    wait_for(lambda: not set(clients) & processes().keys())
    done = life("sh", "-c", "cat setup 2>/dev/null | tail -1; echo up")
    assert done.stdout == ("done\nup\n" if setup else "up\n"), done.stderr
    life.cli("sandbox", "prune")
    assert life.engine.containers() == [MAIN] and life.names() == [MAIN]


def test_left_overs_are_swept_up(life):
    """A half made container and one for once, whose owners are all dead."""
    assert life("true").returncode == 0
    labels = life.engine.inspect(MAIN)["Config"]["Labels"]
    for name, extra in ((f"{PREFIX}x.new", {}), (f"{PREFIX}y", {"creel.once": "1"})):
        status, answer = life.engine.ask(
            "POST", f"/containers/create?name={name}",
            {"Image": "creel-sandbox:bookworm-slim", "Cmd": ["true"], "Labels": {**labels, **extra}})
        assert status == 201, answer
    assert life.names() == [MAIN]
    assert "2 left over" in life.cli("sandbox", "prune").stdout
    assert life.engine.containers() == [MAIN]


def test_idle_ones_go_by_themselves(life):
    """The next caller prunes, if nobody has for five minutes."""
    assert life("true", options=["--session", "agent:main:old"]).returncode == 0
    [old] = life.names()
    with sqlite3.connect(life.home / ".creel/sandbox/registry.db") as db:
        db.execute("UPDATE sandboxes SET last_used_ms = last_used_ms - 25 * 3600000")
    db.close()
    mounts = life.engine.inspect(old)["Mounts"]
    home = os.path.dirname([m["Source"] for m in mounts if m["Destination"] == "/run/creel"][0])
    past = time.time() - 25 * 3600
    os.utime(f"{home}/lock", (past, past))
    assert life("true").returncode == 0
    assert len(containers(life)) == 2  # pruned a moment ago
    os.utime(life.home / ".creel/sandbox/pruned", (past, past))
    assert life("true").returncode == 0
    assert containers(life) == [MAIN] and not os.path.exists(home)


# --- an engine that dies -------------------------------------------------------------------------

def test_the_engine_is_restarted(life):
    assert life("true").returncode == 0
    first = identity(life)
    life.engine.crash()
    life.engine.start()
    assert life("echo", "x").stdout == "x\n"
    assert identity(life) == first


@pytest.mark.parametrize("delay_ms", [5, 200])
def test_the_engine_is_killed_while_it_is_made(life, delay_ms):
    process = life.start("echo", "made", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(delay_ms / 1000)
    life.engine.crash()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) in ((0, b"made\n"), (125, b"")), err
    life.engine.start()
    done = life("echo", "x")
    assert done.stdout == "x\n", done.stderr
    life.cli("sandbox", "prune")
    assert life.engine.containers() == [MAIN]
