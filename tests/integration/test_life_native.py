"""Native sandboxes that last, as a gateway has them."""
import os
import signal
import sqlite3

import pytest

from life import Life


@pytest.fixture
def life(creel_bin, home, workspace):
    if os.getuid() == 0:
        os.chown(workspace, 1000, 1000)
    life = Life(creel_bin, home, workspace)
    yield life
    life.clean()


def registry(life):
    return life.home / ".creel/sandbox/registry.db"


def test_it_is_found_again(life):
    first, _ = life.drive("run", "echo x > /tmp/mark")
    second, text = life.drive("run", "cat /tmp/mark; ls /run/creel")
    assert (first["created"], second["created"], text) == (True, False, "x\ninit\n")
    assert first["backend"] == "native" and first["name"] == second["name"]
    assert len(life.keepers()) == 1
    [item] = life.list()["containers"]
    assert item["containerName"] == first["name"] and item["running"] and not item["inUse"]
    assert item["sessionKey"] == "agent:main:main" and item["backendId"] == "native"
    assert item["workspaceDir"] == str(life.workspace)


def test_each_session_has_its_own(life):
    names = {life.drive("run", "true", session=f"agent:main:s{n}")[0]["name"] for n in range(3)}
    assert len(names) == 3 and life.names() == sorted(names)
    done = life.cli("sandbox", "recreate", "--session", "agent:main:s1", "--force")
    assert done.stdout == "Done: 1 removed, 0 failed\n"
    assert len(life.names()) == 2
    assert life.drive("run", "true", session="agent:main:s1")[0]["created"]


def test_a_killed_one_is_made_anew(life):
    life.drive("run", "true")
    [pid] = life.keepers()
    os.kill(pid, signal.SIGKILL)
    assert life.drive("run", "true")[0]["created"]
    assert life.names() == [life.drive("run", "true")[0]["name"]]


def test_a_changed_configuration_waits_for_what_runs(life):
    life.drive("run", "true")
    life.configure(docker={"env": {"NEW": "1"}})
    changed, _ = life.drive("leave", "trap 'exit 0' USR1; echo $$ > pid; while :; do sleep 0.1; done")
    assert changed["created"] and not changed["stale"]  # nothing ran in the old one
    life.configure(docker={"env": {"NEW": "2"}})
    busy, _ = life.drive("run", "true")
    assert busy["stale"] and not busy["created"]
    assert "creel sandbox recreate --session 'agent:main:main'" in busy["notice"]
    assert life.drive("run", "kill -USR1 $(cat pid); sleep 0.3")[0]["stale"]
    after, _ = life.drive("run", "true")
    assert after["created"] and not after["stale"]


def test_what_a_command_left_behind_keeps_it(life):
    life.drive("run", "(setsid sleep 1000 &) >/dev/null 2>&1")
    life.configure(docker={"env": {"NEW": "1"}})
    busy, rest = life.drive("run", "pidof sleep || cat /proc/[0-9]*/comm")
    assert busy["stale"] and not busy["created"] and rest
    # A signal that was sent is not yet a process that has ended.
    life.drive("run", "pid=$(grep -lx sleep /proc/[0-9]*/comm | cut -d/ -f3); kill $pid;"
                      " while [ -e /proc/$pid ]; do sleep 0.01; done")
    after, _ = life.drive("run", "true")
    assert after["created"] and not after["stale"]


def test_somebody_who_holds_it_is_waited_for(life):
    holder = life.hold()
    assert life.list()["containers"][0]["inUse"]
    done = life.cli("sandbox", "prune")
    assert done.returncode == 0 and len(life.names()) == 1
    # Taken away under its hands: the holder's stream ends, and the lock comes free with it.
    holder.stdin.close()
    assert holder.wait(20) == 0
    assert not life.list()["containers"][0]["inUse"]


def test_removed_in_spite_of_its_holder(life):
    holder = life.hold()
    remover = life.cli
    holder.stdin.close()
    assert remover("sandbox", "rm", "--force", "agent:main:main").stdout.startswith("Done: 1 removed")
    holder.wait(20)
    assert life.names() == []


