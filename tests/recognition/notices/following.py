"""The follower of notices of a process with the role `web`."""

from __future__ import annotations

import threading

import pytest

from recognition.notices import follower
from recognition.notices.follower import Follower, NoticeReader
from recognition.notices.models import Notice
from recognition.web.process import process


def start_following(monkeypatch: pytest.MonkeyPatch) -> Follower:
    """The follower of this process, which has found the end of the table."""
    has_begun = threading.Event()
    read = NoticeReader.read

    def reading(self: NoticeReader) -> list[Notice]:
        found = read(self)
        has_begun.set()
        return found

    monkeypatch.setattr(NoticeReader, "read", reading)
    monkeypatch.setattr(follower, "POLL_S", 0.05)
    part = process().part(Follower)
    part.start()
    assert has_begun.wait(10)
    return part
