"""`/metrics` of one process: who may read it, what it tells, and what it never tells."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client import Metric

from accounts.access import Scope
from facerec_site.metrics import rows, sampling
from facerec_site.metrics.sampling import Sampler
from ml_engine.runtime.batcher import QueueStats
from recognition.cameras.models import Camera
from recognition.engine import use_engine
from recognition.jobs.models import Job
from recognition.notices.models import Delivery, Receiver
from recognition.people.index import gallery_of
from recognition.people.models import Collection, GalleryChange, Person
from recognition.web import metric_files
from recognition.web.metric_families import FAMILIES, HELD
from recognition.web.metrics import Metrics
from recognition.web.process import Process, process, use_process
from tests.callers import new_key, with_key, with_secret
from tests.commits import committed
from tests.facerec_site.figures import TOKEN, families, figure, value
from tests.factories import enrol, make_camera, make_collection, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.notices.rows import make_webhook, tell

ANN = 11
# Every label of every figure; the values of most are checked by the tests below.
LABELS = {
    "facerec_requests_total": {"route", "method", "status"},
    "facerec_request_seconds": {"route"},
    "facerec_refusals_total": {"code", "status"},
    "facerec_stage_seconds": {"stage"},
    "facerec_engine_batch_items": {"queue"},
    "facerec_engine_busy_seconds_total": {"queue"},
    "facerec_engine_calls_total": {"queue", "result"},
    "facerec_engine_waiting": {"queue"},
    "facerec_engines": {"state"},
    "facerec_frames_total": {"result"},
    "facerec_frame_seconds": set(),
    "facerec_notices_total": {"kind"},
    "facerec_jobs_ended_total": {"kind", "state"},
    "facerec_processes": {"role"},
    "facerec_jobs": {"kind", "state"},
    "facerec_oldest_job_seconds": {"kind", "state"},
    "facerec_gallery_templates": {"collection"},
    "facerec_gallery_late_seconds": {"collection"},
    "facerec_cameras": {"status"},
    "facerec_streams": {"state"},
    "facerec_receivers": {"sink", "state"},
    "facerec_deliveries_waiting": {"sink"},
    "facerec_deliveries_late_seconds": {"sink"},
    "facerec_database_up": set(),
    "facerec_database_connections": set(),
}


@pytest.fixture(autouse=True)
def _token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


Become = Callable[[str], Process]


@pytest.fixture
def become(settings: Any, tmp_path: Path, engine: FakeEngine) -> Become:
    """Replace the process by one with this role."""
    settings.VAR_DIR = tmp_path

    def become(role: str) -> Process:
        made = Process(roles=[role])
        use_process(made)
        use_engine(engine)
        return made

    return become


def _read(client: Client) -> dict[str, Metric]:
    answer = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    return families(answer.content.decode())


def _labels(found: dict[str, Metric]) -> dict[str, set[str]]:
    """By figure the labels of its samples, without those of a histogram's buckets."""
    names = {
        family.name + "_total" * (family.type == "counter"): family for family in found.values()
    }
    return {
        name: {label for sample in family.samples for label in sample.labels} - {"le"}
        for name, family in names.items()
        if family.samples
    }


@pytest.mark.django_db
class TestAccess:
    def test_metrics_without_a_token_of_the_site_are_off(
        self, client: Client, settings: Any
    ) -> None:
        settings.METRICS_TOKEN = ""
        for sent in ({}, {"authorization": "Bearer "}, {"authorization": f"Bearer {TOKEN}"}):
            answer = client.get("/metrics", headers=sent)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "metrics_off")

    @pytest.mark.parametrize("sent", ["", TOKEN, "Bearer wrong", f"Basic {TOKEN}", "Bearer ü"])
    def test_metrics_for_another_token_are_refused(self, client: Client, sent: str) -> None:
        answer = client.get("/metrics", headers={"authorization": sent})
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
        assert "facerec_" not in answer.content.decode()

    def test_metrics_for_an_administrator_or_a_key_are_refused(self, client: Client) -> None:
        assert with_secret(new_key(Scope.MANAGE)).get("/metrics").status_code == 401

    def test_metrics_are_read_by_an_address_that_no_setting_lists(self, client: Client) -> None:
        headers = {"authorization": f"Bearer {TOKEN}", "host": "10.0.0.7:8000"}
        assert client.get("/metrics", headers=headers).status_code == 200

    def test_metrics_cannot_be_posted_to(self, client: Client) -> None:
        assert client.post("/metrics").status_code == 405


