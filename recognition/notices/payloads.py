"""Types of notices and of the messages that are sent out."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict, get_args

from recognition.web.payloads import EventPayload

EventKind = Literal["event.opened", "event.decided", "event.closed", "event.deleted"]
PersonKind = Literal["person.enrolled", "person.renamed", "person.merged", "person.erased"]
JobKind = Literal["job.ended"]
NoticeKind = EventKind | PersonKind | JobKind
# Only for pages: several events changed because their person changed. Webhooks get a notice about
# the person instead.
PageKind = Literal["events.changed"]
TestKind = Literal["webhook.test"]

NOTICE_KINDS: tuple[NoticeKind, ...] = (
    *get_args(EventKind),
    *get_args(PersonKind),
    *get_args(JobKind),
)
TEST_KIND: TestKind = "webhook.test"


class SubjectData(TypedDict):
    """Data of every subject. A subject that is gone has no other data. `merged` (only in
    `person.merged`): the ids of the people that were merged into this one."""

    id: str
    collection: str | None
    merged: NotRequired[list[str]]


class PersonData(SubjectData):
    name: str
    labels: list[str]
    external_id: str | None


class JobData(SubjectData):
    """`error_code` is empty unless the job failed. REST has all other details."""

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
    """A message of `/ws/events/`."""

    type: Literal["event"]
    event: PageEvent | PageEventGone
