# SPDX-License-Identifier: MIT
"""exec and process: real programs in one live native sandbox."""

import json
import os
import re
import time

import pytest

from tool_batch import CONFIG, Batch, Failed


@pytest.fixture
def batch(creel_bin, home):
    b = Batch(creel_bin, home, home / "ws")
    yield b
    b.close()


def test_output_and_details(batch):
    result = batch.call("exec", command="echo out; echo err >&2; pwd")
    assert result["content"][0]["text"] == "out\nerr\n/workspace"
    details = result["details"]
    assert details["status"] == "completed"
    assert details["exitCode"] == 0
    assert details["aggregated"] == "out\nerr\n/workspace"
    assert details["cwd"] == "/workspace"
    assert details["sandbox"]["backend"] == "native"
    assert batch.text("exec", command="true") == "(no output)"


def test_alias_of_tool(batch):
    assert batch.text("bash", command="echo hi") == "hi"


@pytest.mark.parametrize("args", [{}, {"command": ""}, {"command": "  \n"}, {"command": None}])
def test_missing_command(batch, args):
    error = batch.fails("exec", **args)
    assert error["code"] == "invalid_arguments"
    assert error["message"].startswith("Missing required parameter")


def test_wrong_types(batch):
    assert "must be a string" in batch.fails("exec", command=5)["message"]
    assert "must be a number" in batch.fails("exec", command="true", timeout=[])["message"]
    assert "NUL" in batch.fails("exec", command="a\0b")["message"]
    assert "name of a variable" in batch.fails("exec", command="true", env={"A=B": "x"})["message"]


def test_exit_code_is_a_paragraph(batch):
    result = batch.call("exec", command="echo x; exit 3")
    assert result["content"][0]["text"] == "x\n\n(Command exited with code 3)"
    assert result["details"]["exitCode"] == 3
    assert result["details"]["status"] == "completed"


def test_not_found_and_not_executable(batch):
    error = batch.fails("exec", command="no-such-command-here")
    assert error["code"] == "failed"
    assert error["message"].endswith("Command not found")
    assert error["details"]["exitCode"] == 127
    assert error["details"]["status"] == "failed"
    error = batch.fails("exec", command="/etc/passwd")
    assert error["message"].endswith("Command not executable (permission denied)")


def test_signal(batch):
    error = batch.fails("exec", command="echo before; kill -SEGV $$")
    assert error["message"] == "before\n\nCommand aborted by signal SIGSEGV"
    assert error["details"]["exitSignal"] == "SIGSEGV"


def test_timeout_ends_the_tree(batch):
    # One ignores TERM, one has left for a session of its own, one has forked twice.
    error = batch.fails("exec", timeout=1, command=(
        "echo start; (trap '' TERM; while :; do sleep 0.1; done) & "
        "setsid sh -c 'while :; do sleep 0.1; done' & "
        "(setsid sh -c 'setsid sleep 1000 &' &) ; sleep 1000"))
    assert error["code"] == "timeout"
    assert "timed out after 1 seconds" in error["message"]
    assert error["message"].startswith("start")
    assert error["details"]["timedOut"] is True
    left = batch.text("exec", command="for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; done")
    assert "sleep" not in left


def test_env_and_path(batch):
    assert batch.text("exec", command="echo $A-$B", env={"A": "1 2", "B": "$(id)"}) == "1 2-$(id)"
    path = batch.text("exec", command="echo $PATH; env | grep -c PREPEND", env={"PATH": "/my/bin"})
    assert path.splitlines()[0].startswith("/my/bin:/usr/local/sbin:")
    assert path.splitlines()[1] == "0"


def test_workdir(batch):
    (batch.workspace / "sub").mkdir()
    assert batch.text("exec", command="pwd", workdir="sub") == "/workspace/sub"
    assert batch.text("exec", command="pwd", workdir="/workspace/sub") == "/workspace/sub"
    assert batch.text("exec", command="pwd", workdir=str(batch.workspace / "sub")) == "/workspace/sub"
    lost = batch.text("exec", command="pwd", workdir="/no/such/dir")
    assert lost.startswith('Warning: workdir "/no/such/dir" is unavailable; using "/workspace".')
    assert lost.endswith("\n/workspace")


