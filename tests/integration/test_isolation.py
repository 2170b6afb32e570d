"""What keeps a sandbox in, one property each, probed from inside."""
import json
import os
import socket
import subprocess
import time

import pytest

from sandbox import processes, write_config

NAMESPACES = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]


def test_every_namespace_is_its_own(sandbox):
    inside = sandbox.python(
        "import os, json; print(json.dumps({n: os.readlink('/proc/self/ns/' + n)"
        " for n in %r}))" % NAMESPACES)
    for name in NAMESPACES:
        assert inside[name] != os.readlink(f"/proc/self/ns/{name}"), name


@pytest.mark.parametrize("path", ["/x", "/usr/x", "/bin/x", "/lib/x", "/etc/x", "/dev/x", "/var/x",
                                  "/usr/bin/python3", "/etc/passwd"])
def test_the_system_is_read_only(sandbox, path):
    done = sandbox("sh", "-c", f"echo y >>{path}")
    assert done.returncode != 0
    assert "Read-only" in done.stderr or "Permission denied" in done.stderr


def test_the_root_holds_nothing_else_of_the_host(sandbox):
    names = set(sandbox("ls", "-A", "/").stdout.split())
    assert names <= {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin",
                     "sys", "tmp", "usr", "var", "workspace"}
    assert sandbox("ls", "-A", "/sys").stdout == ""
    assert set(sandbox("ls", "-A", "/var").stdout.split()) <= {"tmp"}
    assert set(sandbox("ls", "-A", "/run").stdout.split()) <= {"creel"}


@pytest.mark.parametrize("path", ["/root", "/home", "/etc/shadow", "/etc/ssh", "/etc/sudoers", "/boot",
                                  "/var/log", "/mnt", "/proc/kcore", "/var/run/docker.sock",
                                  "/run/docker.sock"])
def test_not_there(sandbox, path):
    assert sandbox("cat", path).returncode != 0
    assert sandbox("ls", path).returncode != 0


def test_the_homes_of_the_host_are_out_of_reach(sandbox, home):
    (home / "secret").write_text("the password")
    assert sandbox("cat", home / "secret").returncode != 0
    assert sandbox("ls", home).returncode != 0


def test_etc_is_minimal(sandbox):
    names = set(sandbox("ls", "-A", "/etc").stdout.split())
    assert {"passwd", "group", "hosts", "nsswitch.conf"} <= names
    assert not names & {"shadow", "gshadow", "sudoers", "ssh", "machine-id", "fstab", "crontab", "krb5.conf"}
    users = [line.split(":")[0] for line in sandbox("cat", "/etc/passwd").stdout.splitlines()]
    assert len(users) <= 4


def test_proc_shows_the_own_processes_alone(sandbox):
    pids = sandbox.python("import os, json; print(json.dumps([int(p) for p in os.listdir('/proc')"
                          " if p.isdigit()]))")
    assert len(pids) <= 3
    assert 1 in pids


@pytest.mark.parametrize("path", ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
                                  "/proc/sys/vm/drop_caches", "/proc/sys/kernel/hostname",
                                  "/proc/sys/kernel/modprobe", "/proc/sys/net/ipv4/ip_forward"])
def test_the_kernels_switches_cannot_be_written(sandbox, path):
    assert sandbox("sh", "-c", f"echo 0 >{path}").returncode != 0


@pytest.mark.parametrize("path", ["/proc/keys", "/proc/key-users", "/proc/kmsg", "/proc/timer_list",
                                  "/proc/sched_debug", "/proc/latency_stats", "/proc/scsi/scsi"])
def test_what_proc_tells_about_the_host_is_masked(sandbox, path):
    assert sandbox("cat", path).stdout == ""


