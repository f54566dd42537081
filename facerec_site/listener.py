"""Close a listening socket without breaking connections that are being established."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

# From linux/socket.h; Python has no constant for it.
_SO_ATTACH_FILTER = 26
# A program for the kernel's packet filter (BPF), as (code, jump if true, jump if false, value). It
# drops each segment that starts a connection (flag SYN in byte 13 of its header), and no others.
_DROP_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),
    (0x45, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


def begin_no_connections(listener: socket.socket) -> None:
    """Ignore new connections from now on; their clients try again after a second.

    Closing a listening socket resets all connections that are not accepted yet. With this filter,
    those that have begun can be accepted before the socket is closed. Linux only; on other systems
    this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    code = b"".join(struct.pack("HBBI", *step) for step in _DROP_NEW_CONNECTIONS)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(_DROP_NEW_CONNECTIONS), ctypes.addressof(kept))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