def test_hostile_output_is_cleaned(batch):
    text = batch.text("exec", command=r"printf 'a\001\033[31mb\377\342\200\256c\303'")
    assert text == "a[31mb\ufffdc"


def test_long_output_keeps_the_end(batch):
    result = batch.call("exec", command="seq 1 100000", yieldMs=60000)
    text = result["content"][0]["text"]
    assert text.endswith("99999\n100000")
    assert len(result["details"]["aggregated"]) == 200000
    assert result["details"]["truncated"] is True
    assert result["details"]["totalBytes"] == 588895
    session = re.search(r"sessionId=(\S+)", text).group(1)
    page = batch.text("process", action="log", sessionId=session, offset=0, limit=3)
    assert page == "1\n2\n3"
    page = batch.text("process", action="log", sessionId=session, offset=50000, limit=2)
    assert page == "50001\n50002"


def test_huge_output_is_bounded(batch):
    # Ten times what is kept; the tests for gigabytes are in the benchmarks.
    result = batch.call("exec", command="head -c 300000000 /dev/zero | tr '\\0' 'x'; echo; echo end",
                        yieldMs=110000)
    assert result["content"][0]["text"].endswith("\nend")
    assert result["details"]["totalBytes"] == 300000005
    assert result["details"]["lostBytes"] > 298000000


def test_elevated_is_refused_with_its_gates(batch):
    error = batch.fails("exec", command="id", elevated=True)
    assert error["code"] == "denied"
    assert error["message"].startswith(
        "elevated is not available right now (runtime=sandboxed).\nFailing gates: ")
    assert error["details"]["denied"][0]["layer"] == "elevated"


def test_elevated_runs_on_the_host(creel, home):
    config = CONFIG[:-1] + ',tools:{elevated:{allowFrom:{telegram:["1"]}}}}'
    (home / "c.json").write_text(config, encoding="utf-8")
    (home / "w").mkdir()

    def run(sender, **args):
        return json.loads(creel("tool", "exec", "--config", home / "c.json", "--workspace", home / "w",
                                "--sender", sender, "--json", "--args",
                                json.dumps({"command": "pwd", **args})).stdout)

    granted = run("telegram:1", elevated=True)
    assert granted["content"][0]["text"] == str(home / "w")
    assert "sandbox" not in granted["details"]
    assert run("telegram:1")["content"][0]["text"] == "/workspace"
    refused = run("telegram:2", elevated=True)["error"]
    assert refused["details"]["denied"][0]["fix"] == ["tools.elevated.allowFrom.telegram"]


def test_elevated_in_a_batch(creel_bin, home):
    config = CONFIG[:-1] + ',tools:{elevated:{allowFrom:{telegram:["1"]}}}}'
    b = Batch(creel_bin, home, home / "w", config=config, extra=("--sender", "telegram:1"))
    try:
        handles = [b.start("exec", command="pwd", elevated=i % 2 == 0) for i in range(6)]
        texts = [b.wait(h)["content"][0]["text"] for h in handles]
        assert texts == [str(home / "w"), "/workspace"] * 3
        session = b.call("exec", command="read x; echo got $x; pwd", elevated=True,
                         background=True)["details"]["sessionId"]
        b.call("process", action="write", sessionId=session, data="it\n")
        assert f"got it\n{home / 'w'}" in b.poll_until(session, str(home))
    finally:
        b.close()


def test_elevated_by_default(creel, creel_bin, home):
    config = CONFIG[:-1] + ',tools:{elevated:{allowFrom:{telegram:["1"]}}}}'
    config = config.replace("defaults:{", 'defaults:{elevatedDefault:"on",')
    (home / "c.json").write_text(config, encoding="utf-8")
    (home / "w").mkdir()

    def run(**args):
        return json.loads(creel("tool", "exec", "--config", home / "c.json", "--workspace", home / "w",
                                "--sender", "telegram:1", "--json", "--args",
                                json.dumps({"command": "pwd", **args})).stdout)

    assert run()["content"][0]["text"] == str(home / "w")
    assert run(elevated=False)["content"][0]["text"] == "/workspace"
    b = Batch(creel_bin, home, home / "w", config=config, extra=("--sender", "telegram:2"))
    try:
        # Whom no gate lets pass has the sandbox, unless the call insists.
        assert b.text("exec", command="pwd") == "/workspace"
        assert b.fails("exec", command="pwd", elevated=True)["code"] == "denied"
    finally:
        b.close()
    b = Batch(creel_bin, home, home / "w", config=config, extra=("--sender", "telegram:1"))
    try:
        # Commands leave, the other tools stay inside.
        assert b.text("exec", command="pwd") == str(home / "w")
        assert "workspace/" in b.text("ls", path="/").split("\n")
        assert b.call("read", path="/etc/passwd")["details"]["sandbox"]["backend"] == "native"
    finally:
        b.close()


