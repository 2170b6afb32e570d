# SPDX-License-Identifier: MIT
"""read of images: what fits is left alone, what does not is made smaller by creel-image."""

import base64
import os
import signal
import socket
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from support import need
from tool_batch import Batch


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, row, promised=None):
    """RGB, every row the same bytes; promised: what the header says instead."""
    head = struct.pack(">IIBBBBB", *(promised or (width, height)), 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress((b"\0" + row) * height, 1)) + chunk(b"IEND", b""))


def flat(width, height, promised=None):
    return png(width, height, b"\xff\0\0" * width, promised)


def size_of(data):
    assert data.startswith(b"\x89PNG"), data[:16]
    return struct.unpack(">II", data[16:24])


@pytest.fixture
def batch(creel_bin, home):
    b = Batch(creel_bin, home, home / "ws")
    yield b
    b.close()


def image_of(result):
    assert [block["type"] for block in result["content"]] == ["text", "image"]
    return base64.b64decode(result["content"][1]["data"])


def test_what_fits_is_left_alone(batch):
    data = flat(1200, 1200)
    (batch.workspace / "i.png").write_bytes(data)
    result = batch.call("read", path="i.png")
    assert result["content"][0]["text"] == "Read image file [image/png] 1200x1200"
    assert image_of(result) == data
    assert "resized" not in result["details"]


def test_a_large_side(batch):
    (batch.workspace / "i.png").write_bytes(flat(2500, 1000))
    result = batch.call("read", path="i.png")
    assert result["content"][0]["text"] == (
        "Read image file [image/png] 1200x480, made smaller from 2500x1000: multiply coordinates by "
        "2.08 for those of the file")
    assert size_of(image_of(result)) == (1200, 480)
    assert result["details"]["resized"] == {"width": 1200, "height": 480, "sourceWidth": 2500,
                                            "sourceHeight": 1000, "firstFrame": False}


def test_a_large_file(batch):
    """9 MiB by what stands behind the image, which decoders do not read."""
    (batch.workspace / "i.png").write_bytes(flat(30, 20) + b"\0" * (9 << 20))
    result = batch.call("read", path="i.png")
    assert result["content"][0]["text"] == "Read image file [image/png] 30x20"
    assert len(image_of(result)) < 1000


def test_many_at_once_in_turn(batch):
    for i in range(12):
        (batch.workspace / f"{i}.png").write_bytes(flat(1300 + i, 40) + b"\0" * (i % 2 * 6 << 20))
    handles = [batch.start("read", path=f"{i}.png") for i in range(12)]
    other = batch.start("exec", command="echo between")
    assert batch.wait(other)["content"][0]["text"] == "between"
    for i, handle in enumerate(handles):
        assert batch.wait(handle)["details"]["resized"]["sourceWidth"] == 1300 + i


