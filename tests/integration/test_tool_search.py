# SPDX-License-Identifier: MIT
"""grep by the image's rg and by the built-in: the same answers, text for text."""

import itertools
import random
import shutil

import pytest

from support import need
from tool_batch import CONFIG, Batch, Failed

# With workspaceOnly the built-in answers, without it rg where there is one.
BUILT_IN = CONFIG[:-1] + ',tools:{fs:{workspaceOnly:true}}}'


@pytest.fixture
def both(creel_bin, home):
    need(shutil.which("rg", path="/usr/bin:/usr/local/bin"), "rg is not installed")
    workspace = home / "ws"
    fast = Batch(creel_bin, home, workspace)
    slow = Batch(creel_bin, home, workspace, config=BUILT_IN)
    yield fast, slow
    fast.close()
    slow.close()


def fill(workspace, rng):
    words = ["alpha", "Alpha", "beta", "gamma", "foo(bar)", "x = 1;", "", "tab\there", "é ü", "end\r"]
    dirs = ["", "a", "a/b", "a.d", "a-c", ".hidden", "build", "sub", "sub/deep", "sub/deep/er"]
    for name in dirs:
        (workspace / name).mkdir(parents=True, exist_ok=True)
        for file in ("one.c", "two.h", "three", "-dash", ".dot", "build.log", "sp ace.txt"):
            if rng.random() < 0.8:
                lines = [rng.choice(words) for _ in range(rng.randrange(30))]
                end = rng.choice(["", "\n"])
                (workspace / name / file).write_bytes(("\n".join(lines) + end).encode())
    (workspace / "a" / "binary").write_bytes(b"alpha\nalpha\0alpha\n")
    (workspace / "a" / "latin").write_bytes(b"alpha\nnothing here \xe9\n")
    (workspace / "long.txt").write_text("alpha " * 1000 + "\nbeta\n", encoding="utf-8")
    (workspace / "utf16").write_bytes("alpha\n".encode("utf-16"))
    (workspace / "link.c").symlink_to("a/one.c")
    (workspace / "linked").symlink_to("a")
    (workspace / ".gitignore").write_text("build/\n*.log\n!keep.log\n/sub/deep/two.h\n",
                                          encoding="utf-8")
    (workspace / "keep.log").write_text("alpha\n", encoding="utf-8")
    (workspace / "sub" / ".gitignore").write_text("three\n!build.log\n", encoding="utf-8")
    (workspace / ".ignore").write_text("a\n", encoding="utf-8")
    (workspace / ".git" / "info").mkdir(parents=True)
    (workspace / ".git" / "config").write_text("alpha\n", encoding="utf-8")
    (workspace / ".git" / "info" / "exclude").write_text("a/b/one.c\n", encoding="utf-8")


PATTERNS = [{"pattern": p} for p in (
    "alpha", "^beta$", "[a-z]+ = [0-9];", r"\w\(\w+\)", "a|g", "no such thing", "^$", "é", "$",
    "-n", "[[:upper:]]lpha", "(", "a{2", "al(p)ha{1}", "a" * 1100, "\\<a", "alpha\nbeta")]
OPTIONS = [{}, {"ignoreCase": True}, {"literal": True}, {"literal": True, "ignoreCase": True},
           {"context": 2}, {"context": 1, "limit": 3}, {"limit": 1}, {"limit": 7},
           {"noIgnore": True}, {"glob": "*.c"}, {"glob": "*.{c,h}", "context": 1},
           {"glob": "a/**"}, {"path": "sub"}, {"path": "/workspace/a", "context": 3},
           {"path": "a/../sub/deep/"}, {"path": "a/one.c"}, {"path": "build"}, {"path": "linked"},
           {"path": "~/a"}, {"path": "nowhere"}, {"path": "a", "glob": "*.c"}, {"path": ""},
           {"path": "sub/three"}, {"path": "-dash"}, {"glob": ""}, {"path": "."},
           {"path": "/workspace/", "context": 1}, {"path": "@"}, {"glob": "[a-o]*"}]


def ask(batch, args):
    try:
        result = batch.call("grep", **args)
        return (result["content"][0]["text"], result["details"]["matches"],
                result["details"]["files"], result["details"].get("truncated"))
    except Failed as failed:
        return failed.error["message"]


@pytest.mark.parametrize("seed", range(4))
def test_same_answers(both, home, seed):
    fill(home / "ws", random.Random(seed))
    for pattern, option in itertools.product(PATTERNS, OPTIONS):
        args = {**pattern, **option}
        assert ask(both[0], args) == ask(both[1], args), args


def test_rg_really_answers(creel_bin, home):
    """filesSearched tells: rg counts what it searched after the limit was met, too."""
    need(shutil.which("rg", path="/usr/bin:/usr/local/bin"), "rg is not installed")
    batch = Batch(creel_bin, home, home / "ws")
    for i in range(50):
        (home / "ws" / f"f{i:02}").write_text("alpha\n", encoding="utf-8")
    result = batch.call("grep", pattern="alpha", limit=2)
    batch.close()
    assert result["details"]["matches"] == 2
    assert result["details"]["filesSearched"] == 50


def test_too_much_for_rg(both, home):
    """Output over the ring is the built-in's to bound."""
    text = "".join(f"alpha {i} {'x' * 300}\n" for i in range(20000))
    (home / "ws" / "big.txt").write_text(text, encoding="utf-8")
    args = {"pattern": "alpha", "limit": 10000}
    assert ask(both[0], args) == ask(both[1], args)


def test_many_files(both, home):
    for i in range(3000):
        path = home / "ws" / f"d{i % 37}" / f"f{i}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"line\nneedle {i}\n", encoding="utf-8")
    for args in ({"pattern": "needle", "limit": 50}, {"pattern": "needle 29", "limit": 1000}):
        assert ask(both[0], args) == ask(both[1], args)


def test_endless_pattern_ends(both, home):
    """400 alternatives under a star, over a line of 4 MiB: hours for the built-in, if it were let."""
    (home / "ws" / "long").write_text("a" * (4 << 20), encoding="utf-8")
    pattern = "(" + "|".join(["a"] * 400) + ")*b"
    stuck = both[1].start("grep", pattern=pattern)
    # The others go on meanwhile.
    assert both[1].text("exec", command="echo on") == "on"
    with pytest.raises(Failed) as failed:
        both[1].wait(stuck)
    assert failed.value.error["code"] == "timeout"
    assert both[1].text("grep", pattern="b") == "No matches found"
