"""creel exec: streams, statuses, signals, terminals, places; with real programs."""
import concurrent.futures
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

from sandbox import Sandbox, running_with, write_config

# --- exit statuses -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 2, 124, 125, 126, 127, 128, 255])
def test_the_commands_own_status(sandbox, code):
    done = sandbox("sh", "-c", f"exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.parametrize("count", [1, None])
def test_a_command_has_its_callers_processors(sandbox, count):
    allowed = sorted(os.sched_getaffinity(0))[:count]

    done = sandbox("python3", "-c", "import os; print(sorted(os.sched_getaffinity(0)))",
                   preexec_fn=lambda: os.sched_setaffinity(0, allowed))
    assert (done.stdout, done.stderr) == (f"{allowed}\n", "")


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV", "ABRT", "PIPE", "INT", "USR1"])
def test_a_signal_is_128_plus_its_number(sandbox, name):
    assert sandbox("bash", "-c", f"kill -{name} $$").returncode == 128 + getattr(signal, f"SIG{name}")


@pytest.mark.parametrize("command,message", [
    ("nosuch", "creel: nosuch: command not found\n"),
    ("/no/such", "creel: /no/such: no such file or directory\n"),
    ("./nosuch", "creel: ./nosuch: no such file or directory\n"),
    ("/etc/passwd/x", "creel: /etc/passwd/x: no such file or directory\n"),
    ("no\nsuch", "creel: no\\x0asuch: command not found\n"),
])
def test_a_missing_command_is_127(sandbox, command, message):
    done = sandbox(command)
    assert (done.returncode, done.stdout, done.stderr) == (127, "", message)


def test_a_command_that_cannot_be_executed_is_126(sandbox, workspace):
    (workspace / "plain").write_text("echo x\n")
    for name, words in (("./plain", "permission denied"), ("/etc/passwd", "permission denied"),
                        ("/usr", "permission denied")):
        done = sandbox(name)
        assert (done.returncode, done.stdout, done.stderr) == (126, "", f"creel: {name}: {words}\n")


def test_a_script_without_a_first_line_runs_as_in_a_shell(sandbox, workspace):
    (workspace / "script").write_text("echo $0 $1\n")
    (workspace / "script").chmod(0o755)
    assert sandbox("./script", "x").stdout == "./script x\n"


def test_errors_as_json(sandbox):
    done = sandbox("nosuch", options=["--json"])
    assert (done.returncode, done.stderr) == (127, "")
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["message"]) == ("not_found", "nosuch: command not found")


# --- streams -------------------------------------------------------------------------------------

def test_stdout_and_stderr_are_apart(sandbox):
    done = sandbox("sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize("size", [0, 1, 4095, 65536, 1 << 20, (5 << 20) + 13])
def test_every_byte_both_ways(sandbox, size):
    data = hashlib.shake_256(b"creel").digest(size)
    done = sandbox("cat", input=data, text=False)
    assert done.returncode == 0
    assert done.stdout == data


def test_all_256_bytes_on_stderr(sandbox):
    done = sandbox("python3", "-c", "import sys; sys.stderr.buffer.write(bytes(range(256)) * 1000)",
                   text=False)
    assert done.stderr == bytes(range(256)) * 1000


def test_a_lot_on_both_outputs_at_once(sandbox):
    done = sandbox("sh", "-c", "head -c 20m /dev/zero & head -c 20m /dev/zero >&2; wait", text=False)
    assert (len(done.stdout), len(done.stderr)) == (20 << 20, 20 << 20)


def test_output_to_a_file_and_appended(sandbox, tmp_path):
    target = tmp_path / "out"
    target.write_text("before\n")
    with open(target, "ab") as file:
        sandbox("sh", "-c", "head -c 3m /dev/zero | tr '\\0' x", stdout=file)
    text = target.read_bytes()
    assert text == b"before\n" + b"x" * (3 << 20)


def test_stdin_ends(sandbox):
    assert sandbox("wc", "-c", input="").stdout.strip() == "0"
    assert sandbox("sh", "-c", "cat; echo end", input="x\n").stdout == "x\nend\n"


def test_stdin_of_dev_null(sandbox):
    assert sandbox("cat").stdout == ""


def test_closed_standard_descriptors(sandbox):
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh",
                               *sandbox.argv("sh", "-c", "cat; echo x; echo y >&2; exit 7")],
                              env=sandbox.env, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, check=False)
        assert done.returncode == 7, closed


