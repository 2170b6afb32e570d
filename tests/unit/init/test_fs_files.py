# SPDX-License-Identifier: MIT
"""read, write and ls: pages, odd files, paths, disks that are full."""

import os
import random
import resource
import stat
import struct
import subprocess
import zlib

import pytest

from fs_driver import DRIVER, Driver, ToolError

TEXT, IMAGE, BINARY, RAW = 0, 1, 2, 3
CUT_NONE, CUT_LIMIT, CUT_LINES, CUT_BYTES, CUT_LONG = range(5)
PAGE = 50 * 1024


@pytest.fixture
def workspace(tmp_path):
    """A workspace and its driver."""
    root = tmp_path / "ws"
    root.mkdir()
    with Driver(root, home=tmp_path / "home") as driver:
        yield root, driver


def model_page(data, offset, limit, max_bytes):
    """What a page must hold, plainly."""
    lines = data.split(b"\n")
    ended = lines[-1] == b""
    if ended:
        lines.pop()
    first = max(offset, 1)
    total = len(lines)
    if first > total and first > 1:
        return None
    taken, cut = [], CUT_NONE
    wanted = min(limit or 2000, 2000)
    for line in lines[first - 1:]:
        if len(taken) == wanted:
            cut = CUT_LIMIT if wanted < 2000 else CUT_LINES
            break
        if len(b"\n".join(taken + [line])) > (max_bytes or PAGE):
            cut = CUT_BYTES if taken else CUT_LONG
            break
        taken.append(line)
    text = b"\n".join(taken)
    if cut == CUT_NONE:
        text += b"\n" if taken and ended else b""
    elif text.endswith(b"\r"):
        text = text[:-1]
    after = first + len(taken) + (cut == CUT_LONG)
    return {"data": text, "count": len(taken), "cut": cut, "total": total, "first": first,
            "next": after if cut != CUT_NONE and after <= total else 0,
            "long_line": len(lines[first - 1]) if cut == CUT_LONG else 0}


@pytest.mark.parametrize("seed", range(4))
def test_pages_agree_with_a_plain_model(workspace, seed):
    root, driver = workspace
    rng = random.Random(seed)
    for _ in range(150):
        data = b""
        for _ in range(rng.choice([0, 1, 3, 50, 3000])):
            size = rng.choice([0, 1, 5, 40, 40, 200, rng.choice([200, 20000, 70000])])
            data += b"x" * rng.randint(0, size) + rng.choice([b"\n", b"\n", b"\r\n"])
            if len(data) > 400000:
                break
        data += rng.choice([b"", b"tail"])
        (root / "f").write_bytes(data)
        for _ in range(4):
            offset = rng.choice([0, 1, 2, rng.randint(1, data.count(b"\n") + 3)])
            limit = rng.choice([0, 0, 1, 7, 5000])
            size = rng.choice([0, 0, 1, 10, 1000])
            want = model_page(data, offset, limit, size)
            try:
                got = driver.read("f", offset, limit, size)
            except ToolError as error:
                assert want is None
                total = data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
                assert error.text == f"Offset {offset} is beyond end of file ({total} lines total)"
                continue
            assert {k: got[k] for k in want} == want, (len(data), offset, limit, size)
            assert got["size"] == len(data) and got["kind"] == TEXT


def test_following_next_reads_the_whole_file(workspace):
    root, driver = workspace
    data = b"".join(b"%d %s\n" % (i, b"y" * (i % 90)) for i in range(30000))
    (root / "f").write_bytes(data)
    got, offset = b"", 1
    while offset:
        page = driver.read("f", offset)
        got += page["data"] + (b"\n" if page["next"] else b"")
        offset = page["next"]
    assert got == data