SCRIPTS = [
    ("python3 {}", "s.py", "import os\nprint('$HOME_DIR')\n", 's.py:2 names the shell variable $HOME_DIR'),
    ("  python {} arg", "s.py", "x = $AB", 's.py:1 names the shell variable $AB'),
    ("node {} | cat", "s.js", "let a = 1;\n\nlet b = $PATH;\n", "s.js:3 names the shell variable $PATH"),
    ("node {}", "s.js", "\n  NODE x.js\n", "begins with the word NODE"),
    ("python3 {}", "s.py", "#\n" * 30000 + "$LATE_ONE\n", "s.py:30001 names"),
]


@pytest.mark.parametrize("command, name, text, refusal", SCRIPTS, ids=range(len(SCRIPTS)))
def test_preflight_refuses(batch, command, name, text, refusal):
    path = batch.workspace / "dir" / name
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    for given, workdir in ((f"dir/{name}", "."), (name, "dir"), (f"/workspace/dir/{name}", ".")):
        error = batch.fails("exec", command=command.format(given), workdir=workdir)
        assert error["code"] == "failed"
        assert error["message"].startswith("exec preflight: ")
        assert refusal in error["message"]


@pytest.mark.parametrize("text", [
    "print('$lower ${BRACED} $A $1X $ 5')", "print('NODE')", "#" + "\0" + "$HOME_DIR",
    "#" * 600000 + "\n# $HOME_DIR\n"], ids=range(4))
def test_preflight_lets_run(batch, text):
    (batch.workspace / "s.py").write_text(text, encoding="utf-8")
    try:
        batch.call("exec", command="python3 s.py")
    except Failed as failed:
        assert "preflight" not in failed.error["message"]


def test_preflight_minds_its_own_business(batch):
    (batch.workspace / "s.py").write_text("# $HOME_DIR\nprint(1)\n", encoding="utf-8")
    assert batch.text("exec", command="cp s.py /tmp/out.py; python3 /tmp/out.py") == "1"
    assert batch.text("exec", command="python3 /tmp/out.py") == "1"
    assert batch.text("exec", command="python3 ./s.p[y]") == "1"
    assert batch.text("exec", command="python3 -u s.py") == "1"
    assert "No such file" in batch.text("exec", command="python3 gone.py")
    os.mkfifo(batch.workspace / "fifo.py")
    error = batch.fails("exec", command="python3 fifo.py", timeout=1)
    assert error["code"] == "timeout"


def test_other_host_is_refused(batch):
    assert "exec host not allowed" in batch.fails("exec", command="id", host="gateway")["message"]
    assert batch.text("exec", command="echo in", host="sandbox") == "in"


def test_calls_overlap(batch):
    began = time.monotonic()
    handles = [batch.start("exec", command=f"sleep 0.5; echo {i}") for i in range(20)]
    texts = [batch.wait(h)["content"][0]["text"] for h in handles]
    assert texts == [str(i) for i in range(20)]
    # Not a measurement: one after the other they would take ten seconds.
    assert time.monotonic() - began < 8


