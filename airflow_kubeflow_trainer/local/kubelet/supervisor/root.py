"""Build a container's file system out of the host's, in a mount namespace of its own.

The new root is an empty folder into which the host's top-level entries are bound. A mount point that the host lacks
(``/workspace``) is made in that folder, never on the host: where it lies deeper (``/data/models`` on a host with a
``/data``), the folders above it are opened, that is made anew with each of the host's entries bound one by one.
"""

from __future__ import annotations

import os
from contextlib import suppress

from . import syscalls
from .spec import Mount, Root

_SHARED_MEMORY = os.path.realpath("/dev/shm")


def enter(root: Root) -> None:
    """Build the root and make it this process' own. The mount namespace must be new already."""
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount(root.folder, root.folder, flags=syscalls.MS_BIND)
    # Else binding the folder above would bind what has been bound so far once more.
    syscalls.mount("none", root.folder, flags=syscalls.MS_UNBINDABLE)
    _Builder(root).build()
    syscalls.change_root(root.folder)


class _Builder:
    def __init__(self, root: Root) -> None:
        self._folder = root.folder
        self._private = {os.path.realpath(path) for path in root.private_folders} | {_SHARED_MEMORY}
        mounts = [Mount(source=m.source, target=os.path.realpath(m.target), read_only=m.read_only) for m in root.mounts]
        self._mounts = sorted(mounts, key=lambda mount: mount.target.count("/"))
        self._own = self._private | {mount.target for mount in self._mounts}

    def build(self) -> None:
        self._open("/")
        for path in sorted(self._private):
            os.makedirs(self._inside(path), exist_ok=True)
        self._mount_kernel_file_systems()
        for mount in self._mounts:
            self._bind(mount)
        for mount in self._mounts:
            if mount.read_only:
                syscalls.remount_read_only(self._inside(mount.target))

    def _inside(self, path: str) -> str:
        return self._folder + path

    def _open(self, folder: str) -> None:
        """Make a folder of the host anew, and fill it with the host's entries."""
        os.makedirs(self._inside(folder), exist_ok=True)
        for entry in os.scandir(folder):
            path = entry.path
            if path == "/proc" or path in self._private:
                continue
            if entry.is_symlink():
                os.symlink(os.readlink(path), self._inside(path))
            elif self._must_open(path):
                self._open(path)
            else:
                # Some entry of the host that cannot be bound (a stale mount) is no loss to the container.
                with suppress(OSError):
                    self._bind(Mount(source=path, target=path))

    def _must_open(self, folder: str) -> bool:
        below = [path for path in self._own if path.startswith(folder + "/")]
        return any(path in self._private or not os.path.lexists(path) for path in below)

    def _bind(self, mount: Mount) -> None:
        target = self._inside(mount.target)
        if os.path.isdir(mount.source):
            os.makedirs(target, exist_ok=True)
        elif not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        syscalls.mount(mount.source, target, flags=syscalls.MS_BIND | syscalls.MS_REC)

    def _mount_kernel_file_systems(self) -> None:
        proc = self._inside("/proc")
        os.makedirs(proc, exist_ok=True)
        try:
            syscalls.mount("proc", proc, fs_type="proc")
        except PermissionError:
            # Inside a container whose /proc is masked the kernel refuses a new one to a user namespace.
            syscalls.mount("/proc", proc, flags=syscalls.MS_BIND | syscalls.MS_REC)
        syscalls.mount("tmpfs", self._inside(_SHARED_MEMORY), fs_type="tmpfs", data="mode=1777")
        for path in self._private & {"/tmp"}:
            os.chmod(self._inside(path), 0o1777)
