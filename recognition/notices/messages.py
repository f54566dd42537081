"""Build the message of a notice at the moment it is sent. A subject that is gone by then appears
only with its ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from django.utils.module_loading import import_string

from recognition.notices.models import Notice
from recognition.notices.payloads import TEST_KIND, Message, SubjectData, TestMessage
from recognition.web.numbers import utc_text

# By the first part of a kind's name: a function that takes ids and returns the data of those
# subjects that still exist.
SUBJECTS: dict[str, str] = {
    "event": "recognition.events.payloads.events_data",
    "person": "recognition.people.payloads.persons_data",
    "job": "recognition.jobs.notice_data.jobs_data",
}
# Kinds for which nothing is looked up, because the subject is gone.
_ENDINGS_WITHOUT_DATA = (".deleted", ".erased")


def data_of(subject: str, ids: Sequence[UUID]) -> Mapping[UUID, SubjectData]:
    """The data of events, people or jobs; those that are gone are left out."""
    return import_string(SUBJECTS[subject])(ids)


def message_of(notice: Notice) -> Message:
    message = {
        "type": notice.kind,
        "timestamp": utc_text(notice.created_at),
        "data": {**_subject_data(notice), **notice.related},
    }
    return cast("Message", message)


def check_message(webhook_id: UUID) -> TestMessage:
    """The message that the test button sends."""
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
