#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long after a refusal whoever watches a gateway hears of it, while the command still runs."""
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in ("tests/integration", "tests"):
    sys.path.insert(0, str(ROOT / folder))
os.environ.setdefault("CREEL_BUILD", str(ROOT / "build-test/gcc"))
os.environ.setdefault("CREEL_BIN", os.environ["CREEL_BUILD"] + "/src/cli/creel")

# pylint: disable=wrong-import-position
from gateway import Gateway
from test_denied_gateway import Events

KINDS = {
    "a system call (notification)": "ctypes.CDLL(None).unshare(0x10000000)",
    "a connection (counter)": "socket.socket().connect_ex(('192.0.2.1', 80))",
}
COMMAND = """python3 - <<'P'
import ctypes, socket, time
time.sleep(0.1)
open('at', 'w').write(str(time.time()))
{code}
time.sleep(0.2)
P"""


def one(gateway, code):
    """Milliseconds from the call to the event, on one clock."""
    events = Events(gateway)
    started = gateway.call("exec", command=COMMAND.format(code=code), background=True)
    events.next("denial")
    now = time.time()
    events.close()
    # Its counters are nobody else's only while nothing else runs.
    gateway.call("process", action="poll", sessionId=started["details"]["sessionId"], timeout=9000)
    return (now - float(gateway.text("read", path="at"))) * 1000


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as home:
        gateway = Gateway(home)
        gateway.sandbox["workspaceAccess"] = "rw"
        gateway.write_config()
        gateway.start()
        try:
            for name, code in KINDS.items():
                times = sorted(one(gateway, code) for _ in range(rounds))
                print(f"{name}: median {times[len(times) // 2]:.1f} ms, most {times[-1]:.1f} ms "
                      f"of {rounds}")
        finally:
            gateway.finish()


if __name__ == "__main__":
    main()