@pytest.mark.parametrize("data, says", [
    (flat(30, 20)[:60] + b"\0" * (6 << 20), "f cannot be made smaller: the PNG image cannot be decoded"),
    (flat(30, 20, (60000, 60000)), "60000x60000 pixels, and 64 million can be decoded"),
    (flat(30, 20, (8000, 8000)), "the PNG image cannot be decoded"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "the JPEG image has no pixels"),
    (b"GIF89a\xff\xff\xff\xff\0\0\0;", "f cannot be made smaller: the GIF image"),
    (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff", "the WebP image cannot be decoded"),
    (flat(1, 1) + b"\0" * (32 << 20), "and up to 32 MiB can be read"),
], ids=["cut", "bomb", "lie", "jpeg", "gif", "webp", "huge"])
def test_hostile_files(batch, data, says):
    (batch.workspace / "f").write_bytes(data)
    error = batch.fails("read", path="f")
    assert says in error["message"]
    assert error["code"] == "failed"
    # The next image is not harmed.
    (batch.workspace / "i.png").write_bytes(flat(1300, 10))
    assert size_of(image_of(batch.call("read", path="i.png"))) == (1200, 9)


def test_over_the_memory_of_one_image(batch):
    """A palette of one bit: 64 million pixels in a file of 10 KB take 256 MiB, and are given them."""
    rows = zlib.compressobj()
    data = rows.compress(b"\0" * (1001 * 8000)) + rows.flush()
    head = struct.pack(">IIBBBBB", 8000, 8000, 1, 3, 0, 0, 0)
    (batch.workspace / "p.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"PLTE", b"\0\0\xff")
        + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    assert size_of(image_of(batch.call("read", path="p.png"))) == (1200, 1200)


# --- creel-image itself ---

@pytest.fixture
def service(creel_bin):
    program = Path(creel_bin).parent.parent / "image/creel-image"
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # pylint: disable-next=consider-using-with
    proc = subprocess.Popen([program], preexec_fn=lambda: os.dup2(theirs.fileno(), 3), pass_fds=[3])
    theirs.close()
    yield ours, proc
    ours.close()
    assert proc.wait(timeout=30) == 0


def ask(service_socket):
    """A new job; its socket."""
    ours, theirs = socket.socketpair()
    socket.send_fds(service_socket, [b"x"], [theirs.fileno()])
    theirs.close()
    return ours


def request(data, side=1200, limit=5 << 20):
    return b"CIM1" + struct.pack("<III", side, limit, len(data)) + data


def answer(job):
    data = b""
    while piece := job.recv(1 << 20):
        data += piece
    return data


def worker_of(proc):
    """The child that waits for a request, once it is confined."""
    while True:
        children = Path(f"/proc/{proc.pid}/task/{proc.pid}/children").read_text().split()
        for pid in children:
            status = dict(line.split(":\t", 1) for line in
                          Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            if status["Seccomp"].strip() == "2":
                return int(pid), status


def test_a_worker_is_confined_before_it_reads(service):
    ours, proc = service
    job = ask(ours)
    pid, status = worker_of(proc)
    assert status["NoNewPrivs"].strip() == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert f"Max address space         {512 << 20}" in limits
    assert "Max processes             0 " in limits and "Max open files            0 " in limits
    job.sendall(request(flat(2400, 10)))
    reply = answer(job)
    assert struct.unpack("<9I", reply[:36])[1:4] == (0, 1200, 5)
    assert size_of(reply[36:]) == (1200, 5)


@pytest.mark.parametrize("data", [b"", b"x" * 16, request(b"")[:10], b"CIM1" + b"\xff" * 12])
def test_nonsense_gets_no_answer(service, data):
    ours, _ = service
    with ask(ours) as job:
        job.sendall(data)
        job.shutdown(socket.SHUT_WR)
        assert answer(job) == b""
    with ask(ours) as job:
        job.sendall(request(flat(3, 3)))
        assert struct.unpack("<9I", answer(job)[:36])[1] == 0


def test_a_killed_worker_is_one_image(service):
    ours, proc = service
    job = ask(ours)
    os.kill(worker_of(proc)[0], signal.SIGKILL)
    assert job.recv(1) == b""
    with ask(ours) as job:
        job.sendall(request(flat(3, 3)))
        assert struct.unpack("<9I", answer(job)[:36])[1] == 0


def test_it_is_not_for_the_command_line(creel_bin):
    program = Path(creel_bin).parent.parent / "image/creel-image"
    ran = subprocess.run([program, "x"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (2, "creel-image: started by creel, not by hand\n")


def test_without_the_program(creel_bin, home, tmp_path):
    """A creel that was copied alone says what is missing, and still attaches what fits."""
    need(os.access("/proc/self/exe", os.R_OK), "there is no /proc")
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in (Path(creel_bin), Path(creel_bin).parent.parent / "init/creel-init"):
        (alone / name.name).write_bytes(name.read_bytes())
        (alone / name.name).chmod(0o755)
    b = Batch(alone / "creel", home, home / "ws")
    (b.workspace / "big.png").write_bytes(flat(1300, 10))
    (b.workspace / "small.png").write_bytes(flat(13, 10))
    error = b.fails("read", path="big.png")
    assert error["code"] == "unavailable" and "creel-image is neither beside" in error["message"]
    assert size_of(image_of(b.call("read", path="small.png"))) == (13, 10)
    b.close()