def peak_kib(driver):
    """The most memory a driver ever had."""
    with open(f"/proc/{driver.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def gigabyte(tmp_path_factory):
    """A file of 1 GiB, most of it holes; its lines are marked here and there."""
    path = tmp_path_factory.mktemp("big") / "big"
    line = b"z" * 1023 + b"\n"
    with open(path, "wb") as file:
        block = line * 1024
        for _ in range(1024):
            file.write(block)
    yield path
    path.unlink()


def test_a_gigabyte_by_pages_takes_little_memory(gigabyte):
    sanitized = b"__asan_init" in open(DRIVER, "rb").read()
    with Driver(gigabyte.parent) as driver:
        driver.read("big", 1, 1)
        for offset in list(range(1, 1048576, 50000)) + [1048570, 3, 700000]:
            page = driver.read("big", offset)
            assert page["data"].rstrip(b"\n") == b"\n".join([b"z" * 1023] * page["count"])
            assert page["cut"] == CUT_BYTES or page["next"] == 0
            assert page["total"] in (0, 1048576)
        assert page["total"] == 1048576
        with pytest.raises(ToolError, match="Offset 1048577 is beyond end"):
            driver.read("big", 1048577)
        if not sanitized:
            assert peak_kib(driver) < 4096


def test_a_single_huge_line(workspace, gigabyte):
    root, driver = workspace
    with open(root / "f", "wb") as file:
        file.write(b"q" * (3 << 20) + b"\nnext\n")
    page = driver.read("f")
    assert (page["cut"], page["data"], page["long_line"], page["next"]) == (CUT_LONG, b"", 3 << 20, 2)
    assert driver.read("f", 2)["data"] == b"next\n"
    (root / "f").write_bytes(b"q" * PAGE)
    assert driver.read("f")["cut"] == CUT_NONE
    (root / "f").write_bytes(b"q" * (PAGE + 1))
    assert driver.read("f")["next"] == 0 and driver.read("f")["cut"] == CUT_LONG


def test_a_file_that_changes_between_pages(workspace):
    root, driver = workspace
    (root / "f").write_bytes(b"a\n" * 3000000)
    assert driver.read("f", 2900000, 1)["data"] == b"a"
    (root / "f").write_bytes(b"bb\n" * 3000000)
    assert driver.read("f", 2900000, 1)["data"] == b"bb"


def test_a_growing_file_ends(workspace):
    root, driver = workspace
    (root / "f").write_bytes(b"line\n" * 100000)
    writer = subprocess.Popen(["/bin/sh", "-c", f"while [ ! -e {root}/stop ]; do "
                               f"head -c 1000000 /dev/zero | tr '\\0' '\\n' >> {root}/f; done"])
    try:
        for _ in range(10):
            assert driver.read("f", 99999)["data"].startswith(b"line\nline\n")
    finally:
        (root / "stop").write_text("")
        writer.wait()


@pytest.mark.parametrize("name, words", [
    ("fifo", "is a FIFO"), ("socket", "is a socket"), ("zero", "is a device"), ("dir", "directory"),
    ("missing", "File not found: missing"), ("dangling", "File not found: dangling"),
    ("loop", "cannot reach 'loop'"), ("f/x", "cannot reach 'f/x'"), ("", "the path is empty"),
])
def test_what_cannot_be_read(workspace, name, words):
    import socket
    root, driver = workspace
    os.mkfifo(root / "fifo")
    here = os.getcwd()
    os.chdir(root)
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    os.chdir(here)
    (root / "zero").symlink_to("/dev/zero")
    (root / "dir").mkdir()
    (root / "f").write_text("x")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    with pytest.raises(ToolError) as failure:
        driver.read(name)
    assert words in failure.value.text
    server.close()


def test_files_without_a_size(workspace):
    _, driver = workspace
    page = driver.read("/proc/self/status")
    assert page["data"].startswith(b"Name:") and page["total"] > 10


def test_binary_is_said(workspace):
    root, driver = workspace
    (root / "f").write_bytes(b"\x7fELF\0\0")
    assert (driver.read("f")["kind"], driver.read("f")["data"]) == (BINARY, b"")


def png(width, height):
    """A PNG's start."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + \
        struct.pack(">I", zlib.crc32(b"IHDR" + head))


JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0004ff00ffc0000b0801020304010111"
                     "00ffd9")
IMAGES = [
    (png(1200, 7), b"image/png", 1200, 7),
    (b"GIF89a" + struct.pack("<HH", 33, 44) + b"\0\0\0;", b"image/gif", 33, 44),
    (JPEG, b"image/jpeg", 0x0304, 0x0102),
    (b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x2b\x01\0\xc7\0\0", b"image/webp", 300, 200),
    (b"RIFF\x1e\0\0\0WEBPVP8 \x12\0\0\0\0\0\0\x9d\x01\x2a\x40\x01\xf0\0", b"image/webp", 320, 240),
    (b"RIFF\x1e\0\0\0WEBPVP8L\x12\0\0\0\x2f" + struct.pack("<I", 99 | 49 << 14) + b"\0" * 8,
     b"image/webp", 100, 50),
]


@pytest.mark.parametrize("data, mime, width, height", IMAGES)
def test_images_are_known_by_content(workspace, data, mime, width, height):
    root, driver = workspace
    (root / "f.txt").write_bytes(data)
    got = driver.read("f.txt")
    assert (got["kind"], got["mime"], got["data"]) == (IMAGE, mime, data)
    assert (got["width"], got["height"]) == (width, height)
    # Cut anywhere, it is still some image or some file, never a crash.
    for end in range(len(data)):
        (root / "cut").write_bytes(data[:end])
        assert driver.read("cut")["kind"] in (TEXT, IMAGE, BINARY)


def test_a_large_image_comes_without_its_data(workspace):
    root, driver = workspace
    (root / "f.png").write_bytes(png(1, 1) + b"\0" * (5 << 20))
    got = driver.read("f.png")
    assert (got["kind"], got["mime"], got["data"]) == (IMAGE, b"image/png", b"")


# ---- paths ----

@pytest.mark.parametrize("flag", ["openat2", "no-openat2"])
@pytest.mark.parametrize("path", [
    "f", "./f", "d/../f", "../ws/f", "@f", "missing/../f", "l", "ld/../f", "ld/up", "abs", "d/d2/up2",
    "a\u00a0b", "{root}/f", "{root}/d/./../f", "~/../ws/f", "l2",
])
def test_paths_that_lead_to_a_file(tmp_path, path, flag):
    root = tmp_path / "ws"
    (root / "d/d2").mkdir(parents=True)
    (root / "f").write_text("x")
    (root / "a b").write_text("x")
    (root / "l").symlink_to("f")
    (root / "l2").symlink_to("./d//d2/up2")
    (root / "ld").symlink_to("d")
    (root / "d/up").symlink_to("../f")
    (root / "d/d2/up2").symlink_to("../../ld/up")
    (root / "abs").symlink_to(root / "d" / "up")
    for rule in ("", "workspace-only"):
        with Driver(root, flag, rule, home=tmp_path / "home") as driver:
            assert driver.read(path.format(root=root))["data"] == b"x"


@pytest.mark.parametrize("flag", ["openat2", "no-openat2"])
@pytest.mark.parametrize("path", [
    "../out", "d/../../out", "{tmp}/out", "/etc/passwd", "abs", "rel", "deep/out", "~/x", "hard",
    "chain", "/", "..", "back",
])
def test_paths_that_leave_the_workspace(tmp_path, path, flag):
    root = tmp_path / "ws"
    (root / "d").mkdir(parents=True)
    (tmp_path / "out").write_text("secret")
    (root / "abs").symlink_to(tmp_path / "out")
    (root / "rel").symlink_to("../out")
    (root / "deep").symlink_to("..")
    (root / "chain").symlink_to("d/hop")
    (root / "d/hop").symlink_to("../../out")
    # Leads out and in again: still out, as RESOLVE_BENEATH has it.
    (root / "back").symlink_to("../ws/d/f")
    (root / "d/f").write_text("x")
    os.link(tmp_path / "out", root / "hard")
    with Driver(root, "workspace-only", flag, home=tmp_path / "home") as driver:
        for request in (("read", path), ("write", path, "x"), ("edit", path, "secret", "x")):
            request = [request[0], request[1].format(tmp=tmp_path), *request[2:]]
            with pytest.raises(ToolError) as failure:
                driver.call(*request)
            assert "escapes sandbox root" in failure.value.text or \
                "Hardlinked path is not allowed" in failure.value.text
    assert (tmp_path / "out").read_text() == "secret"


def test_a_name_that_starts_with_at_wins_when_it_is_there(workspace):
    root, driver = workspace
    (root / "@f").write_text("at")
    (root / "f").write_text("plain")
    assert driver.read("@f")["data"] == b"at"


def test_a_race_of_symlinks_never_leads_out(tmp_path):
    """A directory that turns into a symlink and back all the time: inside or refused."""
    root = tmp_path / "ws"
    (root / "d").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/f").write_text("secret")
    (root / "d/f").write_text("mine")
    (root / "l").symlink_to(tmp_path / "out")
    swap = ("import ctypes,os,sys\n"
            "c=ctypes.CDLL(None)\n"
            "while not os.path.exists(sys.argv[1]+'/stop'):\n"
            " c.renameat2(-100,(sys.argv[1]+'/d').encode(),-100,(sys.argv[1]+'/l').encode(),2)\n")
    swapper = subprocess.Popen(["/usr/bin/python3", "-c", swap, str(root)])
    seen = set()
    try:
        for flag in ("openat2", "no-openat2"):
            with Driver(root, "workspace-only", flag) as driver:
                for _ in range(1500):
                    try:
                        seen.add(driver.read("d/f")["data"])
                    except ToolError:
                        seen.add(b"refused")
                    try:
                        driver.write("d/f", "mine")
                    except ToolError:
                        pass
    finally:
        (root / "stop").write_text("")
        swapper.wait()
    assert seen <= {b"mine", b"refused"}
    assert (tmp_path / "out/f").read_text() == "secret"
    assert os.listdir(tmp_path / "out") == ["f"]


# ---- write ----

def test_parents_are_made_and_modes_are_the_umasks(tmp_path):
    root = tmp_path / "ws"
    root.mkdir()
    with Driver(root, preexec_fn=lambda: os.umask(0o027)) as driver:
        got = driver.write("a/b/c", b"x\0y", 1)
    assert got == {"created": 1, "in_place": 0, "bytes": 3, "other_names": 0}
    assert (root / "a/b/c").read_bytes() == b"x\0y"
    assert stat.S_IMODE((root / "a/b/c").stat().st_mode) == 0o640
    assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o750


def test_write_follows_links_and_keeps_modes(workspace, tmp_path):
    root, driver = workspace
    (root / "l").symlink_to("sub/dangling")
    assert driver.write("l", "x")["created"] == 1
    assert (root / "sub/dangling").read_text() == "x" and (root / "l").is_symlink()
    (root / "sub/dangling").chmod(0o700)
    assert driver.write("l", "yy")["created"] == 0
    assert stat.S_IMODE((root / "sub/dangling").stat().st_mode) == 0o700
    driver.write(tmp_path / "outside", "x")
    assert (tmp_path / "outside").read_text() == "x"


@pytest.mark.parametrize("path", ["d", "fifo", "f/x", "."])
def test_what_cannot_be_written(workspace, path):
    root, driver = workspace
    (root / "d").mkdir()
    (root / "f").write_text("x")
    os.mkfifo(root / "fifo")
    with pytest.raises(ToolError):
        driver.write(path, "y")
    assert (root / "f").read_text() == "x"
    assert sorted(os.listdir(root)) == ["d", "f", "fifo"]


def test_a_reader_never_sees_half_a_file(workspace):
    root, driver = workspace
    driver.write("f", b"a" * 300000)
    watch = ("import sys\nbad=0\nwhile True:\n"
             " d=open(sys.argv[1]+'/f','rb').read()\n"
             " if len(d)!=300000 or len(set(d))!=1: sys.exit(1)\n"
             " if d[:1]==b'z': sys.exit(0)\n")
    watcher = subprocess.Popen(["/usr/bin/python3", "-c", watch, str(root)])
    for i in range(300):
        driver.write("f", bytes([97 + i % 20]) * 300000)
    driver.write("f", b"z" * 300000)
    assert watcher.wait(30) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs mount")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    root = tmp_path / "ws"
    root.mkdir()
    script = (f"mount -t tmpfs -o size=256k none {root} && echo old > {root}/f && "
              f"echo single > {root}/src && touch {root}/mnt && mount --bind {root}/src {root}/mnt "
              f'&& cd {root} && exec "$FS_DRIVER_PROGRAM" "$@"')
    env = {**os.environ, "FS_DRIVER_PROGRAM": DRIVER}
    with Driver("-m", "sh", "-c", script, "driver", str(root), "/nonexistent", home="--",
                program="unshare", env=env) as driver:
        big = b"x" * (512 * 1024)
        for name, old in (("f", b"old\n"), ("mnt", b"single\n")):
            with pytest.raises(ToolError, match="No space left"):
                driver.write(name, big)
            assert driver.read(name)["data"] == old
        with pytest.raises(ToolError, match="No space left"):
            driver.patch(f"*** Begin Patch\n*** Update File: f\n@@\n-old\n+new\n"
                         f"*** Add File: a/b\n+{'x' * 512000}\n*** End Patch")
        assert driver.read("f")["data"] == b"old\n"
        fields = driver.call("list", ".", 0)[1:]
        assert fields[1::3] == [b"f", b"mnt", b"src"]
        assert driver.write("mnt", "in place")["in_place"] == 1
        assert driver.read("src")["data"] == b"in place"


def test_a_file_size_limit_leaves_the_old_file(tmp_path):
    root = tmp_path / "ws"
    root.mkdir()
    (root / "f").write_text("old")

    def limit():
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    with Driver(root, preexec_fn=limit) as driver:
        with pytest.raises(ToolError, match="File too large"):
            driver.write("f", b"x" * 100000)
    assert (root / "f").read_text() == "old" and os.listdir(root) == ["f"]


# ---- ls ----

def test_list(workspace):
    root, driver = workspace
    (root / "b").write_text("123")
    (root / ".hidden").mkdir()
    (root / "l").symlink_to("b")
    os.mkfifo(root / "p")
    fields = driver.call("list", ".", 0)
    kinds = {name: head.split(b" ")[0] for head, name in zip(fields[1::3], fields[2::3])}
    assert list(kinds.items()) == [(b".hidden", b"d"), (b"b", b"f"), (b"l", b"l"), (b"p", b"p")]
    assert fields[4].split(b" ")[1] == b"3" and fields[9] == b"b" and fields[0] == b"0"
    fields = driver.call("list", root, 2)
    assert fields[0] == b"1" and fields[2::3] == [b".hidden", b"b"]
    for path in ("b", "missing"):
        with pytest.raises(ToolError):
            driver.call("list", path, 0)


def test_raw_bytes(workspace):
    root, driver = workspace
    data = bytes(range(256)) * 300
    (root / "f").write_bytes(data)
    for offset, limit in ((0, 0), (0, 1), (1, 70000), (65535, 2), (len(data) - 1, 9), (len(data), 1),
                          (2 ** 63 - 1, 5), (2 ** 64 - 1, 5)):
        page = driver.read("f", offset, limit, raw=1)
        wanted = data[offset:offset + limit] if limit else data[offset:]
        assert (page["kind"], page["size"], page["data"]) == (RAW, len(data), wanted)
    (root / "g").write_bytes(b"GIF89a" + bytes(6 * 1024 * 1024))
    page = driver.read("g", 0, 0, raw=1)
    assert len(page["data"]) == 5 * 1024 * 1024 and page["mime"] == b"image/gif"
    (root / "empty").write_bytes(b"")
    assert driver.read("empty", raw=1)["data"] == b""
    os.mkfifo(root / "fifo")
    for path in ("fifo", ".", "none"):
        with pytest.raises(ToolError):
            driver.read(path, raw=1)
