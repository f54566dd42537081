"""Cameras that give one picture for each request, as many do at an address like /snapshot.jpg."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests
import urllib3

from recognition.cameras.sources.addresses import AddressRefused
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.patience import MOST_MB, Patience

# Such cameras make a picture for each request and are not quick.
_EVERY_S = 0.2
_HEAD = "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n\r\n"


class Snapshots:
    """A file of MJPEG for FFmpeg: picture after picture, each from a request of its own.

    ask: sends one request; requests.RequestException, SourceFailed and what `connect` raises.
    """

    def __init__(
        self, first: requests.Response, ask: Callable[[], requests.Response], patience: Patience
    ) -> None:
        self._answer: requests.Response | None = first
        self._ask = ask
        self._patience = patience
        self._next_s = time.monotonic()
        self._left = b""

    def read(self, size: int) -> bytes:
        """b"" is the end."""
        while not self._left and self._patience.waits(self._next_s - time.monotonic()):
            self._next_s = time.monotonic() + _EVERY_S
            if picture := self._picture():
                self._left = _HEAD.format(size=len(picture)).encode() + picture + b"\r\n"
        data, self._left = self._left[:size], self._left[size:]
        return data

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()

    def _picture(self) -> bytes:
        """Empty if this request fails: the next one may not."""
        try:
            answer, self._answer = self._answer or self._ask(), None
            with answer:
                return self._body(answer)
        except SourceFailed as failure:
            self._patience.fail(str(failure), is_lasting=failure.is_lasting)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, AddressRefused):
            pass
        return b""

    def _body(self, answer: requests.Response) -> bytes:
        body = bytearray()
        while data := answer.raw.read1(2**16):
            body += data
            if not self._patience.goes_on(len(data)) or len(body) > MOST_MB * 2**20:
                return b""
        return bytes(body)