def test_a_command_that_does_not_read_is_not_waited_for(sandbox):
    with sandbox.start("true", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.wait(30) == 0


def test_more_input_than_the_command_wants(sandbox):
    done = sandbox("head", "-c", "5", input=b"x" * (8 << 20), text=False)
    assert (done.returncode, done.stdout) == (0, b"xxxxx")


def test_a_slow_reader_stops_the_writer(sandbox):
    """Without it, memory would grow with what the command prints."""
    with sandbox.start("sh", "-c", "head -c 1G /dev/zero", stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE) as running:
        time.sleep(1)
        with open(f"/proc/{running.pid}/status") as file:
            status = file.read()
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
        assert peak < 20 * 1024
        total = 0
        while chunk := running.stdout.read(1 << 20):
            total += len(chunk)
        assert (running.wait(30), total) == (0, 1 << 30)


def test_a_reader_that_goes_away(sandbox):
    """As in a shell: yes dies of SIGPIPE."""
    done = subprocess.run(["bash", "-c", '"$@" | head -n 1; echo "${PIPESTATUS[0]}"', "bash",
                           *sandbox.argv("yes")], env=sandbox.env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "y\n141\n"
    assert done.stderr == ""


def test_a_reader_that_goes_away_from_who_ignores_the_signal(sandbox):
    code = "import os\nwhile True: os.write(1, b'x' * 1000)"
    done = subprocess.run(["bash", "-c", '"$@" | head -c 10 >/dev/null; echo "${PIPESTATUS[0]}"',
                           "bash", *sandbox.argv("python3", "-c", code)], env=sandbox.env,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.stdout == "141\n"


def test_a_full_disk(sandbox):
    with open("/dev/full", "wb") as full:
        done = sandbox("sh", "-c", "while :; do echo x; done", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 125
    assert "cannot write the command's output: No space left on device" in done.stderr


def test_the_callers_descriptors_keep_their_flags(sandbox):
    reader, writer = os.pipe()
    before = fcntl.fcntl(writer, fcntl.F_GETFL)
    running = sandbox.start("echo", "x", stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    assert running.wait(30) == 0
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == before
    os.close(writer)
    assert os.read(reader, 100) == b"x\n"
    os.close(reader)


def test_sockets_as_standard_descriptors(sandbox):
    ours, theirs = socket.socketpair()
    with sandbox.start("cat", stdin=theirs, stdout=theirs) as running:
        theirs.close()
        ours.sendall(b"over a socket")
        ours.shutdown(socket.SHUT_WR)
        said = b""
        while chunk := ours.recv(4096):
            said += chunk
        assert (running.wait(30), said) == (0, b"over a socket")


# --- environment and place -----------------------------------------------------------------------

def test_starts_where_the_caller_stands(sandbox, workspace, tmp_path):
    (workspace / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(workspace)
    assert sandbox("pwd", cwd=workspace).stdout == "/workspace\n"
    assert sandbox("pwd", cwd=workspace / "a/b").stdout == "/workspace/a/b\n"
    assert sandbox("pwd", cwd=tmp_path / "link/a").stdout == "/workspace/a\n"
    assert sandbox("pwd", cwd="/").stdout == "/workspace\n"
    assert sandbox("pwd", cwd=tmp_path).stdout == "/workspace\n"


def test_a_workspace_named_relatively(creel, home, workspace):
    write_config(home)
    (workspace / "f").write_text("x")
    done = creel("exec", "--workspace", ".", "--", "cat", "f", cwd=workspace)
    assert (done.returncode, done.stdout) == (0, "x")


def test_arguments_arrive_as_they_are(sandbox):
    words = ["", " ", "a b", "$HOME", "*", "'", '"', "\\", "\n", "ü", "-c", "--", "--help"]
    done = sandbox("python3", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *words)
    assert json.loads(done.stdout) == words


def test_a_long_command_line(sandbox):
    words = ["x" * 1000] * 150
    done = sandbox("sh", "-c", 'echo $# ${#1}', "sh", *words)
    assert done.stdout == "150 1000\n"


def test_a_command_line_that_is_too_long(sandbox):
    done = sandbox("true", *["x" * 1000] * 500)
    assert done.returncode in (125, 126)
    assert done.stderr.startswith("creel: ") and done.stderr.count("\n") == 1


# --- signals and time ----------------------------------------------------------------------------

def wait_for(running, text):
    """Read until the command has said so."""
    said = b""
    while text not in said:
        chunk = os.read(running.stdout.fileno(), 4096)
        assert chunk, said
        said += chunk


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"])
def test_signals_reach_the_command(sandbox, name):
    script = f"trap 'echo caught; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
    with sandbox.start("bash", "-c", script, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE) as running:
        wait_for(running, b"ready")
        running.send_signal(getattr(signal, f"SIG{name}"))
        assert (running.wait(30), running.stdout.read()) == (9, b"caught\n")


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT"])
def test_signals_end_the_command(sandbox, name):
    with sandbox.start("sh", "-c", "echo ready; exec sleep 60", stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE) as running:
        wait_for(running, b"ready")
        running.send_signal(getattr(signal, f"SIG{name}"))
        assert running.wait(30) == 128 + getattr(signal, f"SIG{name}")


def test_what_ignores_term_is_killed(sandbox):
    with sandbox.start("bash", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done",
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        wait_for(running, b"ready")
        running.terminate()
        assert running.wait(30) == 143


def test_an_ignored_hup_stays_ignored(sandbox):
    """nohup creel exec ..."""
    with sandbox.start("sh", "-c", "echo ready; sleep 1; echo done", stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE,
                       preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as running:
        wait_for(running, b"ready")
        running.send_signal(signal.SIGHUP)
        assert (running.wait(30), running.stdout.read()) == (0, b"done\n")


def test_stop_and_continue(sandbox):
    with sandbox.start("sh", "-c", "echo ready; read x; echo $x", stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE) as running:
        wait_for(running, b"ready")
        running.send_signal(signal.SIGTSTP)
        deadline = time.monotonic() + 30
        while open(f"/proc/{running.pid}/stat").read().rsplit(")", 1)[1].split()[0] != "T":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(signal.SIGCONT)
        running.stdin.write(b"went on\n")
        running.stdin.close()
        assert (running.wait(30), running.stdout.read()) == (0, b"went on\n")


@pytest.mark.parametrize("script", [
    "sleep {0}", "trap '' TERM; sleep {0}; sleep {0}",
    "setsid sleep {0} & (setsid sh -c 'trap \"\" TERM HUP; sleep {0}' &) ; sleep {0}"])
def test_a_timeout_ends_the_whole_tree(sandbox, script):
    marker = f"61.{os.getpid()}"
    done = sandbox("bash", "-c", script.format(marker), options=["--timeout", "0.3"])
    assert done.returncode == 124
    assert running_with(marker) == []


def test_a_timeout_that_does_not_come(sandbox):
    assert sandbox("sh", "-c", "exit 3", options=["--timeout", "30"]).returncode == 3


def test_output_before_a_timeout_is_kept(sandbox):
    done = sandbox("sh", "-c", "echo early; sleep 60", options=["--timeout", "0.5"])
    assert (done.returncode, done.stdout) == (124, "early\n")


def test_children_in_the_background_do_not_hold_it_up(sandbox):
    done = sandbox("sh", "-c", "sleep 300 & echo started", timeout=20)
    assert (done.returncode, done.stdout) == (0, "started\n")


# --- terminals -----------------------------------------------------------------------------------

class Terminal:
    """creel exec --tty on a pseudo terminal of ours."""

    def __init__(self, sandbox, *command, rows=33, columns=111):
        self.leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.follower = follower
        self.before = termios.tcgetattr(follower)

        def adopt():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(sandbox.argv(*command, options=["--tty"]), env=sandbox.env,
                                        stdin=follower, stdout=follower, stderr=follower,
                                        cwd=sandbox.home, preexec_fn=adopt)
        self.seen = b""

    def until(self, text, seconds=30):
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.leader], [], [], left)[0], self.seen
            self.seen += os.read(self.leader, 65536)
        at = self.seen.index(text) + len(text)
        before, self.seen = self.seen[:at], self.seen[at:]
        return before

    def type(self, data):
        os.write(self.leader, data)

    def end(self):
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.leader)
        os.close(self.follower)


@pytest.fixture
def terminal(sandbox):
    made = []

    def start(*command, **kwargs):
        made.append(Terminal(sandbox, *command, **kwargs))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_the_command_has_a_terminal(terminal):
    t = terminal("sh", "-c", "tty; stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all")
    t.until(b"/dev/pts/0\r\n33 111\r\nxterm\r\nall\r\n")
    assert t.end() == 0


def test_without_tty_there_is_none(sandbox):
    assert sandbox("tty").stdout == "not a tty\n"


def test_a_tty_without_a_terminal_of_ours(sandbox):
    done = sandbox("sh", "-c", "test -t 1 && stty size; cat", options=["--tty"], input="typed\n")
    assert done.returncode == 0
    assert "24 80" in done.stdout and "typed" in done.stdout


def on_a_terminal(sandbox, *command):
    """Without --tty, but with our terminal as its standard descriptors and its session."""
    plain = Sandbox(sandbox.bin, sandbox.home, sandbox.workspace)
    plain.argv = lambda *c, options=(): Sandbox.argv(sandbox, *c)
    return Terminal(plain, *command)


def test_the_callers_terminal_is_out_of_reach(sandbox):
    """A sandbox that opens /dev/tty could read what is typed and fake what is shown."""
    t = on_a_terminal(sandbox, "sh", "-c", "(echo fake >/dev/tty) 2>&1; ps -o tty= -p $$; echo end")
    said = t.until(b"end")
    t.close()
    assert b"fake\r\n" not in said


def test_the_keyboards_interrupt_reaches_the_command(sandbox):
    t = on_a_terminal(sandbox, "bash", "-c",
                      "trap 'echo caught; exit 6' INT; echo ready; while :; do sleep 0.05; done")
    t.until(b"ready")
    t.type(b"\x03")
    t.until(b"caught")
    status = t.end()
    t.close()
    assert status == 6


def test_an_interactive_python(terminal):
    t = terminal("python3", "-q")
    t.until(b">>> ")
    t.type(b"6 * 7\r")
    t.until(b"42\r\n")
    t.until(b">>> ")
    t.type(b"import time; time.sleep(60)\r")
    time.sleep(0.3)
    t.type(b"\x03")
    t.until(b"KeyboardInterrupt")
    t.until(b">>> ")
    t.type(b"\x04")
    assert t.end() in (0, 130)  # Python remembers that it was interrupted


def test_an_interactive_bash_with_job_control(terminal):
    t = terminal("bash", "--norc")
    t.until(b"bash-")
    t.type(b"sleep 60\r")
    time.sleep(0.3)
    t.type(b"\x1a")
    t.until(b"Stopped")
    t.type(b"fg\r")
    t.until(b"sleep 60\r\n")
    time.sleep(0.2)
    t.type(b"\x03")
    t.until(b"bash-")
    t.type(b"exit 5\r")
    assert t.end() == 5


def test_the_size_follows(terminal):
    t = terminal("python3", "-c", """
import os, signal, time
seen = []
signal.signal(signal.SIGWINCH, lambda *_: seen.append(os.get_terminal_size()))
print("ready", flush=True)
while not seen: time.sleep(0.02)
print(*seen[-1])""")
    t.until(b"ready")
    fcntl.ioctl(t.follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
    t.until(b"132 50")
    assert t.end() == 0


@pytest.mark.parametrize("how", ["exit", "failure", "signal", "timeout-like"])
def test_the_terminal_is_put_back(terminal, how):
    t = terminal(*{"exit": ["sh", "-c", "echo up; read x"], "failure": ["nosuch"],
                   "signal": ["sh", "-c", "echo up; sleep 60"],
                   "timeout-like": ["sh", "-c", "echo up; kill -9 $$"]}[how])
    if how != "failure":
        t.until(b"up")
    if how == "exit":
        assert termios.tcgetattr(t.follower) != t.before
        t.type(b"\r")
    if how == "signal":
        t.process.terminate()
    t.end()
    assert termios.tcgetattr(t.follower) == t.before


# --- several at once, and without a sandbox ------------------------------------------------------

def test_ten_at_once(sandbox):
    def one(i):
        return sandbox("sh", "-c", f"echo {i} >f{i}; sleep 0.2; cat f{i}; exit {i}")

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        done = list(pool.map(one, range(10)))
    assert [d.returncode for d in done] == list(range(10))
    assert [d.stdout for d in done] == [f"{i}\n" for i in range(10)]


def test_mode_off_says_so(creel, home):
    write_config(home, mode="off")
    (home / ".creel/workspace").mkdir(parents=True, exist_ok=True)
    done = creel("exec", "--", "sh", "-c", "echo $0 here", env={"X": "y"})
    assert done.returncode == 0 and done.stdout == "sh here\n"
    assert done.stderr == "creel: not sandboxed: agents.defaults.sandbox.mode is off\n"
    quiet = creel("exec", "--quiet", "--", "sh", "-c", "exit 4")
    assert (quiet.returncode, quiet.stderr) == (4, "")


def test_on_the_host_the_hosts_environment_counts(creel, home):
    write_config(home, mode="off")
    (home / ".creel/workspace").mkdir(parents=True, exist_ok=True)
    assert creel("exec", "-q", "--", "sh", "-c", "echo $X", env={"X": "y"}).stdout == "y\n"


def test_on_the_host_a_timeout_ends_the_tree_too(creel, home):
    write_config(home, mode="off")
    (home / ".creel/workspace").mkdir(parents=True, exist_ok=True)
    marker = f"62.{os.getpid()}"
    done = creel("exec", "-q", "--timeout", "0.3", "--", "bash", "-c",
                 f"setsid sleep {marker} & sleep 60")
    assert done.returncode == 124
    assert running_with(marker) == []


def test_main_session_under_non_main(creel, home, workspace):
    write_config(home, mode="non-main")
    done = creel("exec", "--workspace", workspace, "--", "readlink", "/proc/self/ns/pid")
    assert done.stdout.strip() == os.readlink("/proc/self/ns/pid")
    assert "is the main session" in done.stderr
    other = creel("exec", "--workspace", workspace, "--session", "agent:main:other", "--",
                  "readlink", "/proc/self/ns/pid")
    assert other.returncode == 0 and other.stdout != done.stdout and other.stderr == ""


def test_elevated_is_never_implicit(creel, home, workspace):
    write_config(home)
    done = creel("exec", "--workspace", workspace, "--elevated", "--sender", "telegram:1", "--", "id")
    assert (done.returncode, done.stdout) == (125, "")
    assert "elevated is not allowed here" in done.stderr and "tools.elevated" in done.stderr


def test_elevated_when_every_gate_passes(creel, home, workspace):
    path = write_config(home)
    config = json.loads(path.read_text())
    config["tools"] = {"elevated": {"enabled": True, "allowFrom": {"telegram": ["1"]}}}
    path.write_text(json.dumps(config))
    args = ["exec", "--workspace", workspace, "--elevated"]
    done = creel(*args, "--sender", "telegram:1", "--", "readlink", "/proc/self/ns/pid")
    assert done.stdout.strip() == os.readlink("/proc/self/ns/pid")
    assert done.stderr == "creel: not sandboxed: the call is elevated\n"
    assert creel(*args, "--sender", "telegram:2", "--", "id").returncode == 125
    assert creel(*args, "--", "id").returncode == 125
