"""creel doctor: what this host has, and whether a sandbox really starts."""
import json

from sandbox import write_config

LAYERS = ["userns", "mountns", "pidns", "netns", "ipcns", "utsns", "cgroupns", "seccomp", "landlock",
          "caps", "no-new-privs", "rlimits", "cgroup.pids", "cgroup.memory", "cgroup.cpu",
          "unprivileged-uid"]


def test_the_table_names_every_layer(creel):
    done = creel("doctor")
    assert done.returncode == 0, done.stdout
    for layer in LAYERS:
        assert f"\n{layer} " in done.stdout
    assert "\na sandbox starts here: 'true' ran in one, " in done.stdout


def test_json(creel):
    done = creel("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["ok"] and report["trial"]["ok"]
    assert [x["layer"] for x in report["layers"]] == LAYERS
    assert report["trial"]["durationMs"] > 0 and report["configProblem"] is None
    for layer in report["layers"]:
        assert layer["present"] or layer["fix"], layer


def test_it_leaves_nothing(creel, home):
    write_config(home, workspaceAccess="none")
    before = sorted(home.rglob("*"))
    assert creel("doctor").returncode == 0
    assert sorted(home.rglob("*")) == before


def test_a_broken_configuration_does_not_hide_the_host(creel, home):
    write_config(home, mode="nonsense")
    done = creel("doctor")
    assert done.returncode == 0
    assert "configuration: " in done.stdout and "creel config validate" in done.stdout


def test_the_users_own_settings_are_tried(creel, home):
    write_config(home, docker={"binds": [f"{home}/none:/data"]})
    done = creel("doctor")
    assert done.returncode == 1
    assert "no sandbox can start here: " in done.stdout and "/none" in done.stdout
