# SPDX-License-Identifier: MIT
"""A machine's network of the tests' own, for bridges, firewall rules and addresses that the real one must not
have."""
import contextlib
import ctypes
import os
import subprocess

LAN = "198.51.100.7"  # RFC 5737: nobody's
METADATA = "169.254.169.254"  # where clouds tell their machines secrets
CLONE_NEWNET = 0x40000000


class Network:
    """Holds it; prefix is what starts a program in it."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c",
             "ip link set lo up && ip addr add $0/32 dev lo && ip addr add $1/32 dev lo && echo up && "
             "exec sleep infinity", LAN, METADATA], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"up\n", "no network of one's own here"
        self.prefix = enter(self.holder.pid)

    def stop(self):
        self.holder.kill()
        self.holder.wait()


def enter(pid):
    return ("nsenter", "--net", "--target", str(pid))


@contextlib.contextmanager
def inside(pid):
    """Sockets made in here belong to the network of that process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as home, open(f"/proc/{pid}/ns/net", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                os.abort()  # every later test would be in the wrong network
