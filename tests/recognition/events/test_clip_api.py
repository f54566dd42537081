"""The clip of an event over REST and in the admin: parts of it, who may see it, the audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.access import Scope
from accounts.models import AuditEntry
from recognition.events.models import Clip, Event
from recognition.people.models import Collection, Person
from tests.answers import good, refusal
from tests.callers import Caller, with_key
from tests.factories import make_collection, make_event
from tests.recognition.admin_pages import address, page
from tests.recognition.clips import make_clip, new_clip

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(person: Person) -> Event:
    event = make_event(person=person)
    make_clip(event)
    return Event.objects.select_related("clip").get(pk=event.pk)


def _url(event: Event) -> str:
    return f"/api/v1/events/{event.pk}/clip"


def _content(event: Event) -> bytes:
    assert event.clip is not None
    return Path(event.clip.file.path).read_bytes()


def _part(api: Caller, event: Event, wanted: str) -> tuple[int, bytes, str | None]:
    answer = api.get(_url(event), headers={"Range": wanted})
    content = b"".join(answer) if answer.streaming else answer.content
    return answer.status_code, content, answer.get("Content-Range")


def test_event_tells_its_clip(api: Caller, event: Event) -> None:
    clip = event.clip
    assert clip is not None
    told = good(api.get(f"/api/v1/events/{event.pk}"))["clip"]
    assert told == {
        "id": str(clip.pk),
        "state": "ready",
        "message": "",
        "url": _url(event),
        "seconds": clip.seconds,
        "codec": "h264",
        "bytes": clip.bytes,
        "is_playable": True,
    }
    assert good(api.get("/api/v1/events"))["results"][0]["clip"] == told


def test_event_without_a_clip_has_none(api: Caller, person: Person) -> None:
    event = make_event(person=person)
    assert good(api.get(f"/api/v1/events/{event.pk}"))["clip"] is None
    refusal(api.get(_url(event)), 404, "not_found")
    Event.objects.filter(pk=event.pk).update(clip=new_clip(event.started_at))
    assert good(api.get(f"/api/v1/events/{event.pk}"))["clip"]["url"] is None
    refusal(api.get(_url(event)), 404, "not_found")
    refusal(api.post(f"{_url(event)}/convert"), 404, "not_found")


def test_clip_is_a_private_mp4(api: Caller, event: Event) -> None:
    answer = api.get(_url(event))
    assert (answer.status_code, answer["Content-Type"]) == (200, "video/mp4")
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("inline")
    assert "media-src 'self'" in answer["Content-Security-Policy"]
    body = b"".join(answer)
    assert body == _content(event)
    assert answer["Content-Length"] == str(len(body))
    saved = api.get(_url(event), {"download": "true"})
    assert saved["Content-Disposition"].startswith("attachment")
    assert ".mp4" in saved["Content-Disposition"]


def test_parts_of_a_clip_are_sent(api: Caller, event: Event) -> None:
    whole = _content(event)
    size = len(whole)
    assert _part(api, event, "bytes=0-") == (206, whole, f"bytes 0-{size - 1}/{size}")
    assert _part(api, event, "bytes=10-19") == (206, whole[10:20], f"bytes 10-19/{size}")
    assert _part(api, event, "bytes=-7") == (206, whole[-7:], f"bytes {size - 7}-{size - 1}/{size}")
    last = (206, whole[5:], f"bytes 5-{size - 1}/{size}")
    assert _part(api, event, f"bytes=5-{size + 99}") == last
    assert _part(api, event, f"bytes=-{size * 2}")[:2] == (206, whole)


@pytest.mark.parametrize(
    "wanted", ["bytes=9-3", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=²-"]
)
def test_range_that_is_none_is_answered_with_all_of_the_clip(
    api: Caller, event: Event, wanted: str
) -> None:
    assert _part(api, event, wanted) == (200, _content(event), None)


@pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=99999999-999999999", "bytes=-0"])
def test_range_behind_the_end_is_answered_416(api: Caller, event: Event, wanted: str) -> None:
    refusal(api.get(_url(event), headers={"Range": wanted}), 416, "range_not_satisfiable")


def test_condition_on_a_version_is_answered_with_all_of_the_clip(api: Caller, event: Event) -> None:
    headers = {"Range": "bytes=5-", "If-Range": '"of-another-file"'}
    answer = api.get(_url(event), headers=headers)
    assert (answer.status_code, b"".join(answer)) == (200, _content(event))


def test_clip_that_is_deleted_while_it_is_sent_is_sent_whole(api: Caller, event: Event) -> None:
    assert event.clip is not None
    content, answer = _content(event), api.get(_url(event))
    Path(event.clip.file.path).unlink()
    assert b"".join(answer) == content


def test_clip_whose_file_is_gone_is_answered_404(api: Caller, event: Event) -> None:
    assert event.clip is not None
    Path(event.clip.file.path).unlink()
    refusal(api.get(_url(event)), 404, "not_found")


def test_clip_is_limited_to_the_collection_of_a_key(event: Event) -> None:
    other = with_key(Scope.EVENTS, collection=make_collection())
    refusal(other.get(_url(event)), 404, "not_found")
    own = with_key(Scope.EVENTS, collection=event.collection)
    assert own.get(_url(event)).status_code == 200
    refusal(with_key(Scope.DETECT).get(_url(event)), 403, "permission_denied")


def test_parts_of_one_viewing_are_one_view_in_the_audit_log(api: Caller, event: Event) -> None:
    for wanted in ("bytes=0-", "bytes=100-", "bytes=50-", "bytes=200-299"):
        _part(api, event, wanted)
    entry = AuditEntry.objects.get(action="image.view")
    assert entry.details["views"] == 1
    assert entry.details["pictures"] == [f"clip:{event.clip_id}"]
    assert entry.details["people"] == {str(event.person_id): 1}


def test_part_that_is_asked_for_alone_is_a_view(api: Caller, event: Event) -> None:
    _part(api, event, "bytes=100-")
    assert AuditEntry.objects.get(action="image.view").details["views"] == 1


def test_audit_log_tells_of_whom_a_clip_is(
    api: Caller, collection: Collection, administrator: Client
) -> None:
    event = make_event(collection)
    make_clip(event)
    api.get(_url(event))
    assert "clip of Nobody known" in page(
        administrator.get(address("accounts_auditentry_changelist"))
    )


def test_job_is_started_over_rest_and_in_the_admin(
    api: Caller, person: Person, operator: Client, viewer: Client
) -> None:
    event = make_event(person=person)
    make_clip(event, "mjpeg")
    url = address("events_event_change", event.pk)
    button = "Make it playable"
    assert button in page(operator.get(url))
    assert button not in page(viewer.get(url))
    convert = address("events_event_convert_clip", event.pk)
    assert viewer.post(convert).status_code == 403
    assert operator.post(convert).status_code == 302
    assert button not in page(operator.get(url))
    job = good(api.post(f"{_url(event)}/convert"), 202)
    assert job["kind"] == "convert_clip"
    assert str(Clip.objects.get().job_id) == job["id"], "the one that the admin started"


def test_page_of_an_event_plays_its_clip(event: Event, viewer: Client) -> None:
    text = page(viewer.get(address("events_event_change", event.pk)))
    assert f'src="{_url(event)}?of=' in text
    assert "Make it playable" not in text


def test_page_of_an_event_tells_why_there_is_no_clip(person: Person, viewer: Client) -> None:
    event = make_event(person=person)
    clip = new_clip(event.started_at)
    Event.objects.filter(pk=event.pk).update(clip=clip)
    url = address("events_event_change", event.pk)
    assert "being recorded" in page(viewer.get(url))
    Clip.objects.filter(pk=clip.pk).update(state="lost", message="The disk is full.")
    assert "The disk is full." in page(viewer.get(url))


def test_camera_keeps_clips_if_its_kind_has_packets(api: Caller, collection: Collection) -> None:
    values: dict[str, Any] = {"name": "Door", "kind": "rtsp", "address": "rtsp://192.168.1.20/a"}
    camera = good(api.post("/api/v1/cameras", values), 201)
    assert (camera["clip_before_s"], camera["clip_after_s"]) == (5, 0)
    row = f"/api/v1/cameras/{camera['id']}"
    changed = good(api.patch(row, {"clip_before_s": 3, "clip_after_s": 20}))
    assert (changed["clip_before_s"], changed["clip_after_s"]) == (3, 20)
    for values in ({"clip_before_s": 16}, {"clip_after_s": 31}, {"clip_after_s": -1}):
        refusal(api.patch(row, values), 400, "validation_error")
    for kind in ("browser", "usb"):
        values = {"name": kind, "kind": kind, "address": "/dev/video0", "clip_after_s": 10}
        refusal(api.post("/api/v1/cameras", values), 400, "no_clips")
