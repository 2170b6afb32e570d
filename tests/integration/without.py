#!/usr/bin/python3
"""Runs a command on a kernel that lacks something: without.py CALL:ERROR[,CALL:ERROR...] COMMAND...

A seccomp filter makes the named system calls fail as they do where the feature is missing or forbidden.
CALL is a number or a name below; clone and unshare fail only when they ask for a user namespace.
"""
import ctypes
import errno
import os
import struct
import sys

CALLS = {"clone3": 435, "clone": 56, "unshare": 272, "landlock_create_ruleset": 444, "seccomp": 317,
         "mount_setattr": 442, "open_tree": 428, "openat2": 437, "close_range": 436, "pivot_root": 155,
         "prctl_seccomp": None}
CLONE_NEWUSER = 0x10000000
LD_NR, LD_ARG0, RET, JEQ, JSET = 0x20, 0x20, 0x06, 0x15, 0x45
ALLOW, FAIL = 0x7fff0000, 0x00050000


def instruction(code, jump_true, jump_false, value):
    return struct.pack("HBBI", code, jump_true, jump_false, value)


def rules(name, num):
    fail = instruction(RET, 0, 0, FAIL | num)
    number = CALLS[name] if name in CALLS else int(name)
    load = instruction(LD_NR, 0, 0, 0)
    if name in ("clone", "unshare"):
        return (load + instruction(JEQ, 0, 3, number) + instruction(LD_ARG0, 0, 0, 16)
                + instruction(JSET, 0, 1, CLONE_NEWUSER) + fail)
    return load + instruction(JEQ, 0, 1, number) + fail


def main():
    program = b""
    for item in sys.argv[1].split(","):
        name, error = item.split(":")
        program += rules(name, getattr(errno, error))
    program += instruction(RET, 0, 0, ALLOW)
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, filter_, 0, 0) != 0:
        sys.exit(f"without.py: no filter: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[2], sys.argv[2:])


main()
