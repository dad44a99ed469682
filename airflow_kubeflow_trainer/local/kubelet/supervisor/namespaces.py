"""Make the namespaces that the pods of one TrainJob share, and hand them to the kubelet as file descriptors."""

from __future__ import annotations

import os
import socket
import sys

from . import syscalls


def main() -> None:
    """Make a network namespace with ``lo`` up, inside a user namespace if asked; send its descriptors and end.

    Arguments: the number of a connected Unix socket, and ``user`` or ``root``. A namespace lives as long as the kubelet
    holds its descriptor or a process is in it: there is nothing to clean up.
    """
    channel, kind = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    if kind == "user":
        _enter_user_namespace(flags=syscalls.CLONE_NEWNET)
        names = ["user", "net"]
    else:
        syscalls.unshare(syscalls.CLONE_NEWNET)
        names = ["net"]
    syscalls.loopback_up()
    descriptors = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names]
    socket.send_fds(channel, [b"ok"], descriptors)


def _enter_user_namespace(*, flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER | flags)
    # Without this the kernel refuses a group map from somebody who is not root.
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {user} 1")
    _write("/proc/self/gid_map", f"0 {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