def test_background_server_polled(batch):
    (batch.workspace / "page.txt").write_text("served\n", encoding="utf-8")
    result = batch.call("exec", command="python3 -u -m http.server 8123 --bind 127.0.0.1",
                        background=True)
    details = result["details"]
    assert details["status"] == "running"
    session = details["sessionId"]
    assert session in result["content"][0]["text"]
    batch.poll_until(session, "Serving HTTP")
    got = batch.text("exec", command=(
        "python3 -c \"import urllib.request as u; "
        "print(u.urlopen('http://127.0.0.1:8123/page.txt').read().decode())\""))
    assert got == "served"
    batch.poll_until(session, "GET /page.txt")
    listed = batch.call("process", action="list")
    assert listed["details"]["sessions"][0]["sessionId"] == session
    assert "running" in listed["content"][0]["text"]
    killed = batch.call("process", action="kill", sessionId=session)
    assert killed["details"]["status"] == "failed"
    assert "signal SIGTERM" in batch.poll_until(session, "exited with")
    assert batch.call("process", action="remove", sessionId=session)["details"]["status"] == "completed"
    assert batch.text("process", action="list") == "No running or recent sessions."


def test_yield_then_write_and_eof(batch):
    session = batch.call("exec", command="cat; echo done", yieldMs=50)["details"]["sessionId"]
    assert batch.text("process", action="write", sessionId=session,
                      data="hello\n") == f"Wrote 6 bytes to session {session}."
    batch.poll_until(session, "hello")
    batch.call("process", action="write", sessionId=session, data="bye\n", eof=True)
    seen = batch.poll_until(session, "exited with code 0")
    assert "bye" in seen and "done" in seen
    error = batch.call("process", action="write", sessionId=session, data="x")
    assert error["content"][0]["text"] == f"No active session found for {session}"
    assert error["details"]["status"] == "failed"
    assert batch.text("process", action="clear", sessionId=session) == f"Cleared session {session}."


def test_poll_waits_without_blocking_others(batch):
    session = batch.call("exec", command="sleep 1; echo late", background=True)["details"]["sessionId"]
    poll = batch.start("process", action="poll", sessionId=session, timeout="20000")
    assert batch.text("exec", command="echo meanwhile") == "meanwhile"
    result = batch.wait(poll)
    assert result["details"]["status"] == "completed"
    assert "late" in result["content"][0]["text"]


def test_empty_polls_back_off(batch):
    session = batch.call("exec", command="sleep 100", background=True)["details"]["sessionId"]
    hints = [batch.call("process", action="poll", sessionId=session)["details"]["retryInMs"]
             for _ in range(5)]
    assert hints == [5000, 10000, 30000, 60000, 60000]
    assert batch.call("process", action="remove", sessionId=session)["details"]["status"] == "failed"


def test_interactive_python(batch):
    session = batch.call("exec", command="python3 -q", pty=True, background=True)["details"]["sessionId"]
    batch.poll_until(session, ">>>")
    batch.call("process", action="send-keys", sessionId=session, literal="6*7", keys=["Enter"])
    batch.poll_until(session, "42")
    batch.call("process", action="write", sessionId=session, data="import os; os.isatty(0)\r")
    batch.poll_until(session, "True")
    batch.call("process", action="send-keys", sessionId=session, keys=["C-d"])
    batch.poll_until(session, "exited with code 0")


def test_interactive_bash(batch):
    session = batch.call("exec", command="PS1='% ' bash --norc", pty=True,
                         yieldMs=300)["details"]["sessionId"]
    batch.call("process", action="paste", sessionId=session, text="echo one", bracketed=False)
    batch.call("process", action="submit", sessionId=session)
    batch.poll_until(session, "one\r\n")
    batch.call("process", action="send-keys", sessionId=session, literal="sleep 1000", keys=["Enter"])
    batch.poll_until(session, "sleep 1000")
    time.sleep(0.3)
    batch.call("process", action="send-keys", sessionId=session, keys=["C-c"])
    batch.call("process", action="send-keys", sessionId=session, hex=["65", "0x78", "69"],
               keys=["t", "Enter"])
    # No order between literal, hex and keys was asked for beyond the documented one.
    batch.poll_until(session, "exited with code 130")


def test_process_errors(batch):
    assert batch.text("process", action="poll") == "sessionId is required for this action."
    assert batch.text("process", action="poll", sessionId="x") == "No session found for x"
    assert batch.text("process", action="kill", sessionId="x") == "No active session found for x"
    assert batch.text("process", action="dance", sessionId="x") == "Unknown action dance"
    assert batch.fails("process")["code"] == "invalid_arguments"


