"""The types of what is told: kinds of notices, and the messages that are sent out."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict, get_args

from recognition.web.payloads import EventPayload

EventKind = Literal["event.opened", "event.decided", "event.closed", "event.deleted"]
PersonKind = Literal["person.enrolled", "person.renamed", "person.merged", "person.erased"]
JobKind = Literal["job.ended"]
NoticeKind = EventKind | PersonKind | JobKind
# Events changed together, with their person: for pages that show them. Others are told what
# happened to the person.
PageKind = Literal["events.changed"]
TestKind = Literal["webhook.test"]

NOTICE_KINDS: tuple[NoticeKind, ...] = (
    *get_args(EventKind),
    *get_args(PersonKind),
    *get_args(JobKind),
)
TEST_KIND: TestKind = "webhook.test"


class SubjectData(TypedDict):
    """What is told of each subject, and all that is told of one that is gone. `merged`: the ids of
    the people that were merged into this one, of `person.merged`."""

    id: str
    collection: str | None
    merged: NotRequired[list[str]]


class PersonData(SubjectData):
    name: str
    labels: list[str]
    external_id: str | None


class JobData(SubjectData):
    """`error_code`: empty unless it failed. REST tells the rest."""

    kind: str
    state: str
    error_code: str


class EventMessage(TypedDict):
    type: EventKind
    timestamp: str
    data: EventPayload | SubjectData


class PersonMessage(TypedDict):
    type: PersonKind
    timestamp: str
    data: PersonData | SubjectData


class JobMessage(TypedDict):
    type: JobKind
    timestamp: str
    data: JobData | SubjectData


class TestData(TypedDict):
    webhook: str


class TestMessage(TypedDict):
    type: TestKind
    timestamp: str
    data: TestData


Message = EventMessage | PersonMessage | JobMessage | TestMessage


PageEventKind = Literal["opened", "updated", "closed"]


class PageEvent(EventPayload):
    kind: PageEventKind


class PageEventGone(TypedDict):
    id: str
    collection: str
    kind: Literal["deleted"]


class PageMessage(TypedDict):
    """What `/ws/events/` sends."""

    type: Literal["event"]
    event: PageEvent | PageEventGone
