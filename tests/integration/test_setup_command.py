"""docker.setupCommand: before anything else in a new sandbox, of whichever backend."""
import json

import pytest

from sandbox import write_config


@pytest.fixture(params=["native", "docker"])
def configured(request, home):
    """configured(command, **docker keys): a Sandbox with this setupCommand."""

    def make(command, **docker):
        docker["setupCommand"] = command
        if request.param == "native":
            write_config(home, docker=docker)
            return request.getfixturevalue("sandbox")
        sandbox = request.getfixturevalue("docker")
        sandbox.configure(docker)
        return sandbox

    # The fixtures write a configuration of their own: first them, then ours.
    request.getfixturevalue("sandbox" if request.param == "native" else "docker")
    return make


def test_it_runs_first_and_in_silence(configured, workspace):
    sandbox = configured("echo noise; echo noise >&2; echo made > made; pwd >> made")
    done = sandbox("cat", "made")
    assert (done.returncode, done.stdout, done.stderr) == (0, "made\n/workspace\n", "")


def test_a_list_holds_its_lines(configured):
    sandbox = configured(["set -e", "echo one > lines", "echo two >> lines"])
    assert sandbox("cat", "lines").stdout == "one\ntwo\n"


def test_its_environment(configured):
    sandbox = configured("echo $PATH $HOME $MINE > env; env | grep -c ^PATH= >> env",
                         env={"MINE": "a b"})
    done = sandbox("cat", "env")
    assert done.stdout.splitlines()[0].endswith(" /workspace a b"), done
    assert done.stdout.splitlines()[1] == "1"


@pytest.mark.parametrize("command,words", [
    ("echo first; echo 'no such package' >&2; exit 3",
     "docker.setupCommand failed with status 3; the sandbox is removed: first no such package"),
    ("false", "failed with status 1; the sandbox is removed\n"),
    ("kill -KILL $$", "failed with signal 9"),
    ("printf 'bad \\033[31m byte\\n'; exit 1", "bad \\x1b[31m byte"),
    ("seq 100000; echo the end; exit 1", "99999 100000 the end\n"),
])
def test_when_it_fails_nothing_runs(configured, workspace, command, words):
    sandbox = configured(command)
    done = sandbox("touch", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert not (workspace / "ran").exists()


def test_it_fails_for_tools_too(configured, creel, workspace):
    configured("echo why; exit 9")
    done = creel("tool", "exec", "--workspace", workspace, "--json", "--args",
                 json.dumps({"command": "touch ran"}))
    assert done.returncode != 0
    assert "docker.setupCommand failed with status 9" in done.stdout + done.stderr
    assert not (workspace / "ran").exists()
