"""Bad input and bad hosts: one clear error that says what is missing and what to do, status 125,
nothing left behind; and doctor says the same beforehand."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Sandbox, host_state, write_config

WITHOUT = [sys.executable, "-B", str(Path(__file__).parent / "without.py")]


def refused(done, *words):
    """125, nothing on stdout, one sentence of creel's that has these words."""
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert done.stderr.startswith("creel: ")
    for word in words:
        assert word in done.stderr, done.stderr


def run(sandbox, prefix, *command, options=()):
    return subprocess.run([*prefix, *sandbox.argv(*command, options=options)], env=sandbox.env,
                          cwd=sandbox.home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def doctor(sandbox, prefix):
    done = subprocess.run([*prefix, str(sandbox.bin), "doctor", "--json"], env=sandbox.env,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)
    return done.returncode, json.loads(done.stdout)


# --- the workspace -------------------------------------------------------------------------------

def test_a_missing_workspace(creel, home, tmp_path):
    write_config(home)
    missing = tmp_path / "missing"
    refused(creel("exec", "--workspace", missing, "--", "true"), str(missing),
            "No such file or directory", "hint: make the directory")
    assert not missing.exists()


def test_a_workspace_that_is_a_file(creel, home, tmp_path):
    write_config(home)
    (tmp_path / "file").write_text("x")
    refused(creel("exec", "--workspace", tmp_path / "file", "--", "true"), "Not a directory")


@pytest.mark.parametrize("name", ["with space", "tab\there", "line\nbreak", "quote'\"", "ü", "-dash",
                                  "$HOME", "a,b", "colon:", "back\\slash", "%s"])
def test_odd_names_of_a_workspace(creel_bin, home, tmp_path, name):
    write_config(home)
    path = tmp_path / name
    path.mkdir()
    (path / "f").write_text("found")
    done = Sandbox(creel_bin, home, path)("sh", "-c", "cat f && echo x >g", cwd=path)
    assert (done.returncode, done.stdout) == (0, "found"), done.stderr
    assert (path / "g").read_text() == "x\n"


def test_a_workspace_through_symlinks(creel_bin, home, workspace, tmp_path):
    write_config(home)
    (tmp_path / "one").symlink_to(workspace)
    (tmp_path / "two").symlink_to("one")
    (workspace / "f").write_text("found")
    done = Sandbox(creel_bin, home, tmp_path / "two")("cat", "f")
    assert (done.returncode, done.stdout) == (0, "found")


def test_a_loop_of_symlinks(creel, home, tmp_path):
    write_config(home)
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    refused(creel("exec", "--workspace", tmp_path / "a", "--", "true"), "symbolic links")


def deep_directory(base, length):
    """A directory whose path has this many bytes, made step by step."""
    path = str(base)
    fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    while len(path) < length:
        name = "d" * min(200, length - len(path) - 1)
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd, path = below, path + "/" + name
        if length - len(path) == 1:
            break
    os.close(fd)
    return path


def test_a_workspace_with_a_very_long_path(creel_bin, home, tmp_path):
    write_config(home)
    path = deep_directory(tmp_path, 4000)
    done = Sandbox(creel_bin, home, path)("sh", "-c", "pwd; echo x >f; cat f")
    if done.returncode == 0:
        assert done.stdout == "/workspace\nx\n"
    else:
        refused(done, "too long")


def test_a_path_that_is_too_long(creel, home):
    write_config(home)
    refused(creel("exec", "--workspace", "/" + "d" * 5000, "--", "true"), "File name too long")


def test_a_read_only_workspace(sandbox, workspace, as_root):
    """A promise that cannot be kept is not made: rw on a read-only file system."""
    script = f"""mount --bind {workspace} {workspace} && mount -o remount,bind,ro {workspace} && exec "$@" """
    done = run(sandbox, ["unshare", "-m", "sh", "-c", script, "sh"], "sh", "-c", "ls; echo x >f")
    refused(done, "read-only file system", "workspaceAccess")


def test_a_workspace_without_permission(creel, home, tmp_path):
    if os.getuid() == 0:
        pytest.skip("root may everything")
    write_config(home)
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0)
    try:
        refused(creel("exec", "--workspace", closed / "inner", "--", "true"), "Permission denied")
    finally:
        closed.chmod(0o700)


# --- the configuration ---------------------------------------------------------------------------

def test_a_configuration_that_is_not_there(creel, tmp_path):
    refused(creel("exec", "--config", tmp_path / "none.json", "--", "true"), "none.json",
            "No such file or directory")


@pytest.mark.parametrize("text,words", [
    ("{", ["broken.json:1:"]),
    ("{ agents: { defaults: { sandbox: { mode: 'al' } } } }", [":1:42", "mode", "off, non-main, all"]),
    ("{ agents: { defaults: { sandbox: { mod: 'all' } } } }", [":1:36", "unknown key 'mod'", "'mode'"]),
    ("{ agents: { defaults: { sandbox: { docker: { network: 'host' } } } } }", ["network"]),
    ("\0\1\2", ["broken.json"]), ("", ["broken.json"]),
])
def test_a_broken_configuration(creel, home, text, words):
    path = home / "broken.json"
    path.write_text(text)
    done = creel("exec", "--config", path, "--", "true")
    refused(done, *words)


