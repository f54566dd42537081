from __future__ import annotations

import ipaddress
import socket

import pytest

from tools.ports import free_port, is_free, lan_addresses


def test_port_in_use_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert not is_free("0.0.0.0", port)
    assert is_free("127.0.0.1", port)


def test_free_port_can_be_listened_on() -> None:
    assert is_free("127.0.0.1", free_port())


def test_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(OSError):
        is_free("192.0.2.1", 8000)


def test_lan_addresses_are_not_loopback() -> None:
    assert not any(ipaddress.ip_address(address).is_loopback for address in lan_addresses())