@pytest.mark.django_db
class TestLabels:
    def test_labels_are_those_of_the_table(self) -> None:
        assert {name: set(family.labels) for name, family in FAMILIES.items()} == LABELS

    def test_every_figure_is_in_the_document_and_no_other(self) -> None:
        text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
        told = {name.removesuffix("_bucket") for name in re.findall(r"facerec_[a-z_]+", text)}
        assert told - {"facerec_token"} == set(FAMILIES)

    def test_alert_for_too_few_fires_if_there_are_none(self) -> None:
        text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
        rules = re.findall(r"expr: sum\((\w+\{.*?\})\) < \d+(.*)", text)
        assert rules
        assert all(rest == f" or absent({counted})" for counted, rest in rules)

    def test_nothing_but_the_table_is_told_and_no_name_and_no_id(
        self, become: Become, client: Client, collection: Collection
    ) -> None:
        """After a person was enrolled, identified, searched for, seen in a path, and erased."""
        become("web")
        api = with_key()
        body = {"name": "Zebedee Findme", "external_id": "ext-findme", "collection": collection.pk}
        person = api.post("/api/v1/persons", body).json()["id"]
        api.post(f"/api/v1/persons/{person}/images", {"images": [_upload()]}, format="multipart")
        named = api.send("/api/v1/identify", photo(ANN, looks=1), "image/jpeg").json()
        assert named["faces"][0]["person"]["name"] == "Zebedee Findme"
        api.get("/api/v1/persons", {"search": "Zebedee"})
        api.get("/Zebedee/Findme")
        api.generic("FINDME", "/api/v1/persons")
        api.post(f"/api/v1/persons/{person}/erase")
        client.get("/admin/", headers={"x-request-id": "findme"})
        found = _read(client)
        told = _labels(found)
        assert told.items() <= LABELS.items()
        assert {"facerec_requests_total", "facerec_stage_seconds", "facerec_notices_total"} <= set(
            told
        )
        values = {
            text
            for family in found.values()
            for sample in family.samples
            for label, text in sample.labels.items()
            if label != "collection"
        }
        assert not [
            text for text in values if "findme" in text.lower() or "zebedee" in text.lower()
        ]
        assert not [text for text in values if person in text or str(collection.pk) in text]
        ids = {
            s.labels["collection"]
            for f in found.values()
            for s in f.samples
            if "collection" in s.labels
        }
        assert ids == {str(collection.pk)}

    def test_routes_are_patterns_of_the_site(self, client: Client, person: Person) -> None:
        with_key().get(f"/api/v1/persons/{person.pk}")
        client.get("/nowhere/at/all")
        route = "api/v1/persons/<uuid:person_id>"
        sample = "facerec_requests_total"
        assert figure(sample, route=route, method="GET", status="2xx") == 1
        assert figure(sample, route="none", status="4xx") == 1

    def test_invented_method_is_counted_as_other(self, client: Client) -> None:
        client.generic("BREW", "/health/live")
        assert figure("facerec_requests_total", method="other") == 1