def test_dev_has_only_the_harmless_ones(sandbox):
    names = set(sandbox("ls", "-A", "/dev").stdout.split())
    assert {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm"} <= names
    assert names <= {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd",
                     "stdin", "stdout", "stderr"}


def test_no_device_can_be_made(sandbox):
    assert sandbox("mknod", "/workspace/d", "c", "1", "3").returncode != 0
    assert sandbox("mknod", "/tmp/d", "b", "8", "0").returncode != 0


def test_scratch_is_memory_with_a_limit(sandbox):
    mounts = {line.split()[4]: line for line in
              sandbox("cat", "/proc/self/mountinfo").stdout.splitlines()}
    for place in ("/tmp", "/var/tmp", "/run", "/dev/shm"):
        assert " - tmpfs " in mounts[place], place
        assert "size=" in mounts[place], place
        assert "nosuid" in mounts[place] and "nodev" in mounts[place], place
        done = sandbox("sh", "-c", f"echo x >{place}/x && cat {place}/x")
        assert done.stdout == "x\n" or place == "/run"


def test_a_full_scratch_does_not_fill_the_host(home, sandbox):
    write_config(home, docker={"tmpfs": ["/tmp:size=1m"]})
    done = sandbox("sh", "-c", "head -c 3m /dev/zero >/tmp/x; stat -c %s /tmp/x")
    assert "No space left" in done.stderr
    assert int(done.stdout) <= 1 << 20


def test_set_user_id_counts_nowhere(sandbox):
    for line in sandbox("cat", "/proc/self/mountinfo").stdout.splitlines():
        # A device node alone carries no such bit; everything else could.
        if " - devtmpfs " not in line:
            assert "nosuid" in line.split()[5], line


def test_the_workspace_is_there_and_the_files_are_the_owners(sandbox, workspace):
    (workspace / "from-host").write_text("hello")
    done = sandbox("sh", "-c", "pwd; cat from-host; mkdir d; echo made >d/f; chmod 600 d/f")
    assert (done.returncode, done.stdout) == (0, "/workspace\nhello")
    made = workspace / "d/f"
    assert made.read_text() == "made\n"
    assert (made.stat().st_uid, made.stat().st_gid) == (workspace.stat().st_uid, workspace.stat().st_gid)
    assert made.stat().st_mode & 0o777 == 0o600


def test_a_workspace_of_another_user(sandbox, workspace, as_root):
    os.chown(workspace, 54321, 54321)
    (workspace / "private").write_text("theirs")
    os.chown(workspace / "private", 54321, 54321)
    os.chmod(workspace / "private", 0o600)
    done = sandbox("sh", "-c", "cat private && echo x >new")
    assert done.returncode == 0, done.stderr
    assert (workspace / "new").stat().st_uid == 54321


def test_read_only_workspace(home, sandbox, workspace):
    write_config(home, workspaceAccess="ro")
    (workspace / "f").write_text("x")
    done = sandbox("sh", "-c", "cat /agent/f; echo y >/agent/f")
    assert done.stdout == "x" and done.returncode != 0
    assert (workspace / "f").read_text() == "x"
    assert sandbox("sh", "-c", "echo y >/workspace/f").returncode != 0


def test_no_workspace(home, sandbox, workspace):
    """access none: a workspace of the sandbox's own, and nothing of the agent's."""
    write_config(home, workspaceAccess="none")
    (workspace / "f").write_text("x")
    done = sandbox("sh", "-c", "ls /workspace /agent; echo y >/workspace/g && cat /workspace/g")
    assert done.stdout.endswith("y\n") and "f" not in done.stdout.split()
    assert not (workspace / "g").exists()


def test_a_symlink_out_of_the_workspace_stays_inside(sandbox, workspace, tmp_path):
    (tmp_path / "outside").write_text("secret")
    (workspace / "link").symlink_to(tmp_path / "outside")
    (workspace / "up").symlink_to("../outside")
    (workspace / "shadow").symlink_to("/etc/shadow")
    for name in ("link", "up", "shadow"):
        assert sandbox("cat", name).returncode != 0


def test_no_network_but_loopback(sandbox):
    names = [line.split(":")[0].strip() for line in
             sandbox("cat", "/proc/net/dev").stdout.splitlines()[2:]]
    assert names == ["lo"]
    done = sandbox.python("""
import errno, json, socket
out = {}
for name, address in {"internet": ("1.1.1.1", 53), "metadata": ("169.254.169.254", 80)}.items():
    s = socket.socket(); s.settimeout(5)
    try: s.connect(address); out[name] = "connected"
    except OSError as e: out[name] = errno.errorcode.get(e.errno, str(e))
a = socket.socket(); a.bind(("127.0.0.1", 0)); a.listen()
b = socket.socket(); b.connect(a.getsockname()); out["loopback"] = "connected"
print(json.dumps(out))""")
    assert done == {"internet": "ENETUNREACH", "metadata": "ENETUNREACH", "loopback": "connected"}


def test_the_hosts_own_servers_are_out_of_reach(sandbox):
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as hidden:
        server.bind(("127.0.0.1", 0))
        server.listen()
        hidden.bind("\0creel-test-%d" % os.getpid())
        hidden.listen()
        done = sandbox.python("""
import json, socket, sys
out = []
for s, a in ((socket.socket(), ("127.0.0.1", int(sys.argv[1]))),
             (socket.socket(socket.AF_UNIX), "\\0" + sys.argv[2])):
    try: s.connect(a); out.append("connected")
    except OSError as e: out.append(e.strerror)
print(json.dumps(out))""", str(server.getsockname()[1]), "creel-test-%d" % os.getpid())
    assert done == ["Connection refused", "Connection refused"]


def test_nothing_of_the_hosts_environment(sandbox):
    done = sandbox("env", env={"AWS_SECRET_ACCESS_KEY": "hunter2", "PATH": "/nonsense:/usr/bin:/bin",
                               "SSH_AUTH_SOCK": "/tmp/agent"})
    names = {line.split("=")[0] for line in done.stdout.splitlines()}
    assert names <= {"PATH", "HOME", "LANG", "PWD", "SHLVL", "_", "TERM", "USER", "LOGNAME", "SHELL"}
    assert "nonsense" not in done.stdout and "hunter2" not in done.stdout
    assert sandbox("cat", "/proc/1/environ", env={"AWS_SECRET_ACCESS_KEY": "hunter2"}).stdout == ""


def test_declared_environment_arrives(home, sandbox):
    write_config(home, docker={"env": {"API_TOKEN": "s3cret", "LANG": "de_DE.UTF-8"}})
    done = sandbox("sh", "-c", "echo $API_TOKEN $LANG")
    assert done.stdout == "s3cret de_DE.UTF-8\n"


def status_of(sandbox):
    return dict(line.split(":\t", 1) for line in
                sandbox("cat", "/proc/self/status").stdout.splitlines() if ":\t" in line)


@pytest.mark.parametrize("name", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_no_capabilities(sandbox, name):
    assert int(status_of(sandbox)[name], 16) == 0


def test_no_new_privileges_and_seccomp(sandbox):
    status = status_of(sandbox)
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


# number of the call on x86-64, arguments; every one must fail, and not because of the arguments.
REFUSED_CALLS = {
    "unshare(NEWUSER)": (272, [0x10000000]), "unshare(NEWNET)": (272, [0x40000000]),
    "mount": (165, [0, b"/tmp", b"tmpfs", 0, 0]), "umount2": (166, [b"/tmp", 2]),
    "pivot_root": (155, [b"/tmp", b"/tmp"]), "open_tree": (428, [-100, b"/", 1]),
    "fsopen": (430, [b"tmpfs", 0]), "move_mount": (429, [-100, b"/", -100, b"/tmp", 0]),
    "mount_setattr": (442, [-100, b"/", 0, 0, 0]), "setns": (308, [0, 0]),
    "add_key": (248, [b"user", b"x", b"y", 1, -3]), "keyctl": (250, [0, -3, 0]),
    "request_key": (249, [b"user", b"x", 0, 0]), "bpf": (321, [0, 0, 0]),
    "perf_event_open": (298, [0, 0, -1, -1, 0]), "io_uring_setup": (425, [1, 0]),
    "userfaultfd": (323, [0]), "userfaultfd(user mode)": (323, [1]),
    "ptrace(ATTACH, 1)": (101, [16, 1, 0, 0]),
    "process_vm_readv(1)": (310, [1, 0, 0, 0, 0, 0]), "kexec_load": (246, [0, 0, 0, 0]),
    "init_module": (175, [0, 0, b""]), "finit_module": (313, [0, b"", 0]), "reboot": (169, [0, 0, 0, 0]),
    "swapon": (167, [b"/x", 0]), "settimeofday": (164, [0, 0]), "acct": (163, [b"/x"]),
    "open_by_handle_at": (304, [0, 0, 0]), "syslog": (103, [2, 0, 0]), "chroot": (161, [b"/tmp"]),
}


@pytest.mark.parametrize("name", REFUSED_CALLS)
def test_dangerous_calls_are_refused(sandbox, name):
    number, args = REFUSED_CALLS[name]
    result, num = sandbox.python("""
import ctypes, json, sys
number, args = eval(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
r = libc.syscall(ctypes.c_long(number), *[a if isinstance(a, bytes) else ctypes.c_long(a) for a in args])
print(json.dumps([r, ctypes.get_errno()]))""", repr((number, args)))
    assert result == -1
    # EPERM, or ENOSYS for what programs can do without; never EFAULT or EINVAL: those come from
    # inside the call.
    assert num in (1, 38), os.strerror(num)


def test_clone3_is_hidden_so_that_its_flags_cannot_slip_by(sandbox):
    """A filter cannot look into clone3's struct; libc falls back to clone, which it can."""
    result, num = sandbox.python("""
import ctypes, json
libc = ctypes.CDLL(None, use_errno=True)
args = (ctypes.c_uint64 * 11)(0x10000000)
r = libc.syscall(ctypes.c_long(435), ctypes.byref(args), ctypes.c_long(88))
if r == 0: libc._exit(0)
print(json.dumps([r, ctypes.get_errno()]))""")
    assert (result, num) == (-1, 38)


def test_unknown_calls_do_not_exist(sandbox):
    for number in (999, 511):
        assert sandbox.python(f"""
import ctypes, json
libc = ctypes.CDLL(None, use_errno=True)
print(json.dumps([libc.syscall(ctypes.c_long({number})), ctypes.get_errno()]))""") == [-1, 38]


@pytest.mark.parametrize("family,kind,protocol", [
    ("AF_INET", "SOCK_RAW", 1), ("AF_INET6", "SOCK_RAW", 58), ("AF_PACKET", "SOCK_RAW", 3),
    ("AF_PACKET", "SOCK_DGRAM", 3), ("AF_VSOCK", "SOCK_STREAM", 0), ("AF_ALG", "SOCK_SEQPACKET", 0)])
def test_odd_sockets_are_refused(sandbox, family, kind, protocol):
    done = sandbox.python(f"""
import errno, json, socket
try: socket.socket(socket.{family}, socket.{kind}, {protocol}); print(json.dumps("made"))
except OSError as e: print(json.dumps(errno.errorcode[e.errno]))""")
    assert done in ("EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT")


def test_nothing_is_typed_into_a_terminal(sandbox):
    """TIOCSTI (CVE-2017-5226): also with bits set above the 32 that the kernel looks at."""
    done = sandbox.python("""
import ctypes, json, os, pty
leader, follower = pty.openpty()
libc = ctypes.CDLL(None, use_errno=True)
out = []
for request in (0x5412, 0x5412 | 1 << 32, 0x541c):
    libc.syscall(ctypes.c_long(16), ctypes.c_long(follower), ctypes.c_ulong(request), b"x")
    out.append(ctypes.get_errno())
print(json.dumps(out))""")
    assert all(num in (1, 13) for num in done), done


def machine_code(sandbox, code):
    """The exit of a child that runs this code and exits 0 after it: what the code returned, or a signal."""
    return sandbox.python("""
import ctypes, json, mmap, os, sys
code = bytes.fromhex(sys.argv[1])
m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
m.write(code)
f = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(m)))
r, w = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(w, str(f()).encode()); os._exit(0)
os.close(w)
said = os.read(r, 100).decode()
_, status = os.waitpid(pid, 0)
print(json.dumps([said, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0]))""", code)


def test_32_bit_calls_are_closed(sandbox):
    # mov eax, 20 (getpid); int 0x80; movsxd rax, eax; ret
    said, signal = machine_code(sandbox, "b814000000cd804863c0c3")
    assert signal == 31 or said == "-38"


def test_x32_calls_are_closed(sandbox):
    # mov eax, 0x40000027 (getpid); syscall; ret
    said, signal = machine_code(sandbox, "b8270000400f05c3")
    assert signal == 31 or said == "-38"


def test_init_keeps_its_secrets(sandbox):
    for name in ("environ", "mem", "maps", "root", "cwd", "exe"):
        assert sandbox("sh", "-c", f"cat /proc/1/{name} || ls /proc/1/{name}/").stdout == "", name
    assert sandbox("sh", "-c", "readlink /proc/1/fd/*; cat /proc/1/fd/*").stdout == ""


def test_init_cannot_be_killed(sandbox):
    done = sandbox("sh", "-c", "kill -9 1; kill -TERM 1; kill -INT 1; kill -HUP 1; echo alive")
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_inherited_descriptors_are_closed(sandbox, tmp_path):
    secret = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(secret, True)
    try:
        done = sandbox("sh", "-c", "ls -l /proc/self/fd; ls /proc/$$/fd", pass_fds=(secret,))
    finally:
        os.close(secret)
    assert str(tmp_path) not in done.stdout
    assert done.stdout.splitlines()[-3:] == ["0", "1", "2"]


def test_too_many_processes(home, sandbox):
    write_config(home, docker={"pidsLimit": 40})
    started = sandbox.python("""
import json, os, time
n = 0
try:
    while n < 200:
        if os.fork() == 0: time.sleep(20); os._exit(0)
        n += 1
except OSError: pass
print(json.dumps(n))""")
    assert 10 <= started <= 40


def test_a_fork_bomb_hits_the_default_limit(sandbox):
    started = sandbox.python("""
import json, os, time
n = 0
try:
    while n < 1000:
        if os.fork() == 0: time.sleep(20); os._exit(0)
        n += 1
except OSError: pass
print(json.dumps(n))""")
    assert 400 <= started <= 512


def test_ulimits(home, sandbox):
    write_config(home, docker={"ulimits": {"nofile": {"soft": 64, "hard": 100}, "core": 0}})
    done = sandbox("bash", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c")
    assert done.stdout.split() == ["64", "100", "0"]


def test_no_core_files(sandbox):
    assert sandbox("bash", "-c", "ulimit -c").stdout.strip() == "0"


def memory_can_be_limited(creel):
    layers = json.loads(creel("doctor", "--json").stdout)["layers"]
    return next(x["present"] for x in layers if x["layer"] == "cgroup.memory")


def test_memory_limit(home, sandbox, creel):
    write_config(home, docker={"memory": "64m"})
    done = sandbox("python3", "-c", "x = bytearray(200 << 20); print(len(x))")
    if memory_can_be_limited(creel):
        assert done.returncode == 137 and done.stdout == ""
    else:
        assert done.returncode == 125
        assert "memory" in done.stderr


def host_pid_of(marker):
    for pid in processes():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", marker.encode()]:
            return pid
    return None


def test_processes_are_no_root_on_the_host(sandbox):
    marker = f"31.{os.getpid()}"
    with sandbox.start("sleep", marker, stdin=subprocess.DEVNULL) as running:
        try:
            pid = None
            for _ in range(200):
                pid = host_pid_of(marker)
                if pid:
                    break
                time.sleep(0.02)
            assert pid
            with open(f"/proc/{pid}/status") as file:
                uids = next(x for x in file if x.startswith("Uid:")).split()[1:]
        finally:
            running.terminate()
    assert "0" not in uids
    if os.getuid() != 0:
        assert set(uids) == {str(os.getuid())}


def test_the_host_name_is_not_told(sandbox):
    assert sandbox("cat", "/proc/sys/kernel/hostname").stdout.strip() != socket.gethostname()


def test_kill_all_stays_inside(sandbox):
    with subprocess.Popen(["sleep", "60"]) as bystander:
        sandbox("sh", "-c", "kill -9 -1")
        assert bystander.poll() is None
        bystander.kill()


def test_shared_memory_is_its_own(sandbox):
    made = sandbox("sh", "-c", "ipcmk -M 4096 >/dev/null && ipcs -m | grep -c 0x")
    again = sandbox("sh", "-c", "ipcs -m | grep -c 0x")
    assert (made.stdout.strip(), again.stdout.strip()) == ("1", "0")


def test_two_sandboxes_do_not_see_each_other(sandbox):
    with sandbox.start("sleep", "30", stdin=subprocess.DEVNULL) as other:
        try:
            done = sandbox("sh", "-c", "ls -d /proc/[0-9]* | wc -l; ls -A /tmp")
        finally:
            other.terminate()
    assert int(done.stdout) <= 4


def test_what_ran_is_gone_with_the_sandbox(sandbox):
    sandbox("sh", "-c", "echo x >/tmp/kept; setsid sleep 300 & exit 0")
    assert sandbox("ls", "/tmp").stdout == ""
