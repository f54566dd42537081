"""Collections, cameras, models and the start page in the admin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry
from recognition.cameras.models import Camera, CameraHub, Stream
from recognition.people.models import Collection, Person
from tests.factories import enrol, make_camera, make_collection, make_event
from tests.recognition.admin_pages import act, address, errors_of, page, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def rules(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Door",
        "description": "",
        "embedder": "mobilefacenet",
        "match_threshold": "",
        "target_false_match_rate": "",
        "target_false_positive_rate": "",
        "match_margin": "0.03",
        "decider": "nearest",
        "flip_averaging": "enrolled",
        "search_kind": "auto",
        "quality_policy": "standard",
        "event_retention_days": "90",
        "unknown_retention_days": "14",
    } | changes


class TestCollections:
    MODEL = "people_collection"

    def test_collection_list_shows_model_decider_and_threshold(
        self, viewer: Client, person: Person
    ) -> None:
        enrol(person, 1)
        text = page(viewer.get(address(f"{self.MODEL}_changelist")))
        for told_of in ("Main", "mobilefacenet", "Standard", "from gallery size"):
            assert told_of in text

    def test_adding_a_collection_stores_its_rules(self, administrator: Client) -> None:
        url = address(f"{self.MODEL}_add")
        assert "follows from the rules below" in page(administrator.get(url))
        answer = administrator.post(url, rules(embedder="dlib_resnet", match_threshold="0.6"))
        assert answer.status_code == 302, errors_of(answer)
        row = Collection.objects.get()
        assert (row.embedder.name, row.match_threshold) == ("dlib_resnet", 0.6)
        assert AuditEntry.objects.filter(action="collection.create").exists()

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"name": ""}, "required"),
            ({"name": "Main"}, "already exists"),
            ({"match_threshold": "2"}, "less than or equal"),
            ({"match_threshold": "nan"}, "number"),
            ({"target_false_match_rate": "0.9"}, "less than or equal"),
            ({"target_false_positive_rate": "0.9"}, "less than or equal"),
            ({"decider": "best"}, "valid choice"),
            ({"uses_own_curve": "on"}, "measured"),
            ({"event_retention_days": "99999"}, "less than or equal"),
            ({"embedder": "resnet"}, "valid choice"),
        ],
    )
    def test_collection_with_invalid_rules_is_refused(
        self, administrator: Client, collection: Collection, change: dict, error: str
    ) -> None:
        answer = administrator.post(address(f"{self.MODEL}_add"), rules(**change))
        assert error in errors_of(answer)
        assert Collection.objects.count() == 1

    def test_changed_collection_is_saved_and_audited(
        self, administrator: Client, person: Person
    ) -> None:
        enrol(person, 1)
        url = address(f"{self.MODEL}_change", person.collection_id)
        text = page(administrator.get(url))
        assert "from the size of the gallery" in text
        answer = administrator.post(url, rules(name="Main", target_false_match_rate="1e-4"))
        assert answer.status_code == 302, errors_of(answer)
        entry = AuditEntry.objects.get(action="collection.update")
        assert entry.details == {"changed": ["target_false_match_rate"]}
        text = page(administrator.get(url))
        assert "from the target false-match rate and the model&#x27;s curve" in text

    def test_saving_a_collection_unchanged_writes_nothing(
        self, administrator: Client, collection: Collection
    ) -> None:
        url = address(f"{self.MODEL}_change", collection.pk)
        assert administrator.post(url, rules(name="Main")).status_code == 302
        assert not AuditEntry.objects.filter(action="collection.update").exists()

    def test_embedder_of_a_collection_with_templates_cannot_be_changed_by_form(
        self, administrator: Client, person: Person
    ) -> None:
        enrol(person, 1)
        url = address(f"{self.MODEL}_change", person.collection_id)
        answer = administrator.post(url, rules(name="Main", embedder="dlib_resnet"))
        assert "Change the model" in errors_of(answer)

    def test_deleting_a_collection_needs_it_to_be_empty(
        self, administrator: Client, person: Person
    ) -> None:
        url = address(f"{self.MODEL}_delete", person.collection_id)
        assert administrator.post(url, {"post": "yes"}).status_code == 403
        person.delete()
        page(administrator.get(url))
        assert administrator.post(url, {"post": "yes"}).status_code == 302
        assert not Collection.objects.exists()

    def test_operator_cannot_change_a_collection(
        self, operator: Client, collection: Collection
    ) -> None:
        url = address(f"{self.MODEL}_change", collection.pk)
        page(operator.get(url))
        assert operator.post(url, rules(name="x")).status_code == 403
        assert operator.post(address(f"{self.MODEL}_add"), rules()).status_code == 403


def camera(collection: Collection, **changes: Any) -> dict[str, Any]:
    return {
        "name": "Hall",
        "collection": collection.pk,
        "kind": "browser",
        "address": "",
        "is_enabled": "on",
        "max_fps": "15",
        "min_face_px": "40",
        "clip_before_s": "5",
        "clip_after_s": "0",
        "loops": "on",
        "answers": "ok",
    } | changes


class TestCameras:
    MODEL = "cameras_camera"

    def test_camera_list_shows_status_and_message(
        self, viewer: Client, collection: Collection
    ) -> None:
        make_camera(collection, name="Hall", status="failed", status_message="No such file")
        text = page(viewer.get(address(f"{self.MODEL}_changelist")))
        for told_of in ("Hall", "Failed", "No such file"):
            assert told_of in text

    def test_sender_without_a_camera_is_hinted_at_to_those_who_may_add_one(
        self, administrator: Client, viewer: Client, collection: Collection
    ) -> None:
        CameraHub.objects.create(kind="imagezmq", node="gate", strangers={"hall": 3, "<b>": 1})
        make_camera(collection, kind="imagezmq", node="gate", address="hall")
        url = address(f"{self.MODEL}_changelist")
        text = page(administrator.get(url))
        assert "A sender named &#x27;&lt;b&gt;&#x27; was seen on gate" in text
        assert "&#x27;hall&#x27;" not in text
        assert "A sender named" not in page(viewer.get(url))

    def test_adding_a_camera_by_form_stores_and_audits_it(
        self, administrator: Client, collection: Collection, settings: Any
    ) -> None:
        Path(settings.VIDEO_DIR, "hall.mp4").write_bytes(b"video")
        url = address(f"{self.MODEL}_add")
        assert f'value="{collection.pk}" selected' in page(administrator.get(url))
        values = camera(collection, kind="file", address="hall.mp4")
        assert administrator.post(url, values).status_code == 302
        assert Camera.objects.get().address == "hall.mp4"
        assert AuditEntry.objects.filter(action="camera.create").exists()

    @pytest.mark.parametrize("name", ["", "../secret_key", "/etc/passwd", "x" * 400])
    def test_adding_a_camera_with_a_missing_video_is_refused(
        self, administrator: Client, collection: Collection, name: str
    ) -> None:
        values = camera(collection, kind="file", address=name)
        answer = administrator.post(address(f"{self.MODEL}_add"), values)
        assert "video folder" in errors_of(answer)
        assert 'value="Hall"' in page(answer)
        assert not Camera.objects.exists()

    def test_changed_camera_is_saved_audited_and_keeps_its_status(
        self, administrator: Client, collection: Collection
    ) -> None:
        row = make_camera(collection, name="Hall", status="running")
        Stream.objects.create(collection=collection, camera=row, caller="user:guard")
        url = address(f"{self.MODEL}_change", row.pk)
        assert "Running" in page(administrator.get(url))
        assert administrator.post(url, camera(collection, max_fps="5")).status_code == 302
        row.refresh_from_db()
        assert (row.max_fps, row.status) == (5, "running")
        entry = AuditEntry.objects.get(action="camera.update")
        assert entry.details == {"changed": ["max_fps"]}

    def test_camera_with_a_video_that_is_not_there_is_refused(
        self, administrator: Client, collection: Collection
    ) -> None:
        row = make_camera(collection, name="Hall")
        url = address(f"{self.MODEL}_change", row.pk)
        answer = administrator.post(url, camera(collection, kind="file", address="none.mp4"))
        assert "video folder" in errors_of(answer)
        row.refresh_from_db()
        assert row.kind == "browser"

    def test_deleting_cameras_by_form_keeps_their_events(
        self, administrator: Client, collection: Collection
    ) -> None:
        rows = [make_camera(collection) for _ in range(3)]
        event = make_event(collection, camera=rows[0])
        url = address(f"{self.MODEL}_delete", rows[0].pk)
        page(administrator.get(url))
        assert administrator.post(url, {"post": "yes"}).status_code == 302
        act(administrator, self.MODEL, "delete_selected", *rows[1:], confirmed="yes")
        assert not Camera.objects.exists()
        event.refresh_from_db()
        assert event.camera is None
        assert AuditEntry.objects.filter(action="camera.delete").count() == 3

    def test_operator_cannot_change_a_camera(
        self, operator: Client, collection: Collection
    ) -> None:
        row = make_camera(collection)
        url = address(f"{self.MODEL}_change", row.pk)
        page(operator.get(url))
        assert operator.post(url, camera(collection)).status_code == 403
        act(operator, self.MODEL, "delete_selected", row, confirmed="yes")
        assert Camera.objects.exists()


def test_model_pages_show_the_model_card(viewer: Client, collection: Collection) -> None:
    page(viewer.get(address("people_modelversion_changelist")))
    url = address("people_modelversion_change", collection.embedder_id)
    text = page(viewer.get(url))
    for told_of in ("mobilefacenet", "Apache", collection.embedder.sha256):
        assert told_of in text


class TestStart:
    def test_start_page_shows_counts_and_last_events(self, viewer: Client, person: Person) -> None:
        enrol(person, 1, 1)
        event = make_event(person=person)
        make_event(person.collection, number=5)
        answer = viewer.get(address("index"))
        text = page(answer)
        counts = {"persons": 1, "images": 2, "events_today": 2, "unknown_today": 1}
        assert answer.context["counts"] == counts | {"cameras_running": 0}
        assert f"/api/v1/events/{event.pk}/face" in text
        assert "Ready" in text
        assert "Nobody is enrolled yet" not in text

    def test_start_page_of_a_new_site_offers_to_add_a_person(
        self, viewer: Client, operator: Client
    ) -> None:
        adds = address("people_person_add")
        text = page(viewer.get(address("index")))
        assert "Nobody is enrolled yet" in text
        assert adds not in text
        assert adds in page(operator.get(address("index")))

    @pytest.mark.parametrize("state", ["off", "warming_up", "failed"])
    def test_start_page_shows_the_engine_state(
        self, viewer: Client, state: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told_of = {"state": state, "message": "Weights <b>missing</b>", "device": ""}
        monkeypatch.setattr("recognition.events.admin.dashboard.engine_state", lambda: told_of)
        text = page(viewer.get(address("index")))
        assert f"fr-engine-{state}" in text
        assert "Weights &lt;b&gt;missing" in text

    def test_start_page_links_only_allowed_pages(
        self, viewer: Client, administrator: Client
    ) -> None:
        users = address("accounts_user_changelist")
        assert users in page(administrator.get(address("index")))
        assert users not in page(viewer.get(address("index")))


def test_page_of_a_deleted_collection_says_so(administrator: Client) -> None:
    row = make_collection()
    url = address("people_collection_change", row.pk)
    row.delete()
    answer = administrator.get(url)
    assert answer.status_code == 302
    assert "exist" in told(answer)[0]
