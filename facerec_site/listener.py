"""Close a listening socket without breaking a connection that is being made."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

# linux/socket.h; Python has no name for it.
_SO_ATTACH_FILTER = 26
# A program of the kernel's packet filter, as (code, jump if true, jump if false, value): drop a
# segment that begins a connection (byte 13 of its header has the flag SYN), pass all others.
_DROP_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),
    (0x45, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


def begin_no_connections(listener: socket.socket) -> None:
    """From now on a new connection is not answered: its client tries again, after a second.

    A listening socket that is closed resets the connections that nobody has accepted yet. With
    this, all that have begun can be accepted first. Only Linux knows it; elsewhere nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return
    code = b"".join(struct.pack("HBBI", *step) for step in _DROP_NEW_CONNECTIONS)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(_DROP_NEW_CONNECTIONS), ctypes.addressof(kept))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
