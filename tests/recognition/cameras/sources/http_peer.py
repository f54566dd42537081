"""An HTTP server as cameras have one: MJPEG and HLS, and what a camera may do wrong."""

from __future__ import annotations

import hashlib
import io
import re
import ssl
import threading
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av

from ml_engine.images import encode_jpeg
from ml_engine.types import Image

FPS = 25
SEGMENT_S = 1
USER, PASSWORD = "viewer", "s:e/c@ret"
_BOUNDARY = "frame"


@dataclass(frozen=True, slots=True)
class HttpContent:
    """What is sent: JPEGs, and segments of HLS."""

    jpegs: list[bytes]
    segments: list[bytes]

    @classmethod
    def of(cls, pictures: Sequence[Image]) -> HttpContent:
        jpegs = [encode_jpeg(picture, 80) for picture in pictures]
        # Twice, so that it lasts longer than any test that plays it.
        return cls(jpegs, list(_segments([*pictures, *pictures])))


class HttpPeer:
    """content: None: it has nothing but pages. pages: text by path, such as a playlist. asked: the
    paths of all requests, in order."""

    def __init__(self, content: HttpContent | None, tls: ssl.SSLContext | None = None) -> None:
        self.content = content or HttpContent([], [])
        self.pages: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.asked: list[str] = []
        self.began_s = time.monotonic()
        self.is_over = threading.Event()
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("_Own", (_Handler,), {"peer": self})
        )
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_port

    def url(self, path: str) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/{path}"

    def playlist(self) -> str:
        """Three segments, which move on with time."""
        last = min(
            3 + int((time.monotonic() - self.began_s) / SEGMENT_S), len(self.content.segments)
        )
        lines = [f"#EXTINF:{SEGMENT_S}.0,\n{number}.ts" for number in range(last - 3, last)]
        head = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n"
        return head + f"#EXT-X-MEDIA-SEQUENCE:{last - 3}\n" + "\n".join(lines) + "\n"

    @contextmanager
    def serving(self) -> Iterator[HttpPeer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.is_over.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    peer: HttpPeer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        peer, name = self.peer, self.path.partition("?")[0].strip("/")
        peer.asked.append(name)
        with suppress(OSError):  # the client has gone
            if name in peer.pages:
                self._answer(peer.pages[name].encode(), "application/vnd.apple.mpegurl")
            elif name in peer.redirects:
                self._status(302, Location=peer.redirects[name])
            elif name == "live.m3u8":
                self._answer(peer.playlist().encode(), "application/vnd.apple.mpegurl")
            elif name.endswith(".ts") and name != "missing.ts":
                self._answer(peer.content.segments[int(name[:-3])], "video/mp2t")
            else:
                getattr(self, f"_{name}", lambda: self._status(404))()

    def _mjpeg(self) -> None:
        self._parts(self.peer.content.jpegs * 1000)

    def _picture(self) -> None:
        """One picture for each request; now and then the camera is busy."""
        number = self.peer.asked.count("picture")
        if number % 4 == 3:
            self._status(503)
        else:
            jpegs = self.peer.content.jpegs
            self._answer(jpegs[number % len(jpegs)], "image/jpeg")

    def _once(self) -> None:
        """A picture, and then no more."""
        if self.peer.asked.count("once") == 1:
            self._answer(self.peer.content.jpegs[0], "image/jpeg")
        else:
            self._status(404)

    def _drips(self) -> None:
        """Headers without an end, a byte now and then."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not self.peer.is_over.wait(0.2):
            self.wfile.write(b"x")

    def _odd(self) -> None:
        """A header that is none."""
        jpeg = self.peer.content.jpegs[0]
        head = f"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        self.wfile.write(head.encode() + jpeg)

    def _few(self) -> None:
        self._parts(self.peer.content.jpegs[:5])

    def _huge(self) -> None:
        self._parts([huge_jpeg(jpeg) for jpeg in self.peer.content.jpegs])

    def _basic(self) -> None:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic" and b64decode(value).decode() == f"{USER}:{PASSWORD}":
            self._mjpeg()
        else:
            self._status(401, **{"WWW-Authenticate": 'Basic realm="camera"'})

    def _digest(self) -> None:
        if self._has_digest():
            self._mjpeg()
        else:
            challenge = 'Digest realm="camera", nonce="n0nce", qop="auth", algorithm=MD5'
            self._status(401, **{"WWW-Authenticate": challenge})

    def _forbidden(self) -> None:
        self._status(403)

    def _broken(self) -> None:
        self._status(500)

    def _endless401(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Digest realm="camera", nonce="n0nce", qop="auth"')
        self.end_headers()
        self._flood(b"x" * 65536)

    def _garbage(self) -> None:
        self._begin("video/mp2t")
        self._flood(bytes(range(256)) * 256)

    def _trickle(self) -> None:
        """A part of a picture, and then a byte now and then."""
        self._begin(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.wfile.write(f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode())
        while not self.peer.is_over.wait(0.3):
            self.wfile.write(b"\xff")

    def _silent(self) -> None:
        self._begin("video/mp2t")
        self.peer.is_over.wait(60)

    def _flood(self, data: bytes) -> None:
        while not self.peer.is_over.is_set():
            self.wfile.write(data)

    def _parts(self, jpegs: Sequence[bytes]) -> None:
        self._begin(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        for jpeg in jpegs:
            head = (
                f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            )
            self.wfile.write(head.encode() + jpeg + b"\r\n")
            if self.peer.is_over.wait(1 / FPS):
                return

    def _has_digest(self) -> bool:
        """RFC 7616, MD5."""
        told = dict(re.findall(r'(\w+)="?([^",]+)"?', self.headers.get("Authorization", "")))
        if "response" not in told:
            return False
        first = _md5(f"{USER}:{told['realm']}:{PASSWORD}")
        second = _md5(f"GET:{told['uri']}")
        parts = [first, told["nonce"], told["nc"], told["cnonce"], told["qop"], second]
        return told["response"] == _md5(":".join(parts))

    def _begin(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""


def huge_jpeg(jpeg: bytes) -> bytes:
    """The same picture, whose header says 20,000 x 20,000 pixels."""
    start = jpeg.index(b"\xff\xc0") + 5
    side = (20_000).to_bytes(2, "big")
    return jpeg[:start] + side + side + jpeg[start + 4 :]


def _segments(pictures: Sequence[Image]) -> Iterator[bytes]:
    """H.264 in MPEG-TS, each `SEGMENT_S` long, with times that go on."""
    size = SEGMENT_S * FPS
    for start in range(0, len(pictures) // size * size, size):
        file = io.BytesIO()
        with av.open(file, "w", format="mpegts") as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
            for number, picture in enumerate(pictures[start : start + size], start):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        yield file.getvalue()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
