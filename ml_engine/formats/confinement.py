"""Limits that a process puts on itself before it reads a file that nobody vouches for.

Memory, CPU time and the size of files by `setrlimit`; no sockets, no other processes or programs
and no signals to other processes by seccomp; no files but its own folder, the libraries and what it
was given by Landlock. Linux has the last two without privileges; if the kernel lacks one, the
others hold, and `confine` tells which do. Operations that reach for any of this are refused before
(`operations`); this is for faults in the libraries that read the files.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

ADDRESS_SPACE_BYTES = 4 << 30
CPU_S = 60
_FILE_BYTES = 2 << 30
_OPEN_FILES = 256

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9
# Machine: its number in the kernel's audit, and its numbers of calls that are refused.
_MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "connect": 42, "sendto": 44, "bind": 49, "listen": 50, "socketpair": 53,
            "execve": 59, "kill": 62, "ptrace": 101, "mount": 165, "tkill": 200, "tgkill": 234,
            "rt_sigqueueinfo": 129, "keyctl": 250, "unshare": 272, "rt_tgsigqueueinfo": 297,
            "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
            "execveat": 322, "pidfd_send_signal": 424, "io_uring_setup": 425, "fork": 57,
            "vfork": 58,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "connect": 203,
            "sendto": 206, "execve": 221, "kill": 129, "tkill": 130, "tgkill": 131, "mount": 40,
            "unshare": 97, "ptrace": 117, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
            "keyctl": 219, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
            "bpf": 280, "execveat": 281, "pidfd_send_signal": 424, "io_uring_setup": 425,
        },
    ),
}  # fmt: skip
# The number of `clone`, which may make threads only.
_CLONES = {"x86_64": 56, "aarch64": 220}
# Its flags lie in memory, out of the filter's reach. C libraries take `clone` if there is none.
_CLONE3 = 435
_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _ABSENT = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38  # with EPERM, with ENOSYS
_FIRST_ARGUMENT = 16

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1, 2, 4, 8, 1 << 14
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
# Access rights that a version of Landlock knows: 13 in the first, then two more.
_RIGHTS = {1: 1 << 13, 2: 1 << 14}
_ALL_RIGHTS = 1 << 15
_TCP = 3  # bind and connect, from version 4 on


def confine(folder: Path, readable: Iterable[Path]) -> list[str]:
    """Limit this process for good. It has one thread yet.

    Args:
        folder: may be written. readable: files or folders that may be read.

    Returns:
        What holds: "memory", "cpu", and if the kernel has them "calls" and "files".
    """
    _limit(resource.RLIMIT_AS, ADDRESS_SPACE_BYTES)
    # At the second limit the system kills, and nobody could tell that from short memory.
    _limit(resource.RLIMIT_CPU, CPU_S, more=5)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    held = ["memory", "cpu"]
    if sys.platform != "linux":
        return held
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return held
    if _restrict_files(libc, folder, [*_libraries(), *readable]):
        held.append("files")
    if _refuse_calls(libc):
        held.append("calls")
    return held


def _limit(kind: int, most: int, *, more: int = 0) -> None:
    """more: from the limit that warns to the one that holds."""
    hard = resource.getrlimit(kind)[1]
    both = (most, most + more)
    resource.setrlimit(
        kind, both if hard == resource.RLIM_INFINITY else (min(both[0], hard), min(both[1], hard))
    )


def _libraries() -> list[Path]:
    """What Python and its packages are made of, and what they ask of the machine. Not the project's
    folder: it holds settings and data."""
    root = Path(__file__).resolve().parent.parent
    system = ("/usr", "/lib", "/lib64", "/sys/devices/system", "/etc/ld.so.cache")
    return [
        *(Path(name) for name in (*system, "/dev/urandom", "/dev/null", "/etc/localtime")),
        *(Path("/proc", name) for name in ("self", "cpuinfo", "meminfo", "stat")),
        *(Path(name).resolve() for name in (sys.prefix, sys.base_prefix)),
        root,
    ]


def _restrict_files(libc: ctypes.CDLL, folder: Path, readable: list[Path]) -> bool:
    version = libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)
    if version < 1:
        return False
    handled = _RIGHTS.get(version, _ALL_RIGHTS) - 1
    attributes = struct.pack("QQ", handled, _TCP) if version >= 4 else struct.pack("Q", handled)
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        _allow(libc, ruleset, folder, handled & ~_EXECUTE)
        for path in readable:
            _allow(libc, ruleset, path, _READ)
        _allow(libc, ruleset, Path("/dev/null"), _READ_FILE | _WRITE_FILE)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = rights if path.is_dir() else rights & _OF_FILES
        libc.syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def _refuse_calls(libc: ctypes.CDLL) -> bool:
    if platform.machine() not in _MACHINES:
        return False
    audit, refused = _MACHINES[platform.machine()]
    numbers = sorted(refused.values())
    program = [(_LOAD, 0, 0, 4), (_JUMP_IF_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _REFUSE)]
    last = [
        (_JUMP_IF_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ABSENT),
        (_JUMP_IF_EQUAL, 0, 2, _CLONES[platform.machine()]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_IF_SET, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    # Jumps are counted from the next step; those of refused calls end at the very last one.
    to_end = len(numbers) + len(last) - 1
    program += [(_LOAD, 0, 0, 0), (_JUMP_IF_AT_LEAST, to_end, 0, _X32_BIT)]
    for place, number in enumerate(numbers):
        program.append((_JUMP_IF_EQUAL, to_end - place - 1, 0, number))
    program += last
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    described = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described, 0, 0) == 0)
