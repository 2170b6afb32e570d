/* SPDX-License-Identifier: MIT */
/*
 * creel-init: PID 1 of a sandbox. How it is started:
 *
 *	creel-init [--fd N | --dir DIR] [--once]
 *
 * --fd N     the stream is the inherited descriptor N (native, one-shot; no token needed)
 * --dir DIR  DIR/token holds 32 bytes, DIR/socket is dialled, and dialled again (100 ms doubling to
 *            2 s) with the remembered token whenever the stream ends. Default: /run/creel
 * --once     end with the stream instead of reconnecting (--fd implies it)
 *
 * It makes itself non-dumpable first, closes every descriptor but 0-2 and the stream, and reads no
 * environment variable but those it was given for its children. It needs /dev/null, and no shell, no
 * library, no writable path. Without /proc a process tree is its process group (init/tree.h), and
 * without /dev/ptmx there are no terminals.
 *
 * Exit status: 0 after SHUTDOWN or the end of a --once stream, 1 when it could not start (one line
 * on stderr).
 */
