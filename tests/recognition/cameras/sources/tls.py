"""TLS of a camera, with a certificate that it made itself."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.certificates import self_signed


def tls_of_a_camera(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(folder))
    return context


@contextmanager
def tls_in_front_of(url: str, context: ssl.SSLContext) -> Iterator[str]:
    """The address `rtsps://` of a server that hands one connection on to an RTSP server."""
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as server:
        behind = str(parts.hostname), int(parts.port or 554)
        threading.Thread(target=_serve, args=(server, context, behind), daemon=True).start()
        yield f"rtsps://127.0.0.1:{server.getsockname()[1]}{parts.path}"


def _serve(server: socket.socket, context: ssl.SSLContext, behind: tuple[str, int]) -> None:
    with (
        suppress(OSError),
        context.wrap_socket(server.accept()[0], server_side=True) as camera,
        socket.create_connection(behind) as plain,
        selectors.DefaultSelector() as selector,
    ):
        selector.register(camera, selectors.EVENT_READ, plain)
        selector.register(plain, selectors.EVENT_READ, camera)
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)
