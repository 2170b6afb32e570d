# SPDX-License-Identifier: MIT
"""Large images through the gateway: its front can start nothing, and has them made smaller all the same."""
import base64
import concurrent.futures
import os
import signal
import struct
from pathlib import Path

from gateway import wait_for

# A red PNG of this size, and some bytes behind it.
MAKE = """python3 - {width} {padding} > {name} <<'END'
import struct, sys, zlib
def chunk(kind, data):
    body = kind + data
    return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))
width, padding = int(sys.argv[1]), int(sys.argv[2])
rows = (b'\\0' + b'\\xff\\0\\0' * width) * 10
sys.stdout.buffer.write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, 10, 8, 2, 0, 0, 0))
    + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'') + b'\\0' * padding)
END"""


def make(gateway, name, width, padding=0, session="main"):
    gateway.call("exec", session=session, command=MAKE.format(name=name, width=width, padding=padding))


def size(result):
    data = base64.b64decode(result["content"][1]["data"])
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


def services(gateway):
    return [pid for pid in gateway.children()
            if Path(f"/proc/{pid}/comm").read_text() == "creel-image\n"]


def test_an_image_is_made_smaller(gateway):
    make(gateway, "small.png", 300)
    assert size(gateway.call("read", path="small.png")) == (300, 10)
    assert services(gateway) == []  # nobody needed it
    make(gateway, "big.png", 2400, padding=7 << 20)
    result = gateway.call("read", path="big.png")
    assert size(result) == (1200, 5)
    assert result["details"]["resized"]["sourceWidth"] == 2400
    service, = services(gateway)
    assert gateway.stop() == 0
    wait_for(lambda: not Path(f"/proc/{service}").exists(), "creel-image to end")


def test_many_sessions_at_once(gateway):
    sessions = [f"agent:main:s{i}" for i in range(6)]
    for i, session in enumerate(sessions):
        make(gateway, "i.png", 1300 + i, padding=i % 2 * (6 << 20), session=session)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        reads = [pool.submit(gateway.call, "read", session=session, path="i.png") for session in sessions * 2]
        widths = [read.result()["details"]["resized"]["sourceWidth"] for read in reads]
    assert widths == [1300 + i for i in range(6)] * 2


def test_creel_image_may_die(gateway):
    make(gateway, "big.png", 2400)
    assert size(gateway.call("read", path="big.png")) == (1200, 5)
    os.kill(services(gateway)[0], signal.SIGKILL)
    wait_for(lambda: services(gateway) == [], "its end to be seen")
    assert size(gateway.call("read", path="big.png")) == (1200, 5)


def test_the_front_may_die(gateway):
    make(gateway, "big.png", 2400)
    assert size(gateway.call("read", path="big.png")) == (1200, 5)
    front = gateway.front()
    os.kill(front, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{front}").exists(), "the front's end")
    gateway.wait_ready()
    assert size(gateway.call("read", path="big.png")) == (1200, 5)
    assert len(services(gateway)) == 1


def test_a_hostile_image(gateway):
    gateway.call("exec", command="head -c 100 /dev/zero > z; printf 'GIF89a\\377\\377\\377\\377\\0\\0\\0;' > bomb.gif")
    status, body = gateway.invoke("read", {"path": "bomb.gif"})
    assert status != 200 and "bomb.gif cannot be made smaller" in body["error"]["message"]
    make(gateway, "big.png", 2400)
    assert size(gateway.call("read", path="big.png")) == (1200, 5)