def test_every_error_of_a_configuration_is_shown(creel, home):
    path = home / "broken.json"
    path.write_text("{ agents: { defaults: { sandbox: {\n mod: 1,\n scope: 'x',\n} } },\n nonsense: 1 }")
    done = creel("exec", "--config", path, "--", "true")
    refused(done, ":2:2", ":3:9", ":5:2")


# --- hosts that lack something -------------------------------------------------------------------

NO_USERNS = "clone3:ENOSYS,clone:EPERM,unshare:EPERM"
LACKS = {
    # what fails and how, the layer that doctor names, words of the error
    "user namespaces are switched off": ("clone3:ENOSPC,clone:ENOSPC,unshare:ENOSPC", "userns",
                                         ["user", "namespaces"]),
    "user namespaces are forbidden": ("clone3:EPERM,clone:EPERM,unshare:EPERM", "userns",
                                      ["user", "namespaces"]),
    "Landlock is not compiled in": ("landlock_create_ruleset:ENOSYS", "landlock", ["landlock"]),
    "Landlock is switched off": ("landlock_create_ruleset:EOPNOTSUPP", "landlock", ["landlock"]),
    "seccomp is not compiled in": ("seccomp:ENOSYS", "seccomp", ["seccomp"]),
}


@pytest.mark.parametrize("name", LACKS)
def test_a_layer_that_is_missing(sandbox, home, workspace, name):
    calls, layer, words = LACKS[name]
    sandbox("true")
    before = host_state(home, workspace)
    done = run(sandbox, [*WITHOUT, calls], "true")
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    for word in words:
        assert word.lower() in done.stderr.lower(), done.stderr
    assert host_state(home, workspace) == before
    status, report = doctor(sandbox, [*WITHOUT, calls])
    assert status == 1 and not report["ok"]
    fact = next(x for x in report["layers"] if x["layer"] == layer)
    assert not fact["present"] and fact["fix"]


def test_a_layer_that_may_be_missing(sandbox, home):
    write_config(home, native={"allowMissing": ["landlock"]})
    calls = "landlock_create_ruleset:ENOSYS"
    done = run(sandbox, [*WITHOUT, calls], "echo", "ran")
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    explained = subprocess.run([*WITHOUT, calls, str(sandbox.bin), "sandbox", "explain"],
                               env=sandbox.env, capture_output=True, text=True, check=False)
    assert "landlock" in explained.stdout
    status, report = doctor(sandbox, [*WITHOUT, calls])
    assert status == 0
    fact = next(x for x in report["layers"] if x["layer"] == "landlock")
    assert (fact["present"], fact["allowedMissing"]) == (False, True)


def test_no_namespaces_without_the_filter_either(sandbox, home):
    """The filter refuses them; where there may be none, their number is 0."""
    write_config(home, native={"allowMissing": ["seccomp"]})
    prefix = [*WITHOUT, "seccomp:ENOSYS"]
    assert run(sandbox, prefix, "echo", "ran").stdout == "ran\n"
    done = run(sandbox, prefix, "unshare", "-U", "echo", "ran")
    assert (done.returncode != 0, done.stdout) == (True, ""), done.stderr


def test_no_proc(sandbox, home, workspace):
    flags = ["-m"] if os.getuid() == 0 else ["-U", "-r", "-m"]
    prefix = ["unshare", *flags, "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("/proc cannot be hidden here")
    refused(run(sandbox, prefix, "echo", "ran"), "/proc is not mounted", "mount -t proc")


def test_a_limit_that_this_host_cannot_hold(sandbox, home, workspace):
    status, report = doctor(sandbox, [])
    fact = next(x for x in report["layers"] if x["layer"] == "cgroup.memory")
    if fact["present"]:
        pytest.skip("this user may make control groups")
    assert fact["fix"]
    write_config(home, docker={"memory": "64m"})
    before = host_state(home, workspace)
    refused(sandbox("true"), "memory")
    assert host_state(home, workspace) == before
    assert status == 0


def test_a_bind_that_is_not_there(sandbox, home, workspace):
    write_config(home, docker={"binds": [f"{workspace}/none:/data:ro"]})
    refused(sandbox("true"), "/none", "binds")
    assert not (workspace / "none").exists()


def test_a_bind_of_the_engines_socket(sandbox, home):
    write_config(home, docker={"binds": ["/var/run/docker.sock:/var/run/docker.sock"]})
    refused(sandbox("true"), "docker.sock")


def test_a_backend_that_is_not_built(creel, home, workspace):
    write_config(home, backend="docker")
    refused(creel("exec", "--workspace", workspace, "--", "true"), "docker")