def test_log_pages(batch):
    session = batch.call("exec", command="seq 1 1000; sleep 100", background=True)["details"]["sessionId"]
    batch.poll_until(session, "1000")
    tail = batch.text("process", action="log", sessionId=session)
    assert tail.startswith("801\n")
    assert tail.endswith("[showing last 200 of 1000 lines; pass offset/limit to page]")
    assert batch.text("process", action="log", sessionId=session, limit=2) == "999\n1000"
    assert batch.text("process", action="log", sessionId=session, offset=998) == "999\n1000"
    assert batch.text("process", action="log", sessionId=session, offset=0, limit=1) == "1"
    batch.call("process", action="remove", sessionId=session)


def test_loss_is_stated_in_bytes(batch):
    session = batch.call("exec", command="head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end",
                         background=True)["details"]["sessionId"]
    batch.call("process", action="poll", sessionId=session, timeout=60000)
    details = batch.call("process", action="log", sessionId=session)["details"]
    assert details["status"] == "completed"
    assert details["totalBytes"] == 5000005
    assert 3000000 < details["lostBytes"] < 5000000


def test_make_and_git(batch):
    batch.call("write", path="Makefile", content="all: out\nout: in\n\tcp in out\n")
    batch.call("write", path="in", content="data\n")
    assert "cp in out" in batch.text("exec", command="make")
    assert batch.text("read", path="out") == "data\n"
    text = batch.text("exec", command=(
        "git init -q . && git add . && git -c user.name=a -c user.email=b commit -qm first && "
        "git log --format=%s && git status --short"))
    assert text == "first"


def test_a_thousand_processes(creel_bin, home):
    config = CONFIG.replace('backend:"native"', 'backend:"native",docker:{pidsLimit:4096}')
    batch = Batch(creel_bin, home, home / "many", config=config)
    handles = [batch.start("exec", command="echo $((40+2)); sleep 2", background=True)
               for _ in range(1000)]
    sessions = {batch.wait(h)["details"]["sessionId"] for h in handles}
    assert len(sessions) == 1000
    running = batch.call("process", action="list")
    assert running["content"][0]["text"].endswith("(500 older ones not shown)")
    for session in sessions:
        result = batch.call("process", action="poll", sessionId=session, timeout=60000)
        assert result["details"]["status"] == "completed"
        assert result["content"][0]["text"].startswith("42")
    batch.close()


def test_one_shot_is_synchronous(creel, home):
    (home / "c.json").write_text(CONFIG, encoding="utf-8")
    (home / "w").mkdir()
    done = creel("tool", "exec", "--config", home / "c.json", "--workspace", home / "w", "--json",
                 "--args", json.dumps({"command": "echo x", "background": True}))
    answer = json.loads(done.stdout)
    assert answer["details"]["status"] == "completed"
    assert answer["content"][0]["text"] == (
        "Warning: background execution is disabled; running synchronously. (Nothing could look "
        "after the command later: the process tool is denied here, or the sandbox ends with this "
        "call.)\n\nx")


def test_denied_process_makes_exec_synchronous(creel_bin, home):
    config = CONFIG[:-1] + ',tools:{deny:["process"]}}'
    batch = Batch(creel_bin, home, home / "ws", config=config)
    assert batch.call("exec", command="sleep 0.1; echo x", background=True)["details"]["status"] == "completed"
    error = batch.fails("process", action="list")
    assert error["code"] == "denied"
    assert error["details"]["denied"][0]["what"] == "process"
    assert "tools.deny" in error["details"]["denied"][0]["rule"]
    batch.close()


def test_batch_refuses_nonsense(batch):
    batch.proc.stdin.write(b"{nonsense\n\n{\"id\":\"q\"}\n{\"id\":7,\"tool\":\"nothing\"}\n")
    batch.proc.stdin.flush()
    answers = [batch.lines.get(timeout=30) for _ in range(3)]
    assert answers[0]["id"] is None and answers[0]["error"]["code"] == "invalid_arguments"
    assert answers[1]["id"] == "q" and "tool" in answers[1]["error"]["message"]
    assert answers[2]["id"] == 7 and answers[2]["error"]["code"] in ("not_found", "denied")
