"""RTSP by FFmpeg, which reaches the camera through a relay in this process.

FFmpeg follows a redirect to any host, with the password, and takes UDP to any address that the
camera names. So it is given an address of the loopback interface. The relay connects to the camera,
at an address that was checked. While the stream is being opened it hands over only well-formed
answers that redirect nowhere; afterwards FFmpeg opens no connection, and bytes pass as they are.
"""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import av
from av.container import InputContainer

from recognition.cameras.sources.addresses import CameraUrl, Login, connect, tls_context
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.decoding import hardware
from recognition.cameras.sources.patience import Patience

TIMEOUT_S = (5.0, 3.0)
# FFmpeg cuts `user:password` off after 127 bytes.
_LONGEST_LOGIN = 127
_QUICK = {"probesize": "32", "analyzeduration": "0"}
_CAREFUL = {"analyzeduration": "1000000"}
_TICK_S = 0.5
_WRITE_S = 10.0
_FIRST_ANSWER_S = 4.0
_CHUNK = 1 << 17
# The packets of one picture come one after the other. They are handed over together: with many
# cameras, waking for each one would cost more than the pictures.
_GATHER_S = 0.005
_LONGEST_HEAD, _LONGEST_BODY = 16_384, 262_144
_STATUS = re.compile(r"RTSP/1\.0 (\d{3})\b[ -~]*")
_HEADER = re.compile(r"([A-Za-z0-9-]+):([\t -~\x80-\xff]*)")
_OWN_ADDRESSES = re.compile(r";\s*(source|destination)=[^;,]*", re.IGNORECASE)


def _login_of(login: Login) -> str:
    """`user:password@` as FFmpeg reads it."""
    if not login:
        return ""
    return f"{quote(login.username, safe='')}:{quote(login.password, safe='')}@"


@contextmanager
def opened_rtsp(
    url: CameraUrl, login: Login, patience: Patience, *, is_careful: bool
) -> Iterator[InputContainer]:
    """is_careful: look at more of the stream before it is played, and decode in software."""
    if len(_login_of(login)) > _LONGEST_LOGIN:
        raise SourceFailed("Its user name and password are too long.", is_lasting=True)
    with _relay(url, patience) as relay:
        options = {
            # UDP if the camera does not offer TCP; never beside TLS.
            "rtsp_transport": "tcp" if url.is_tls else "tcp+udp",
            "rtsp_flags": "prefer_tcp",
            "allowed_media_types": "video",
            "protocol_whitelist": "tcp" if url.is_tls else "tcp,rtp,udp",
            "format_whitelist": "rtsp",
            **(_CAREFUL if is_careful else _QUICK),
        }
        address = f"rtsp://{_login_of(login)}127.0.0.1:{relay.port}{url.path}"
        accelerated = None if is_careful else hardware()
        with av.open(address, options=options, timeout=TIMEOUT_S, hwaccel=accelerated) as opened:
            relay.let_pass()
            yield opened


@contextmanager
def _relay(url: CameraUrl, patience: Patience) -> Iterator[Relay]:
    link = connect(url.host, url.port)
    try:
        if url.is_tls:
            link = tls_context().wrap_socket(link, server_hostname=url.host)
        relay = Relay(link, patience)
    except BaseException:
        link.close()
        raise
    try:
        yield relay
    finally:
        relay.close()