@pytest.mark.parametrize("damage", ["gone", "text", "cut", "version"])
def test_the_registry_is_filled_again(life, damage):
    name = life.drive("run", "true")[0]["name"]
    path = registry(life)
    assert path.stat().st_mode & 0o777 == 0o600
    if damage == "gone":
        path.unlink()
    elif damage == "text":
        path.write_text("this is no database, and long enough to be looked at as one" * 40)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 77")
        db.close()
    assert life.names() == [name]
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sandboxes").fetchall() == [(name,)]
    db.close()
    assert not life.drive("run", "true")[0]["created"]


def test_a_state_directory_that_takes_nothing_more(life):
    """Sandboxes do not depend on the registry."""
    state = life.home / ".creel/sandbox"
    state.write_text("a file where the directory would be")
    life.drive("run", "true")
    listed = life.list()
    assert len(listed["containers"]) == 1 and "registry" in listed["warning"]
    state.unlink()


def test_own_limits_of_each_agent(life):
    agents = [{"id": "main", "default": True}, {"id": "brief", "sandbox": {"prune": {"idleHours": 1}}}]
    config = life.config.read_text()
    life.config.write_text(config[:-2] + ', "list": ' + str(agents).replace("'", '"').replace(
        "True", "true") + "}}")
    names = [life.drive("run", "true", session=f"agent:{agent}:x")[0]["name"]
             for agent in ("main", "brief")]
    with sqlite3.connect(registry(life)) as db:
        db.execute("UPDATE sandboxes SET last_used_ms = last_used_ms - 7200000")
    db.close()
    age_homes(life, names, 7200)
    done = life.cli("sandbox", "prune")
    assert done.returncode == 0 and f"Removed {names[1]}\n" in done.stdout, done.stdout + done.stderr
    assert life.names() == [names[0]]


def age_homes(life, names, seconds):
    for name in names:
        lock = life.homes() / name / "lock"
        st = os.stat(lock)
        os.utime(lock, (st.st_atime - seconds, st.st_mtime - seconds))


def test_workspaces_go_on_request_only(life):
    life.configure(workspaceAccess="none")
    name = life.drive("run", "mkdir a; echo x > a/b; ln -s / out")[0]["name"]
    [item] = life.list("--workspaces")["containers"]
    own = item["workspaceDir"]
    assert os.path.exists(f"{own}/a/b") and life.list("--workspaces")["workspaces"] == []
    life.remove_all()
    assert os.path.exists(f"{own}/a/b")
    assert [w["path"] for w in life.list("--workspaces")["workspaces"]] == [own]
    assert life.cli("sandbox", "prune").returncode == 0
    done = life.cli("sandbox", "prune", "--workspaces", input="n\n")
    assert "Cancelled." in done.stdout and own in done.stderr and os.path.exists(own)
    done = life.cli("sandbox", "prune", "--workspaces", input="y\n")
    assert done.returncode == 0 and f"Deleted {own}" in done.stdout, done.stdout + done.stderr
    assert not os.path.exists(own) and os.path.exists("/usr") and name not in life.names()


@pytest.mark.parametrize("args", [[], ["--all", "--session", "x"], ["--browser"],
                                  ["--agent", "x", "--all"]])
def test_recreate_wants_one_filter(life, args):
    done = life.cli("sandbox", "recreate", *args)
    assert done.returncode == 2 and "exactly one of --all" in done.stderr


def test_cancelled_is_no_failure(life):
    life.drive("run", "true")
    for answer in ("", "n\n", "yep\n"):
        done = life.cli("sandbox", "recreate", "--all", input=answer)
        assert (done.returncode, done.stdout) == (0, "Cancelled.\n")
        assert "will be removed" in done.stderr
    assert len(life.names()) == 1
    assert life.cli("sandbox", "recreate", "--all", input="y\n").stdout == "Done: 1 removed, 0 failed\n"
    done = life.cli("sandbox", "recreate", "--all")
    assert (done.returncode, done.stdout) == (0, "No sandbox containers match.\n")
    assert life.cli("sandbox", "list").stdout == "No sandbox containers found.\n"
    assert life.cli("sandbox", "list", "--browser").stdout == "No sandbox browser containers found.\n"
