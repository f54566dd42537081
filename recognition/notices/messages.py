"""From ids to what is told, at the moment it is sent: what is gone by then is told by ids alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from django.utils.module_loading import import_string

from recognition.notices.models import Notice
from recognition.notices.payloads import TEST_KIND, Message, SubjectData, TestMessage
from recognition.web.numbers import utc_text

# What a kind's name begins with, and who knows more of such a subject: a function from ids to what
# is told of those that are there.
SUBJECTS: dict[str, str] = {
    "event": "recognition.events.payloads.events_data",
    "person": "recognition.people.payloads.persons_data",
    "job": "recognition.jobs.notice_data.jobs_data",
}
# Nothing is looked up: the subject went with what the notice tells.
_ENDINGS_WITHOUT_DATA = (".deleted", ".erased")


def data_of(subject: str, ids: Sequence[UUID]) -> Mapping[UUID, SubjectData]:
    """What is told of events, people or jobs; of those that are gone nothing."""
    return import_string(SUBJECTS[subject])(ids)


def message_of(notice: Notice) -> Message:
    message = {
        "type": notice.kind,
        "timestamp": utc_text(notice.created_at),
        "data": {**_subject_data(notice), **notice.related},
    }
    return cast("Message", message)


def check_message(webhook_id: UUID) -> TestMessage:
    """What the test button sends."""
    return {
        "type": TEST_KIND,
        "timestamp": utc_text(datetime.now(UTC)),
        "data": {"webhook": str(webhook_id)},
    }


def _subject_data(notice: Notice) -> SubjectData:
    collection = str(notice.collection_id) if notice.collection_id else None
    bare: SubjectData = {"id": str(notice.subject_id), "collection": collection}
    if notice.kind.endswith(_ENDINGS_WITHOUT_DATA):
        return bare
    subject = notice.kind.partition(".")[0]
    return data_of(subject, [notice.subject_id]).get(notice.subject_id, bare)
