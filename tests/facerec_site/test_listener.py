"""A listening socket that closes, and the connections that are being made to it."""

from __future__ import annotations

import socket
import sys

import pytest

from facerec_site.listener import begin_no_connections


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux filters segments")
def test_connection_made_before_is_accepted_and_later_one_is_not_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as early:
            early.sendall(b"asked")
            begin_no_connections(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.2)
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(10) == b"asked"
                accepted.sendall(b"answered")
            assert early.recv(10) == b"answered"
