from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.recognition.notices.receivers import Behaviour, Receiver


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A server on loopback, to which webhooks may point."""
    settings.WEBHOOK_ALLOW_INTERNAL = True
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def receivers(settings: Any) -> Iterator[Callable[..., Receiver]]:
    """Makes such servers."""
    settings.WEBHOOK_ALLOW_INTERNAL = True
    made: list[Receiver] = []

    def make(*behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> Receiver:
        made.append(Receiver(*behaviours, tls=tls))
        return made[-1]

    yield make
    for server in made:
        server.close()
