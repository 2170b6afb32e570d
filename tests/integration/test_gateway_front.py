"""A front that was taken over: the broker believes it nothing. The test's own front speaks the raw bus."""
import json
import shutil
import struct
import textwrap

import pytest

from gateway import Gateway, build_dir, wait_for

TOKENS = [{"name": "admin", "token": "admin", "admin": True},
          {"name": "narrow", "token": "narrow", "agents": ["work"], "sessions": ["agent:work:a*"]}]

ABSENT = struct.pack("<I", 0xFFFFFFFF)
ACQUIRE, ELEVATE, ASK, REPLY, FAILURE = 1, 2, 3, 33, 34
LOCAL, OWNER, START, HELD = 1, 2, 4, 32

# Sends what it finds in the file, one packet per line of hex ("LOCAL" before it: with a socket of its
# own making), and writes the answers down.
FRONT = """
    #!/usr/bin/python3
    import array, socket, sys, os
    here = os.path.dirname(os.path.abspath(sys.argv[0]))
    bus = socket.socket(fileno=3)
    out = open(here + "/answers", "a")
    for line in open(here + "/packets"):
        words = line.split()
        rights = []
        if words[0] == "LOCAL":
            pair = socket.socketpair()
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pair[0].fileno()]))]
        bus.sendmsg([bytes.fromhex(words[-1])], rights)
    while True:
        data, ancillary, *_ = bus.recvmsg(65536, 256)
        if not data:
            break
        out.write(data.hex() + " " + str(len(ancillary)) + "\\n")
        out.flush()
"""


def text(value):
    return ABSENT if value is None else struct.pack("<I", len(value)) + value


def packet(kind, fields, number=1, flags=0):
    return (struct.pack("<HHI", kind, flags, number) + b"".join(map(text, fields))).hex()


def caller(token):
    return [token, b"http", None, None, b"1", None, None, None, None, None]


def acquire(token, agent, session, number, flags=START):
    return packet(ACQUIRE, [*caller(token), agent, session, None, None, None], number, flags)


@pytest.fixture
def run(home, tmp_path):
    """Answers by id: (kind, first field, descriptors) to the packets of one front."""
    programs = tmp_path / "programs"
    programs.mkdir()
    shutil.copy(build_dir() / "src/broker/creel-gateway", programs)
    gateway = Gateway(home, tokens=TOKENS)
    gateway.program = programs / "creel-gateway"

    def run(*packets, answers):
        (programs / "packets").write_text("".join(f"{p}\n" for p in packets))
        (programs / "creel-front").write_text(textwrap.dedent(FRONT).lstrip())
        (programs / "creel-front").chmod(0o755)
        gateway.start(check=False)

        def read():
            path, found = programs / "answers", {}
            for line in path.read_text().splitlines() if path.exists() else []:
                data, rights = bytes.fromhex(line.split()[0]), int(line.split()[1])
                kind, _, number = struct.unpack("<HHI", data[:8])
                if kind in (REPLY, FAILURE):
                    length, = struct.unpack("<I", data[8:12])
                    found[number] = (kind, data[12:12 + length].decode(), rights)
            return (found or True) if len(found) >= answers else None
        return wait_for(read, "the answers")
    run.gateway = gateway
    yield run
    if gateway.process is not None:
        gateway.process.kill()
        gateway.process.wait()


def test_it_gets_what_a_token_reaches_and_no_more(run):
    answers = run(
        acquire(None, b"main", b"main", 1),
        acquire(b"guess", b"main", b"main", 2),
        acquire(b"narrow", b"main", b"main", 3),
        acquire(b"narrow", b"work", b"other", 4),
        acquire(b"narrow", b"work", b"agent:main:main", 5),
        "LOCAL " + acquire(None, b"main", b"main", 6, START | LOCAL),
        packet(ASK, [*caller(b"narrow"), b"status", b"{}"], 7),
        packet(ASK, [*caller(b"narrow"), b"approval.list", b"{}"], 8),
        packet(ELEVATE, [*caller(b"narrow"), b"work", b"a", b"\0" * 64], 9),
        packet(ACQUIRE, [*caller(b"narrow"), b"work", b"a", None, b"/etc", None], 10, START),
        acquire(b"narrow", b"work", b"a", 11, 0),
        answers=11)
    assert [answers[n][:2] for n in (1, 2)] == [(FAILURE, "unauthorized")] * 2
    for number in (3, 4, 5, 7, 8, 10):
        assert answers[number][:2] == (FAILURE, "forbidden"), number
    assert answers[6][:2] == (FAILURE, "unauthorized")  # a socket pair is nobody's connection
    assert answers[9][0] == FAILURE
    kind, grant, rights = answers[11]
    assert kind == REPLY and rights == 0
    # What it is given has no secret of the configuration's.
    assert json.loads(grant)["sessionKey"] == "agent:work:a"
    assert "token" not in json.loads(grant)["settings"] and "admin" not in grant.replace('"admin":false', "")


@pytest.mark.parametrize("bad", ["00", packet(REPLY, [b"{}"]), "ff" * 100, packet(ACQUIRE, [b"x"])])
def test_one_that_breaks_the_rules_is_ended(run, bad):
    run(bad, answers=0)
    wait_for(lambda: run.gateway.said().count("the front ended (signal 9)") >= 2, "two of them to be ended")
    assert run.gateway.process.poll() is None
