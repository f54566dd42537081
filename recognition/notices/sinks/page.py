"""The sink of open pages: messages of `/ws/events/` for the sockets of this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast
from uuid import UUID

from recognition.notices.feed import Feed
from recognition.notices.messages import data_of
from recognition.notices.models import Notice
from recognition.notices.payloads import PageEvent, PageEventKind, PageMessage, SubjectData
from recognition.notices.sinks.base import FollowingSink
from recognition.web.process import process

_KINDS: dict[str, PageEventKind] = {
    "event.opened": "opened",
    "event.decided": "updated",
    "event.closed": "closed",
}
# Name of the related ids of `events.changed`.
EVENTS = "events"


class PageSink(FollowingSink):
    def tell(self, notices: Sequence[Notice]) -> None:
        feed = process().part(Feed)
        if not feed.has_listeners:
            return
        changed = {one for notice in notices for one in _changed_events(notice)}
        events = data_of("event", list(changed))
        for notice in notices:
            for message in _messages(notice, events):
                feed.put(message)


def _changed_events(notice: Notice) -> list[UUID]:
    if notice.kind in _KINDS:
        return [notice.subject_id]
    return [UUID(text) for text in notice.related.get(EVENTS, [])]


def _messages(notice: Notice, events: Mapping[UUID, SubjectData]) -> Iterator[PageMessage]:
    """Messages with the present state of the events. An event that was deleted meanwhile has its
    own notice."""
    if notice.kind == "event.deleted":
        gone, collection = str(notice.subject_id), str(notice.collection_id)
        yield {"type": "event", "event": {"id": gone, "collection": collection, "kind": "deleted"}}
        return
    kind = _KINDS.get(notice.kind, "updated")
    for pk in _changed_events(notice):
        if pk in events:
            yield {"type": "event", "event": cast("PageEvent", {**events[pk], "kind": kind})}
