"""Ports and addresses of this machine."""

from __future__ import annotations

import errno
import socket

import psutil


def free_port() -> int:
    """A port on which no program listens on loopback now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(host: str, port: int) -> bool:
    """True if a server can listen there. OSError if the host is not an address of this machine."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def lan_addresses() -> list[str]:
    """The IPv4 addresses of this machine for other computers."""
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    found = [
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if name in up and entry.family == socket.AF_INET
    ]
    return sorted(address for address in found if not address.startswith("127."))


def names_of_machine() -> list[str]:
    """The host name of this machine, and its name in a local network (`.local`)."""
    name = socket.gethostname().lower()
    return [name] if "." in name else [name, f"{name}.local"]