class Relay:
    """Joins FFmpeg with the camera; it takes one connection. `port` is of the loopback interface.
    The connection to the camera is closed with it."""

    def __init__(self, camera: socket.socket, patience: Patience) -> None:
        self._camera = camera
        self._camera.settimeout(_WRITE_S)
        self._patience = patience
        self._answers = Answers(camera.getpeername()[0])
        self._is_opening = True
        self._has_answered = False
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TICK_S)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="rtsp-relay", daemon=True)
        self._thread.start()

    def let_pass(self) -> None:
        """The stream is open: no answer is looked at any more."""
        self._is_opening = False

    def close(self) -> None:
        self._closed.set()
        self._thread.join(_WRITE_S)

    def _run(self) -> None:
        with self._camera, self._listener:
            try:
                self._join()
            except SourceFailed as failure:
                self._patience.fail(str(failure), is_lasting=failure.is_lasting)
            except OSError:
                return  # one side is gone; the other one sees the end of the connection

    def _join(self) -> None:
        ffmpeg = self._accepted()
        if ffmpeg is None:
            return
        began_s = time.monotonic()
        with ffmpeg, selectors.DefaultSelector() as selector:
            ffmpeg.settimeout(_WRITE_S)
            selector.register(ffmpeg, selectors.EVENT_READ)
            selector.register(self._camera, selectors.EVENT_READ)
            while self._goes_on(began_s):
                for key, _ in selector.select(_TICK_S):
                    is_camera = key.fileobj is self._camera
                    if not (self._to(ffmpeg) if is_camera else self._from(ffmpeg)):
                        return
                if not self._is_opening:
                    self._closed.wait(_GATHER_S)

    def _accepted(self) -> socket.socket | None:
        while not self._closed.is_set():
            with suppress(TimeoutError):
                return self._listener.accept()[0]
        return None

    def _goes_on(self, began_s: float) -> bool:
        if not self._has_answered and time.monotonic() - began_s > _FIRST_ANSWER_S:
            self._patience.fail("It takes the connection and then says nothing.")
        return not self._closed.is_set() and self._patience.goes_on()

    def _from(self, ffmpeg: socket.socket) -> bool:
        data = ffmpeg.recv(_CHUNK)
        self._camera.sendall(data)
        return bool(data)

    def _to(self, ffmpeg: socket.socket) -> bool:
        # TLS has messages of its own: they wake us, and nothing may follow them until we speak.
        self._camera.settimeout(0.0)
        try:
            data = self._camera.recv(_CHUNK)
        except ssl.SSLWantReadError:
            return True
        finally:
            self._camera.settimeout(_WRITE_S)
        self._has_answered = True
        if not data or not self._patience.goes_on(len(data)):
            return False
        ffmpeg.sendall(
            self._answers.checked(data) if self._is_opening else self._answers.rest(data)
        )
        return True


class Answers:
    """What the camera sends while a stream is being opened, checked and written anew. FFmpeg must
    see the same messages as we do, so nothing is handed over that could be read in another way.

    camera: its address, to which alone FFmpeg may send packets of UDP.
    """

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._held = b""

    def checked(self, data: bytes) -> bytes:
        """All that is complete by now. SourceFailed for a redirect, and for what is no RTSP."""
        self._held += data
        done = b""
        while (message := self._next()) is not None:
            done += message
        return done

    def rest(self, data: bytes) -> bytes:
        """All, as it is."""
        held, self._held = self._held, b""
        return held + data

    def _next(self) -> bytes | None:
        self._held = self._held.lstrip(b"\r\n")
        if self._held.startswith(b"$"):  # a packet of the stream
            size = 4 + int.from_bytes(self._held[2:4], "big")
            return self._taken(size) if len(self._held) >= max(4, size) else None
        head, end, after = self._held.partition(b"\r\n\r\n")
        if not end or len(head) > _LONGEST_HEAD:
            if len(self._held) > _LONGEST_HEAD or not b"RTSP/1.0 ".startswith(self._held[:9]):
                raise SourceFailed("What answers at this address does not speak RTSP.")
            return None
        lines, size = self._rewritten(head.decode("latin-1"))
        if len(after) < size:
            return None
        body = self._taken(len(head) + 4 + size)[len(head) + 4 :]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def _taken(self, size: int) -> bytes:
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _rewritten(self, head: str) -> tuple[list[str], int]:
        """The lines of the head, and the size of the body."""
        first, *others = head.split("\r\n")
        status = _STATUS.fullmatch(first)
        if status is None:
            raise SourceFailed("What answers at this address does not speak RTSP.")
        if status[1].startswith("3"):
            message = "It redirects to another address. Enter the address that it redirects to."
            raise SourceFailed(message, is_lasting=True)
        lines, size = [first], 0
        for name, value in (m.groups() for m in map(_HEADER.fullmatch, others) if m):
            if name.lower() == "content-length":
                size = _size(value)
            elif name.lower() == "transport":
                own = _OWN_ADDRESSES.sub("", value)
                lines.append(f"{name}:{own};source={self._camera}")
            else:
                lines.append(f"{name}:{value}")
        return [*lines, f"Content-Length: {size}"], size


def _size(value: str) -> int:
    text = value.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) > _LONGEST_BODY:
        raise SourceFailed("Its description of the stream is too large.")
    return int(text)
