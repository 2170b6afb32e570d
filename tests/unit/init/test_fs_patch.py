# SPDX-License-Identifier: MIT
"""apply_patch: against a plain reference, mutated, and on a disk that does not cooperate."""

import os
import random
import stat

import pytest

import patch_reference as reference
from fs_driver import DRIVER, Driver, ToolError


@pytest.fixture
def workspace(tmp_path):
    """A workspace and its driver."""
    root = tmp_path / "ws"
    root.mkdir()
    with Driver(root, "workspace-only") as driver:
        yield root, driver


def wrap(*lines):
    """A whole patch."""
    return "\n".join(("*** Begin Patch",) + lines + ("*** End Patch",))


def tree(root):
    """Every file and link, with mode."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_dir():
            found[name] = mode
        else:
            found[name] = (mode, path.read_bytes())
    return found


# ---- against the reference ----

WORDS = ["a", "b", "c", "", " a", "a ", "\ta", "x - y", "x \u2013 y", "\u201cq\u201d", '"q"',
         "it\u2019s", "it's", "long line", "\u00a0", "}", "{"]


def random_text(rng):
    lines = [rng.choice(WORDS) for _ in range(rng.choice([0, 1, 2, 4, 8, 20]))]
    return "\n".join(lines) + (rng.choice(["\n", "\n", ""]) if lines else "")


def blur(rng, line):
    """A line as a model might remember it."""
    kind = rng.random()
    if kind < 0.6:
        return line
    if kind < 0.7:
        return line + " "
    if kind < 0.8:
        return line.strip()
    if kind < 0.9:
        return reference.fold(line)
    return rng.choice(WORDS)


def random_patch(rng, text):
    """Chunks made from pieces of text, most of which fit."""
    lines = text.split("\n")
    out = ["*** Update File: f"]
    at = 0
    for _ in range(rng.randint(1, 4)):
        kind = rng.random()
        if kind < 0.2 and lines:
            out.append("@@ " + blur(rng, rng.choice(lines)))
        elif kind < 0.9 or len(out) > 1:
            out.append("@@")
        if rng.random() < 0.1:
            at = 0
        at = min(len(lines), at + rng.choice([0, 0, 1, 2, 5]))
        for line in lines[at:at + rng.randint(0, 4)]:
            kind = rng.random()
            line = blur(rng, line)
            if kind < 0.4:
                out.append(" " + line if line or rng.random() < 0.5 else "")
            elif kind < 0.7:
                out.append("-" + line)
                if rng.random() < 0.7:
                    out.append("+" + rng.choice(WORDS))
            else:
                out.append("+" + rng.choice(WORDS))
            at += 1
        if rng.random() < 0.3:
            out.append("+" + rng.choice(WORDS))
        if rng.random() < 0.15:
            out.append("*** End of File")
        if rng.random() < 0.1:
            out.append("")
    return wrap(*out)


def by_reference(text, patch):
    """New text, None when the reference does not say, or Refused."""
    hunks = reference.parse(patch)
    return reference.apply(text, hunks[0][3])


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize("seed", range(8))
def test_random_patches_agree_with_the_reference(workspace, seed, crlf):
    _, driver = workspace
    rng = random.Random(seed)
    fits = 0
    for _ in range(1500):
        text = random_text(rng)
        patch = random_patch(rng, text)
        if crlf and "\n" not in text:
            continue
        try:
            want = by_reference(text, patch)
            if want is None:
                continue
        except reference.Refused:
            want = reference.Refused
        given, shown = text, patch
        if crlf:
            given = text.replace("\n", "\r\n")
            shown = rng.choice([patch, patch.replace("\n", "\r\n")])
        try:
            got = driver.call("patch-text", given, shown)[0].decode()
        except ToolError:
            got = reference.Refused
        if crlf and want is not reference.Refused:
            want = want.replace("\n", "\r\n")
        assert got == want, (given, shown)
        fits += want is not reference.Refused
    assert fits > 200


def test_mutated_patches_agree_with_the_reference(workspace):
    """Bit flips, cuts and swaps: both sides take the same ones and make the same of them."""
    _, driver = workspace
    rng = random.Random(7)
    text = "alpha\nbeta\n  gamma\ndelta\n\nepsilon\n"
    patch = wrap("*** Update File: f", "@@ alpha", " beta", "-gamma", "+GAMMA", "@@", "-epsilon",
                 "+e", "+", "*** End of File")
    taken = 0
    for _ in range(6000):
        data = bytearray(patch.encode())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data) + 1)
            kind = rng.random()
            if kind < 0.4:
                data[at:at + 1] = bytes(c ^ 1 << rng.randrange(7) for c in data[at:at + 1])
            elif kind < 0.6:
                del data[at:at + rng.randint(1, 6)]
            elif kind < 0.8:
                data[at:at] = rng.choice([b"\n", b"@@\n", b" ", b"+x\n", b"***", b"\r\n"])
            else:
                data = data[:at + 1]
        changed = data.decode()
        if "\0" in changed:
            continue
        try:
            hunks = reference.parse(changed)
            if hunks[0][0] != "update":
                continue
            want = reference.apply(text, hunks[0][3])
            if want is None:
                continue
        except reference.Refused:
            want = reference.Refused
        try:
            got = driver.call("patch-text", text, changed)[0].decode()
        except ToolError:
            got = reference.Refused
        assert got == want, changed
        taken += want is not reference.Refused
    assert taken > 100


def test_random_patches_over_several_files_are_all_or_nothing(workspace):
    root, driver = workspace
    rng = random.Random(3)
    done = refused = 0
    for _ in range(400):
        files = {name: random_text(rng) for name in "abc" if rng.random() < 0.8}
        for name in "abcd":
            (root / name).unlink(missing_ok=True)
        for name, text in files.items():
            (root / name).write_bytes(text.encode())
        hunks = []
        for _ in range(rng.randint(1, 5)):
            name = rng.choice("abcd")
            kind = rng.random()
            if kind < 0.2:
                hunks += [f"*** Add File: {name}", "+new"]
            elif kind < 0.4:
                hunks += [f"*** Delete File: {name}"]
            else:
                body = random_patch(rng, files.get(name, "a\n")).split("\n")[2:-1]
                move = [f"*** Move to: {rng.choice('abcd')}"] if rng.random() < 0.3 else []
                hunks += [f"*** Update File: {name}"] + move + body
        patch = wrap(*hunks)
        want = run_reference(dict(files), patch)
        if want is None:
            continue
        before = tree(root)
        try:
            driver.patch(patch)
            got = {p.name: p.read_bytes().decode() for p in root.iterdir()}
            assert got == want, (files, patch)
            done += 1
        except ToolError:
            assert want is reference.Refused, (files, patch)
            assert tree(root) == before
            refused += 1
    assert done > 30 and refused > 30


def run_reference(files, patch):
    """Files after a patch, Refused, or None when the reference does not say."""
    try:
        for action, path, move, body in reference.parse(patch):
            if action == "add":
                files[path] = body
                continue
            if path not in files:
                return reference.Refused
            if action == "delete":
                del files[path]
                continue
            made = reference.apply(files[path], body)
            if made is None:
                return None
            if move is not None:
                if move == path:
                    return reference.Refused
                del files[path]
            files[move or path] = made
    except reference.Refused:
        return reference.Refused
    return files


# ---- what the reference does not say ----

def test_chunks_that_share_context_at_the_end(workspace):
    root, driver = workspace
    (root / "f").write_text("a\nb\nc\n")
    driver.patch(wrap("*** Update File: f", "@@", " a", "-b", "+B", " c", "@@", " c", "+d",
                      "*** End of File"))
    assert (root / "f").read_text() == "a\nB\nc\nd\n"


def test_chunks_that_contradict_each_other_at_the_end(workspace):
    root, driver = workspace
    (root / "f").write_text("a\nb\nc\n")
    with pytest.raises(ToolError):
        driver.patch(wrap("*** Update File: f", "@@", " a", "-b", "-c", "+B", "@@", "-c", "+d",
                          "*** End of File"))
    assert (root / "f").read_text() == "a\nb\nc\n"


def test_lines_keep_their_own_ends_in_a_mixed_file(workspace):
    root, driver = workspace
    (root / "f").write_bytes(b"a\r\nb\nc\r\nd\n")
    driver.patch(wrap("*** Update File: f", "@@", " b", "-c", "+C", "+D"))
    assert (root / "f").read_bytes() == b"a\r\nb\nC\r\nD\r\nd\n"


def test_a_byte_order_mark_stays_where_the_patch_does_not_touch_it(workspace):
    root, driver = workspace
    (root / "f").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    driver.patch(wrap("*** Update File: f", "@@", "-b", "+B"))
    assert (root / "f").read_bytes() == b"\xef\xbb\xbfa\r\nB\r\n"


def test_modes_and_links_survive(workspace):
    root, driver = workspace
    (root / "real").mkdir()
    (root / "real/f").write_text("x\n")
    (root / "real/f").chmod(0o750)
    (root / "l").symlink_to("real/f")
    driver.patch(wrap("*** Update File: l", "@@", "-x", "+y", "*** Add File: l2", "+n"))
    assert os.readlink(root / "l") == "real/f"
    assert (root / "real/f").read_text() == "y\n"
    assert stat.S_IMODE((root / "real/f").stat().st_mode) == 0o750


def test_a_moved_file_keeps_its_mode(workspace):
    root, driver = workspace
    (root / "run.sh").write_text("x\n")
    (root / "run.sh").chmod(0o755)
    driver.patch(wrap("*** Update File: run.sh", "*** Move to: bin/go.sh", "@@", "-x", "+y"))
    assert not (root / "run.sh").exists()
    assert stat.S_IMODE((root / "bin/go.sh").stat().st_mode) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners_survive(workspace):
    root, driver = workspace
    (root / "f").write_text("x\n")
    os.chown(root / "f", 1234, 2345)
    driver.patch(wrap("*** Update File: f", "@@", "-x", "+y"))
    assert (root / "f").stat().st_uid == 1234 and (root / "f").stat().st_gid == 2345


@pytest.mark.parametrize("target", ["a", "./a", "d/../a", "l"])
def test_a_move_onto_itself_is_an_error(workspace, target):
    root, driver = workspace
    (root / "a").write_text("x\n")
    (root / "l").symlink_to("a")
    before = tree(root)
    with pytest.raises(ToolError, match="onto itself"):
        driver.patch(wrap("*** Update File: a", f"*** Move to: {target}", "@@", "-x", "+y"))
    assert tree(root) == before


def test_moving_a_symlink_moves_what_it_shows(workspace):
    root, driver = workspace
    (root / "a").write_text("x\n")
    (root / "l").symlink_to("a")
    driver.patch(wrap("*** Update File: l", "*** Move to: b", "@@", "-x", "+y"))
    assert (root / "a").read_text() == "x\n" and (root / "b").read_text() == "y\n"
    assert not (root / "l").is_symlink()


def test_a_deleted_symlink_leaves_its_target(workspace, tmp_path):
    root, driver = workspace
    (tmp_path / "outside").write_text("x\n")
    (root / "l").symlink_to(tmp_path / "outside")
    driver.patch(wrap("*** Delete File: l"))
    assert (tmp_path / "outside").exists() and not (root / "l").is_symlink()


def test_a_deleted_symlink_can_become_a_file(workspace):
    root, driver = workspace
    (root / "a").write_text("x\n")
    (root / "l").symlink_to("a")
    driver.patch(wrap("*** Delete File: l", "*** Add File: l", "+new"))
    assert not (root / "l").is_symlink() and (root / "l").read_text() == "new\n"
    assert (root / "a").read_text() == "x\n"


@pytest.mark.parametrize("patch", [
    ("*** Add File: l/x", "+x"),
    ("*** Add File: dangling", "+x"),
    ("*** Delete File: l/victim",),
    ("*** Update File: hard", "@@", "-v", "+w"),
    ("*** Update File: abs", "@@", "-v", "+w"),
    ("*** Add File: ../x", "+x"),
    ("*** Add File: /etc/creel-test", "+x"),
])
def test_nothing_leaves_the_workspace(workspace, tmp_path, patch):
    root, driver = workspace
    outside = tmp_path / "out"
    outside.mkdir()
    (outside / "victim").write_text("v\n")
    (root / "l").symlink_to(outside)
    (root / "dangling").symlink_to(outside / "not-there")
    (root / "abs").symlink_to(outside / "victim")
    os.link(outside / "victim", root / "hard")
    before = tree(tmp_path)
    with pytest.raises(ToolError):
        driver.patch(wrap(*patch))
    assert tree(tmp_path) == before


def test_without_the_rule_it_may_leave(tmp_path):
    root = tmp_path / "ws"
    root.mkdir()
    with Driver(root) as driver:
        got = driver.patch(wrap("*** Add File: ../x", "+x"))
    assert got["summary"]["added"] == [str(tmp_path / "x")]
    assert (tmp_path / "x").read_text() == "x\n"


# ---- all or nothing on a disk that says no ----

@pytest.mark.parametrize("last", [
    ("*** Update File: f3", "@@", "-nothere", "+x"),
    ("*** Add File: f1/sub", "+x"),
    ("*** Delete File: dir",),
    ("*** Add File: new/deep/er", "+x", "*** Add File: new", "+x"),
], ids=["hunk", "below-a-file", "directory", "file-where-a-directory-is-made"])
def test_a_failure_late_changes_nothing(workspace, last):
    root, driver = workspace
    (root / "dir").mkdir()
    for name in ("f1", "f2", "f3"):
        (root / name).write_text("x\n")
    before = tree(root)
    with pytest.raises(ToolError):
        driver.patch(wrap("*** Update File: f1", "@@", "-x", "+y", "*** Delete File: f2",
                          "*** Add File: made/here", "+x", *last))
    assert tree(root) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs mount")
def test_a_rename_that_fails_is_taken_back(tmp_path):
    """A mount point cannot be deleted: the last of three changes fails after two were made."""
    root = tmp_path / "ws"
    root.mkdir()
    for name in ("a", "b", "mnt", "src"):
        (root / name).write_text("x\n")
    inner = f'mount --bind {root}/src {root}/mnt && exec "$FS_DRIVER_PROGRAM" "$@"'
    with UnsharedDriver(root, inner, DRIVER) as driver:
        before = tree(root)
        with pytest.raises(ToolError):
            driver.patch(wrap("*** Update File: a", "@@", "-x", "+y", "*** Delete File: b",
                              "*** Add File: n/m", "+x", "*** Delete File: mnt"))
        assert tree(root) == before
        # Written in place, and with it the others.
        driver.patch(wrap("*** Update File: a", "@@", "-x", "+y",
                          "*** Update File: mnt", "@@", "-x", "+longer than before"))
        assert (root / "src").read_text() == "longer than before\n"
        assert (root / "a").read_text() == "y\n"
        before = tree(root)
        with pytest.raises(ToolError):
            driver.patch(wrap("*** Update File: mnt", "@@", "-longer than before", "+z",
                              "*** Add File: q/m", "+x", "*** Update File: a", "*** Move to: mnt2",
                              "@@", "-nothere", "+x"))
        assert tree(root) == before
    assert not [p for p in root.rglob(".creel-*")]


class UnsharedDriver(Driver):
    """In a mount namespace of its own."""

    def __init__(self, root, script, program):
        env = {**os.environ, "FS_DRIVER_PROGRAM": program}
        super().__init__("-m", "sh", "-c", script, "driver", str(root), "/nonexistent", home="--",
                         program="unshare", env=env)


# ---- messages ----

@pytest.mark.parametrize("chunk, words", [
    (("@@", " alpha", "-betta", "+x"), ["chunk 1", "'betta'", "line 2: 'beta'"]),
    (("@@", "-alpha", "+a", "@@", "-gamma delta", "+x"), ["chunk 2", "'gamma delta'", "line 3"]),
    (("@@ zzz", "-alpha", "+x"), ["find context 'zzz'", "no line is like it"]),
    (("@@", "-delta", "+x", "@@", "-beta", "+y"), ["found at line 2", "in the order of the file"]),
    (("@@", " epsilon", " zeta", "+x"), ["'zeta'", "ends at line 5"]),
    (("@@", "-beta", "+x", "*** End of File"), ["End of File"]),
])
def test_a_failure_says_where_what_and_what_is_near(workspace, chunk, words):
    root, driver = workspace
    (root / "f.txt").write_text("alpha\nbeta\ngamma delt\ndelta\nepsilon\n")
    with pytest.raises(ToolError) as failure:
        driver.patch(wrap("*** Update File: f.txt", *chunk))
    for word in words + ["f.txt"]:
        assert word in failure.value.text
    assert failure.value.text.startswith("Failed to find ")


@pytest.mark.parametrize("patch, start", [
    ("hello", "Invalid patch: The first line of the patch must be '*** Begin Patch'"),
    ("*** Begin Patch\n*** Add File: a", "Invalid patch: The last line of the patch must be"),
    ("", "Invalid patch: input is empty"),
    ("<<EOF\n\nEOF", "Invalid patch: The first line of the patch must be '*** Begin Patch'"),
    ("<<EOF\n\n\nEOF", "Invalid patch: The first line of the patch must be '*** Begin Patch'"),
    (wrap("*** Frobnicate: a"), "Invalid patch hunk at line 2: '*** Frobnicate: a' is not a valid"),
    (wrap("*** Update File: a"), "Invalid patch hunk at line 2: Update file hunk for path 'a' is"),
    (wrap(), "No files were modified"),
    (wrap("*** Update File: a", "@@", "-x", "+y"), "File not found: a"),
])
def test_texts_that_models_know(workspace, patch, start):
    _, driver = workspace
    with pytest.raises(ToolError) as failure:
        driver.patch(patch)
    assert failure.value.text.startswith(start)


def test_control_bytes_of_a_patch_do_not_reach_the_message(workspace):
    _, driver = workspace
    with pytest.raises(ToolError) as failure:
        driver.patch(wrap("*** Update File: a\x1b[31m", "@@", "-x", "+y"))
    assert "\x1b" not in failure.value.text


# ---- limits ----

def test_a_repetitive_file_does_not_hang(workspace):
    root, driver = workspace
    (root / "f").write_text("x\n" * 200000)
    patch = wrap("*** Update File: f", "@@", *([" x"] * 20000), "-y", "+z")
    with pytest.raises(ToolError, match="repeat too much|Failed to find"):
        driver.patch(patch)


def test_too_many_files_are_refused(workspace):
    root, driver = workspace
    with pytest.raises(ToolError, match="more than 256 files"):
        driver.patch(wrap(*[f"*** Add File: f{i}\n+x" for i in range(300)]))
    assert not list(root.iterdir())
    driver.patch(wrap(*[f"*** Add File: f{i}\n+x" for i in range(256)]))
    assert len(list(root.iterdir())) == 256


def test_a_large_file_is_refused(workspace):
    root, driver = workspace
    with open(root / "f", "wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(ToolError, match="larger than"):
        driver.patch(wrap("*** Update File: f", "@@", "-x", "+y"))
