"""Workspaces that belong to one user and a docker.user who is another: everybody can work."""
import os
import stat
from pathlib import Path

import pytest

from life import Life


@pytest.fixture
def lasting(creel_bin, home, workspace, clean_engine):
    """Containers that last; taken away at the end, and their mounts with them."""
    life = Life(creel_bin, home, workspace, {"backend": "docker"})

    def configure(user, access="rw"):
        life.configure(backend="docker", workspaceAccess=access,
                       docker={"socket": str(clean_engine.socket), "user": user})

    life.as_user = configure
    yield life
    life.clean()
    assert "/owned/" not in Path("/proc/self/mounts").read_text()


@pytest.mark.parametrize("owner,user", [(0, 1000), (1000, 0), (1000, 1234), (1000, 1000)])
def test_the_owners_files_are_the_users(lasting, workspace, owner, user):
    (workspace / "deep").mkdir()
    (workspace / "deep/secret").write_text("kept\n")
    for path, mode in [(workspace, 0o700), (workspace / "deep", 0o700), (workspace / "deep/secret", 0o600)]:
        os.chown(path, owner, owner)
        os.chmod(path, mode)
    lasting.as_user(f"{user}:{user}")
    done = lasting("sh", "-c", "id -u; cat deep/secret; echo new >deep/made; stat -c %u:%g deep/made")
    assert (done.returncode, done.stdout) == (0, f"{user}\nkept\n{user}:{user}\n"), done.stderr
    made = os.stat(workspace / "deep/made")
    assert (made.st_uid, made.st_gid) == (owner, owner)
    # The same sandbox again, through its own stream.
    assert lasting("cat", "deep/made").stdout == "new\n"


def test_others_stay_others(lasting, workspace):
    """Owner and user are exchanged, nobody else changes hands."""
    os.chown(workspace, 1000, 1000)
    for name, uid in [("of-root", 0), ("of-third", 4711)]:
        (workspace / name).write_text("")
        os.chown(workspace / name, uid, uid)
        os.chmod(workspace / name, 0o600)
    lasting.as_user("1234:1234")
    done = lasting("sh", "-c", "stat -c %u of-root of-third; cat of-third")
    assert done.stdout == "0\n4711\n" and "ermission denied" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("access", ["none", "ro"])
def test_the_sandboxs_own_workspace(lasting, workspace, access):
    os.chown(workspace, 1000, 1000)
    os.chmod(workspace, 0o700)
    (workspace / "mine").write_text("agent's\n")
    os.chown(workspace / "mine", 1000, 1000)
    os.chmod(workspace / "mine", 0o600)
    lasting.as_user("1234:1234", access)
    done = lasting("sh", "-c", "touch /workspace/x && echo written; cat /agent/mine 2>/dev/null; true")
    assert done.stdout == ("written\n" if access == "none" else "agent's\n"), done.stderr


def test_after_the_engine_was_restarted(lasting, workspace, engine):
    os.chown(workspace, 1000, 1000)
    os.chmod(workspace, 0o700)
    lasting.as_user("1234:1234")
    assert lasting("touch", "a").returncode == 0
    engine.crash()
    engine.start()
    done = lasting("sh", "-c", "ls; touch b")
    assert (done.returncode, done.stdout) == (0, "a\n"), done.stderr
    assert stat.S_IMODE(os.stat(workspace).st_mode) == 0o700
    assert os.stat(workspace / "b").st_uid == 1000