@pytest.mark.django_db
class TestFigures:
    def test_stages_of_identify_are_timed_once_each(
        self, engine: FakeEngine, collection: Collection
    ) -> None:
        enrol(make_person(collection), ANN)
        before = {
            stage: _stage(stage) for stage in ("decode", "detect", "align", "embed", "search")
        }
        with_key().send("/api/v1/identify", photo(ANN), "image/jpeg")
        after = {stage: _stage(stage) for stage in before}
        assert {stage: after[stage] - before[stage] for stage in before} == dict.fromkeys(before, 1)
        assert _stage("database") == 1

    def test_refusals_are_counted_by_code(
        self, engine: FakeEngine, client: Client, settings: Any
    ) -> None:
        api = with_key()
        engine.is_busy = True
        make_collection()
        api.send("/api/v1/detect", photo(ANN), "image/jpeg")
        settings.MAX_IMAGE_MB = 0
        api.send("/api/v1/detect", photo(ANN), "image/jpeg")
        client.get("/live/", headers={"host": "faces.example"})
        refused = [("engine_busy", "503"), ("image_too_large", "413"), ("unknown_host", "400")]
        for code, status in refused:
            assert figure("facerec_refusals_total", code=code, status=status) == 1

    def test_gallery_is_late_until_it_follows(
        self, become: Become, client: Client, collection: Collection
    ) -> None:
        become("web")
        gallery_of(collection).follow()
        labels = {"collection": str(collection.pk)}
        enrol(make_person(collection), ANN)
        found = _read(client)
        late = "facerec_gallery_late_seconds"
        assert value(found, "facerec_gallery_templates", **labels) == 1
        assert value(found, late, **labels) == 0
        for ago_s in (90, 30):
            collection.refresh_from_db()
            revision = collection.gallery_revision + 1
            GalleryChange.objects.create(collection=collection, revision=revision, template_id=1)
            at = timezone.now() - timedelta(seconds=ago_s)
            GalleryChange.objects.filter(revision=revision).update(created_at=at)
            Collection.objects.update(gallery_revision=revision)
        assert value(_read(client), late, **labels) == pytest.approx(90, abs=20)
        GalleryChange.objects.all().delete()  # by the upkeep, after an hour
        assert value(_read(client), late, **labels) == 3600

    def test_gallery_of_a_process_that_does_not_follow_is_not_told(
        self, become: Become, client: Client, collection: Collection
    ) -> None:
        become("jobs")
        gallery_of(collection).follow()
        found = _read(client)
        assert not found["facerec_gallery_templates"].samples
        assert not found["facerec_gallery_late_seconds"].samples

    def test_gallery_of_which_a_process_has_set_one_figure_is_not_told(
        self, collection: Collection
    ) -> None:
        labels = {"collection": str(collection.pk), "model": str(collection.embedder_id)}
        for name in HELD:
            held = Metric(name, "", "gauge")
            held.add_sample(name, labels, 1)
            found = {metric.name: metric for metric in rows.with_rows([held])}
            assert not found["facerec_gallery_templates"].samples

    def test_galleries_stay_within_the_room_of_the_files(
        self, become: Become, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        held = {(uuid4(), 10**9): (1, 1) for _ in range(20_000)}
        monkeypatch.setattr(sampling, "held_galleries", lambda: held)
        become("web").part(Sampler).sample()
        sizes = {path.name: path.stat().st_size for path in (tmp_path / "metrics").glob("*.db")}
        assert set(sizes.values()) == {metric_files._FILE_BYTES}

    def test_metrics_without_their_folder_tell_what_the_database_has(
        self, become: Become, client: Client, tmp_path: Path
    ) -> None:
        become("web").part(Metrics)
        shutil.rmtree(tmp_path / "metrics")
        assert client.get("/health/live").status_code == 200
        found = _read(client)
        assert value(found, "facerec_database_up") == 1
        assert "facerec_requests" not in found

    def test_gallery_of_a_collection_that_is_gone_is_not_told(
        self, become: Become, client: Client, collection: Collection
    ) -> None:
        become("web")
        assert not _read(client)["facerec_gallery_templates"].samples  # not loaded
        gallery_of(collection).follow()
        assert len(_read(client)["facerec_gallery_templates"].samples) == 1
        Collection.objects.all().delete()
        assert not _read(client)["facerec_gallery_templates"].samples

    def test_waiting_and_running_jobs_are_told_with_their_age(self, client: Client) -> None:
        now = timezone.now()
        Job.objects.create(kind="measure", run_after=now - timedelta(seconds=90))
        Job.objects.create(kind="upkeep", run_after=now + timedelta(hours=1))
        started = now - timedelta(seconds=30)
        Job.objects.create(kind="train", state="running", run_after=now, started_at=started)
        Job.objects.create(kind="train", state="done", run_after=now)
        found = _read(client)
        oldest = "facerec_oldest_job_seconds"
        assert value(found, "facerec_jobs") == 3
        assert value(found, oldest, kind="measure", state="queued") >= 90
        assert value(found, oldest, kind="upkeep", state="queued") == 0
        assert value(found, oldest, kind="train", state="running") >= 30

    def test_cameras_are_told_by_status(self, client: Client) -> None:
        make_camera(status=Camera.Status.FAILED)
        found = _read(client)
        assert value(found, "facerec_cameras", status="failed") == 1
        assert len(found["facerec_cameras"].samples) == len(Camera.Status)

    def test_late_deliveries_are_told_unless_their_receiver_is_off(self, client: Client) -> None:
        hook = make_webhook()
        tell()
        late = timezone.now() - timedelta(seconds=60)
        Delivery.objects.update(next_at=late)
        found = _read(client)
        assert value(found, "facerec_deliveries_waiting", sink="webhook") == 1
        assert value(found, "facerec_deliveries_late_seconds") >= 60
        assert value(found, "facerec_receivers", sink="webhook", state="ok") == 1
        Receiver.objects.filter(pk=hook.receiver_id).update(next_at=None)
        found = _read(client)
        assert value(found, "facerec_deliveries_waiting") == 0
        assert value(found, "facerec_receivers", state="off") == 1

    def test_notice_is_counted_after_its_commit(self) -> None:
        with committed():
            tell("person.erased")
            assert figure("facerec_notices_total") == 0
        assert figure("facerec_notices_total", kind="person.erased") == 1

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="a server has connections")
    def test_connections_of_the_database_are_told(self, client: Client) -> None:
        assert value(_read(client), "facerec_database_connections") >= 1

    def test_metrics_without_the_database_tell_what_the_process_counts(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone() -> None:
            raise OperationalError("server has gone away")

        assert value(_read(client), "facerec_database_up") == 1
        monkeypatch.setattr(rows, "open_jobs", gone)
        found = _read(client)
        assert value(found, "facerec_database_up") == 0
        assert value(found, "facerec_requests_total", route="metrics") == 1
        assert "facerec_jobs" not in found


def _stage(stage: str) -> float:
    return figure("facerec_stage_seconds_count", stage=stage)


def _upload() -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile("findme.jpg", photo(ANN), "image/jpeg")


class TestEngineQueues:
    def _stats(self, **changes: Any) -> QueueStats:
        stats = {"calls": 3, "batches": 2, "items": 4, "refused": 1, "expired": 0, "queue_s": 0.1,
                 "queue_max_s": 0.1, "work_s": 0.5, "batch_sizes": {1: 1, 3: 1},
                 "waiting": 2}  # fmt: skip
        return {**stats, **changes}  # type: ignore[typeddict-item]

    def _sample(self, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        monkeypatch.setattr(sampling, "engine_stats", lambda: {"detect": self._stats(**changes)})
        process().part(Sampler).sample()

    def test_counters_of_the_engine_are_taken_over_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(2):
            self._sample(monkeypatch)
        self._sample(monkeypatch, calls=5, work_s=0.75, batch_sizes={1: 2, 3: 1, 4: 1}, waiting=0)
        assert figure("facerec_engine_calls_total", queue="detect", result="done") == 5
        assert figure("facerec_engine_calls_total", queue="detect", result="refused") == 1
        assert figure("facerec_engine_busy_seconds_total", queue="detect") == 0.75
        assert figure("facerec_engine_batch_items_count", queue="detect") == 4
        assert figure("facerec_engine_batch_items_sum", queue="detect") == 9
        assert figure("facerec_engine_waiting", queue="detect") == 0

    def test_another_engine_is_counted_from_zero(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sample(monkeypatch)
        self._sample(monkeypatch, calls=1, refused=0, work_s=0.1, batch_sizes={1: 1})
        assert figure("facerec_engine_calls_total", result="done") == 4
        assert figure("facerec_engine_batch_items_count", queue="detect") == 3

    def test_engine_is_told_by_its_state(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sample(monkeypatch)
        assert figure("facerec_engines", state="off") == 1
        assert figure("facerec_engines") == 1


@pytest.mark.django_db
def test_process_without_a_folder_for_figures_tells_its_own(
    client: Client, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings.VAR_DIR = tmp_path / "file"
    use_process(Process(roles=["web"]))
    assert value(_read(client), "facerec_requests_total") == 0
    assert value(_read(client), "facerec_requests_total", route="metrics") == 1


def test_processes_with_roles_share_their_figures(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    made = [Process(roles=["jobs"]), Process(roles=["web", "jobs"])]
    for each in made:
        use_process(each)
        each.part(Sampler).start()
        each.part(Sampler).stop(1)
    assert figure("facerec_processes", role="jobs") == 2
    assert figure("facerec_processes", role="web") == 1
