"""HTTP for FFmpeg: MJPEG, HLS, single pictures, and files of a stream, fetched by us from the
camera's own host.

FFmpeg itself follows a redirect and the entries of a playlist to any host. Here it opens nothing:
each file that it asks for goes through `HttpCamera.open`, which refuses every other host, and
connects to an address that was checked.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urljoin

import av
import requests
import urllib3
from av.container import InputContainer
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import InsecureRequestWarning
from urllib3.response import HTTPResponse

from recognition.cameras.sources.addresses import (
    CONNECT_S,
    AddressRefused,
    CameraUrl,
    Login,
    camera_url,
    connect,
    tls_context,
)
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.decoding import PLAYABLE_FILES, hardware
from recognition.cameras.sources.patience import SILENCE_S, Patience
from recognition.cameras.sources.snapshots import Snapshots

_READ_S = 3.0
# A segment of HLS comes every few seconds.
_TIMEOUT_S = (8.0, 8.0)
_MOST_REDIRECTS = 3
_FORMATS = f"{PLAYABLE_FILES},hls,mpjpeg,mjpeg,flv,aac,webvtt"
_OPTIONS = {
    # No protocol of FFmpeg's own has this name.
    "protocol_whitelist": "none",
    "format_whitelist": _FORMATS,
    "analyzeduration": "500000",
}
_FOR_HLS = {
    "live_start_index": "-1",
    "http_persistent": "0",
    "http_multiple": "0",
    "seg_max_retry": "1",
}
_CAREFUL = {"analyzeduration": "1000000"}
# By the type that the camera tells; FFmpeg looks at others itself.
_FORMAT_OF = {"multipart/": "mpjpeg", "mpegurl": "hls", "image/jpeg": "mpjpeg"}


@contextmanager
def opened_http(
    url: CameraUrl, login: Login, patience: Patience, *, is_careful: bool
) -> Iterator[InputContainer]:
    """is_careful: look at more of the stream before it is played, and decode in software."""
    with HttpCamera(url, login, patience) as camera:
        name = camera.format()
        options = _OPTIONS | (_FOR_HLS if name == "hls" else {}) | (_CAREFUL if is_careful else {})
        with av.open(
            str(url),
            format=name,
            options=options,
            io_open=camera.open,
            timeout=_TIMEOUT_S,
            hwaccel=None if is_careful else hardware(),
        ) as opened:
            yield opened


class HttpCamera:
    """The files of one camera. requests.RequestException and what `connect` raises."""

    def __init__(self, url: CameraUrl, login: Login, patience: Patience) -> None:
        self._url = url
        self._login = login
        self._patience = patience
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, and no password of a .netrc
        self._session.verify = settings.CAMERA_VERIFY_TLS
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.mount("http://", _Adapter())
        self._session.mount("https://", _Adapter())
        self._first: requests.Response | None = None

    def __enter__(self) -> HttpCamera:
        self._first = self._fetched(str(self._url), {})
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def format(self) -> str | None:
        """FFmpeg's name of the stream's format; None: it finds out."""
        assert self._first is not None
        told = _type_of(self._first)
        return next((name for part, name in _FORMAT_OF.items() if part in told), None)

    def open(self, address: str, flags: int, options: Mapping[str, str]) -> HttpFile | Snapshots:
        """A file that FFmpeg asks for. If it is refused, an empty one."""
        first, self._first = self._first, None
        if first is not None and _type_of(first).startswith("image/jpeg"):
            return Snapshots(first, lambda: self._fetched(address, {}), self._patience)
        try:
            if first is None and self._patience.goes_on():
                first = self._fetched(address, _part_of(options))
        except (requests.RequestException, OSError, AddressRefused):
            pass  # one file less; the next one may be there
        except SourceFailed as failure:
            self._patience.fail(str(failure), is_lasting=failure.is_lasting)
        return HttpFile(first, self._patience)

    def _fetched(self, address: str, headers: Mapping[str, str]) -> requests.Response:
        for _ in range(_MOST_REDIRECTS + 1):
            self._refuse_others(address)
            answer = self._asked(address, headers)
            if not answer.is_redirect:
                answer.raise_for_status()
                return answer
            address = urljoin(address, answer.headers["Location"])
        raise SourceFailed("It redirects without an end.", is_lasting=True)

    def _refuse_others(self, address: str) -> None:
        try:
            is_own = camera_url(address).origin == self._url.origin
        except AddressRefused:
            is_own = False
        if not is_own:
            raise SourceFailed(
                "It sends us to another address, by a redirect or a playlist. Enter the address "
                "that the stream really has.",
                is_lasting=True,
            )

    def _asked(self, address: str, headers: Mapping[str, str]) -> requests.Response:
        answer = self._get(address, headers)
        if answer.status_code == 401 and self._login and self._session.auth is None:
            self._session.auth = self._auth_for(answer.headers.get("WWW-Authenticate", ""))
            answer = self._get(address, headers)
        return answer

    def _get(self, address: str, headers: Mapping[str, str]) -> requests.Response:
        timeout_s = (CONNECT_S, _READ_S)
        return self._session.get(
            address, headers=headers, stream=True, timeout=timeout_s, allow_redirects=False
        )

    def _auth_for(self, challenge: str) -> AuthBase:
        username, password = self._login.username, self._login.password
        if "digest" in challenge.lower():
            return HTTPDigestAuth(username, password)
        return HTTPBasicAuth(username.encode(), password.encode())


class HttpFile:
    """What PyAV reads of an answer: each time what is there by then."""

    def __init__(self, answer: requests.Response | None, patience: Patience) -> None:
        self._answer = answer
        self._patience = patience

    def read(self, size: int) -> bytes:
        """b"" is the end, also if the camera was silent for too long."""
        if self._answer is None or not self._patience.goes_on():
            return b""
        try:
            data = self._answer.raw.read1(size)
        except (urllib3.exceptions.HTTPError, OSError):
            return b""
        return data if self._patience.goes_on(len(data)) else b""

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()


def _type_of(answer: requests.Response) -> str:
    return answer.headers.get("Content-Type", "").lower()


def _part_of(options: Mapping[str, str]) -> dict[str, str]:
    """The header that asks for the part of a file that a playlist names."""
    if "end_offset" not in options:
        return {}
    return {"Range": f"bytes={options.get('offset', 0)}-{int(options['end_offset']) - 1}"}


@contextmanager
def _cut_off(sock: socket.socket, after_s: float) -> Iterator[None]:
    """Within `with`, end the connection after a time: a timeout starts anew with each byte."""
    timer = threading.Timer(after_s, _shut, (sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        # Not the method of a TLS socket, which the other thread still reads from.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _InTime(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        assert self.sock is not None  # the request was sent
        with _cut_off(self.sock, SILENCE_S):
            return super().getresponse()


class _Http(_InTime):
    def _new_conn(self) -> socket.socket:
        return connect(self.host, self.port or 80)


class _Https(_InTime, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return connect(self.host, self.port or 443)


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(HTTPAdapter):
    """Connects as `connect` does."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        urllib3.disable_warnings(InsecureRequestWarning)
        super().init_poolmanager(*args, ssl_context=tls_context(), **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def send(self, *args: Any, **options: Any) -> requests.Response:
        answer = super().send(*args, **options)
        if not answer.ok or answer.is_redirect:
            # Its body may have no end, and requests would read all of it.
            answer.raw.close()
        return answer
