"""The documentation tells the truth: its commands are run.

A fence marked `sh run` is executed with `sh -eu` in the document's own scratch home, where all blocks
of a document run one after the other; `sh run=2` expects that exit status. An `output` fence after it
is what it prints, stdout and stderr together: a line `...` stands for any lines, `...` within a line for
any text. A fence marked `sh` alone may not show creel's commands: then they would not be tested.
"""
import re
import subprocess

import pytest

from support import BASE_ENV, ROOT

FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.M)
# For what cannot be run in a test: it installs something, or never ends.
NOT_RUN = re.compile(r"^\s*(make|git|sudo|apt-get|cd|#|$)")


def documents():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Block:
    def __init__(self, line, info, text):
        self.line, self.info, self.text = line, info, text
        self.output = None
        run = re.fullmatch(r"sh run(?:=(\d+))?", info)
        self.is_run = run is not None
        self.status = int(run.group(1) or 0) if run else 0


def blocks(text):
    found = []
    for match in FENCE.finditer(text):
        block = Block(text.count("\n", 0, match.start()) + 1, match[1].strip(), match[2])
        if block.info == "output":
            assert found and found[-1].is_run, f"line {block.line}: output of what?"
            found[-1].output = block.text
        else:
            found.append(block)
    return found


def pattern(expected):
    """A regular expression for an output fence."""
    parts = []
    for line in expected.splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(x) for x in line.split("...")) + "\n")
    return re.compile("".join(parts))


def matches(expected, actual):
    return pattern(expected).fullmatch(actual) is not None


def execute(block, home, env):
    return subprocess.run(["sh", "-eu", "-c", block.text], cwd=home, env=env, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120)


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_every_shown_command_does_what_is_shown(path, creel_bin, home, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "creel").symlink_to(creel_bin)
    env = {**BASE_ENV, "HOME": str(home), "PATH": f"{programs}:{BASE_ENV['PATH']}"}
    try:
        run_all(path, home, env)
    finally:
        # What a document started ends with it, also when it shows something wrong.
        for command in (["gateway", "stop"], ["sandbox", "recreate", "--all", "--force"]):
            subprocess.run([programs / "creel", *command], env=env, capture_output=True, check=False, timeout=60)


def run_all(path, home, env):
    for block in blocks(path.read_text()):
        if not block.is_run:
            continue
        ran = execute(block, home, env)
        where = f"{path.name}:{block.line}"
        assert ran.returncode == block.status, f"{where}\n{block.text}\nprinted:\n{ran.stdout}"
        if block.output is not None:
            assert matches(block.output, ran.stdout), (
                f"{where}\n{block.text}\nshown:\n{block.output}\nprinted:\n{ran.stdout}")


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_no_command_of_creel_is_shown_without_being_run(path):
    for block in blocks(path.read_text()):
        if block.info == "sh":
            for line in block.text.splitlines():
                assert NOT_RUN.match(line), f"{path.name}:{block.line}: mark it `sh run`: {line}"


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readme_is_run():
    assert any(b.is_run and b.output for b in blocks((ROOT / "README.md").read_text()))


@pytest.mark.parametrize("expected,actual,same", [
    ("a\nb\n", "a\nb\n", True),
    ("a\n", "a\nb\n", False),
    ("a\nb\n", "a\n", False),
    ("a\n...\nc\n", "a\nb\nb\nc\n", True),
    ("a\n...\nc\n", "a\nc\n", True),
    ("a\n...\nc\n", "a\nb\n", False),
    ("took ... ms\n", "took 1.5 ms\n", True),
    ("took ... ms\n", "took\n1.5 ms\n", False),
    ("a.c\n", "abc\n", False),
    ("...\n", "", True),
])
def test_output_is_compared(expected, actual, same):
    assert matches(expected, actual) is same


def test_blocks_are_found():
    text = "x\n```sh run=3\nexit 3\n```\n\n```output\nhi\n```\n\n```json\n{}\n```\n"
    run, other = blocks(text)
    assert (run.line, run.text, run.status, run.output) == (2, "exit 3\n", 3, "hi\n")
    assert not other.is_run
    with pytest.raises(AssertionError):
        blocks("```output\nhi\n```\n")
