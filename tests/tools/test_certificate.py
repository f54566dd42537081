from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tools import certificate
from tools.certificate import CertificateFiles, ensure_certificate

NAMES = ["localhost", "127.0.0.1", "::1", "desk", "192.168.1.20"]


def shake_hands(files: CertificateFiles, name: str) -> str | None:
    """Connects as a client that trusts this certificate and asks for `name`."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(ours, server_side=True).close()
        except (ssl.SSLError, OSError):
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client = ssl.create_default_context(cafile=str(files.certificate))
        with client.wrap_socket(theirs, server_hostname=name) as connection:
            return connection.version()
    finally:
        theirs.close()
        thread.join()


@pytest.mark.parametrize("name", NAMES)
def test_certificate_is_valid_for_each_name(tmp_path: Path, name: str) -> None:
    assert shake_hands(ensure_certificate(tmp_path, NAMES), name) is not None


def test_certificate_is_not_valid_for_another_name(tmp_path: Path) -> None:
    files = ensure_certificate(tmp_path, NAMES)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(files, "elsewhere")


def test_certificate_key_is_readable_by_the_owner_only(tmp_path: Path) -> None:
    files = ensure_certificate(tmp_path, NAMES)
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600


def test_certificate_stays_until_an_address_is_new(tmp_path: Path) -> None:
    first = ensure_certificate(tmp_path, NAMES).certificate.read_bytes()
    assert ensure_certificate(tmp_path, NAMES).certificate.read_bytes() == first
    files = ensure_certificate(tmp_path, [*NAMES, "10.0.0.7"])
    assert files.certificate.read_bytes() != first
    assert shake_hands(files, "10.0.0.7") is not None


def test_certificate_is_renewed_before_it_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ensure_certificate(tmp_path, NAMES).certificate.read_bytes()
    monkeypatch.setattr(certificate, "RENEW_BEFORE", certificate.VALID + timedelta(days=1))
    assert ensure_certificate(tmp_path, NAMES).certificate.read_bytes() != first
