"""The table of sinks, which are the destinations of notices."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

from django.utils.module_loading import import_string

from recognition.notices.sinks.base import FollowingSink, RelayedSink

# A new sink is a file with its class and a row here. Receivers name their sink by its key.
SINKS: dict[str, str] = {
    "page": "recognition.notices.sinks.page.PageSink",
    "webhook": "recognition.notices.sinks.webhook.WebhookSink",
}

S = TypeVar("S", FollowingSink, RelayedSink)


def following_sinks() -> list[FollowingSink]:
    return [sink for sink in _sinks().values() if isinstance(sink, FollowingSink)]


def relayed_sinks() -> dict[str, RelayedSink]:
    return {name: sink for name, sink in _sinks().items() if isinstance(sink, RelayedSink)}


@cache
def _sinks() -> dict[str, FollowingSink | RelayedSink]:
    """One object of each sink for all threads: sinks have no state."""
    return {name: import_string(path)() for name, path in SINKS.items()}
