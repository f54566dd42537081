"""A collection is exported, and imported into another one."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from accounts.models import AuditEntry
from recognition.bulk.models import Archive, Export, ImportItem
from recognition.bulk.services.exports import export_chunks, export_delete, export_start
from recognition.bulk.services.imports import bulk_sweep
from recognition.jobs.models import Job
from recognition.people.models import Collection, FaceImage, ModelVersion, Person, Template
from recognition.people.services.persons import person_erase
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine
from tests.recognition.bulk.zips import outcomes, started, zip_of
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db(transaction=True)

_FIELDS = ("name", "external_id", "metadata", "labels", "consent", "consent_at", "is_active")
_IMAGE_FIELDS = ("sha256", "box", "landmarks", "crop_left", "crop_top", "crop_scale", "crop_turn",
                 "quality", "quality_parts")  # fmt: skip


@pytest.fixture(autouse=True)
def _engine(engine: FakeEngine) -> None:
    """Use the fake engine."""


@pytest.fixture
def full(collection: Collection) -> Collection:
    """Ann with two photos, an inactive Bob with one, and Cid without any."""
    Collection.objects.filter(pk=collection.pk).update(keeps_originals=True)
    collection.refresh_from_db()
    ann = make_person(
        collection,
        name="Ann",
        external_id="hr-1",
        labels=["staff"],
        metadata={"room": 5},
        consent="given",
        consent_at="2026-01-31",
    )
    enrol(ann, 1, 1)
    enrol(make_person(collection, name="Bob", is_active=False), 2)
    make_person(collection, name="Cid")
    return collection


def exported(collection: Collection, **options: Any) -> bytes:
    values = {"has_originals": False, **options}
    export = export_start(collection=collection, actor=ACTOR, **values)
    run_jobs()
    export = Export.objects.select_related("archive").get(pk=export.pk)
    return b"".join(export_chunks(export=export, actor=ACTOR))


def people_of(collection: Collection) -> list[Any]:
    return list(collection.persons.order_by("name").values_list(*_FIELDS))


def images_of(collection: Collection) -> list[Any]:
    rows = FaceImage.objects.filter(person__collection=collection).order_by("sha256")
    return list(rows.values_list("person__name", *_IMAGE_FIELDS))


def vectors_of(collection: Collection) -> list[bytes]:
    rows = Template.objects.filter(collection=collection).order_by("image__sha256")
    return [bytes(vector) for vector in rows.values_list("vector", flat=True)]


def without_embedding(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(engine, "embed", refuse)
    monkeypatch.setattr(engine, "find", refuse)


@pytest.mark.parametrize("has_originals", [False, True])
def test_collection_goes_into_another_as_it_is(
    full: Collection,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    has_originals: bool,
) -> None:
    FaceImage.objects.filter(person__name="Bob").update(crop_turn=90)
    data = exported(full, has_originals=has_originals)
    other = make_collection(keeps_originals=True)
    without_embedding(engine, monkeypatch)
    run = started(other, data)
    run_jobs()
    assert set(outcomes(run).values()) == {"accepted"}
    assert people_of(other) == people_of(full)
    assert images_of(other) == images_of(full)
    assert vectors_of(other) == vectors_of(full)
    originals = FaceImage.objects.filter(person__collection=other).exclude(original="")
    assert originals.count() == (3 if has_originals else 0)
    assert_detectors_are_kept(other)
    assert_consistent(other)


def assert_detectors_are_kept(collection: Collection) -> None:
    templates = Template.objects.filter(collection=collection)
    assert templates.filter(detector=None).count() == 0


def test_export_imported_twice_adds_nothing(full: Collection) -> None:
    data = exported(full)
    other = make_collection()
    started(other, data)
    run_jobs()
    again = started(other, data)
    run_jobs()
    assert other.persons.count() == 3
    assert FaceImage.objects.filter(person__collection=other).count() == 3
    codes = sorted(outcomes(again).values())
    assert codes == ["accepted", *["duplicate_image"] * 3]


def test_templates_of_a_model_that_is_not_here_are_made_anew_and_that_is_said(
    full: Collection, engine: FakeEngine
) -> None:
    data = exported(full)
    other = make_collection(embedder="dlib_resnet")
    run = started(other, data)
    run_jobs()
    item = run.items.exclude(image=None).first()
    assert item is not None
    assert item.message.startswith(f"Embedded again by {other.embedder.version}")
    assert full.embedder.version in item.message
    dimensions = set(Template.objects.filter(collection=other).values_list("dimension", "model"))
    assert dimensions == {(other.embedder.dimension, other.embedder_id)}
    assert full.embedder.version in Job.objects.get(kind="import").log
    assert_consistent(other)


def test_export_names_the_model_versions_of_its_templates(full: Collection) -> None:
    with zipfile.ZipFile(io.BytesIO(exported(full))) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("collection.json"))
        person = json.loads(archive.read("people/000000.jsonl").splitlines()[0])
    assert manifest["model"] == full.embedder.version
    assert {t["model"] for i in person["images"] for t in i["templates"]} == {full.embedder.version}
    actions = AuditEntry.objects.filter(action__contains="export").values_list("action", flat=True)
    assert sorted(actions) == ["collection.export", "export.download"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("box", "wide"),
        ("landmarks", [["a", "b"]]),
        ("sha256", "<script>"),
        ("quality_parts", {"x": {"y": 1}}),
        ("templates", [{"model": "MODEL", "vector": "AAAA"}]),
        ("templates", [{"model": "MODEL", "vector": "AADAfwAAwH8AAMB/AADAfw=="}]),
    ],
)
def test_export_with_broken_values_is_refused_face_by_face(
    full: Collection, field: str, value: Any
) -> None:
    name = full.embedder.version

    def broken(person: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(value).replace("MODEL", name)
        for image in person["images"]:
            image[field] = json.loads(text)
        return person

    other = make_collection()
    run = started(other, rewritten(exported(full), broken))
    run_jobs()
    codes = set(run.items.filter(path__startswith="faces/").values_list("code", flat=True))
    assert codes == {"bad_export"}
    assert Job.objects.get(kind="import").state == Job.State.DONE
    assert_consistent(other)


def test_person_of_an_export_whom_nobody_can_be_is_refused(full: Collection) -> None:
    run = started(
        make_collection(), rewritten(exported(full), lambda person: person | {"name": ["x"]})
    )
    run_jobs()
    assert set(outcomes(run).values()) == {"bad_export"}


def test_picture_of_an_export_that_is_none_is_refused(full: Collection) -> None:
    files = unpacked(exported(full))
    files = {n: b"<svg onload=x>" if n.startswith("faces/") else d for n, d in files.items()}
    other = make_collection()
    run = started(other, zip_of(files))
    run_jobs()
    assert set(run.items.filter(path__startswith="faces/").values_list("code", flat=True)) == {
        "unsupported_image"
    }
    assert_consistent(other)


def test_export_of_another_format_is_refused(collection: Collection) -> None:
    started(collection, zip_of({"collection.json": b'{"format": "other"}'}))
    run_jobs()
    assert Job.objects.get(kind="import").error_code == "bad_export"
    assert stored_files() == set()


def test_erasing_a_person_removes_exports_that_hold_them(full: Collection) -> None:
    exported(full)
    before = len(stored_files())
    counts = person_erase(person=Person.objects.get(name="Bob"), actor=ACTOR)
    assert counts["exports"] == 1
    assert not Export.objects.exists()
    assert not Archive.objects.exists()
    assert len(stored_files()) < before
    assert_consistent(full)


def test_export_that_is_not_complete_cannot_be_downloaded(full: Collection) -> None:
    export = export_start(collection=full, has_originals=False, actor=ACTOR)
    with pytest.raises(ServiceError) as refused:
        export_chunks(export=export, actor=ACTOR)
    assert refused.value.code == "export_incomplete"


def test_exports_are_deleted_and_swept(full: Collection) -> None:
    exported(full)
    export_delete(export=Export.objects.get(), actor=ACTOR)
    assert not Archive.objects.exists()
    exported(full)
    Export.objects.update(created_at="2026-01-01T00:00Z")
    assert bulk_sweep() == 1
    assert not Archive.objects.exists()
    assert_consistent(full)


def test_files_that_are_missing_are_counted_and_left_out(full: Collection) -> None:
    image = FaceImage.objects.filter(person__name="Bob").get()
    image.file.storage.delete(str(image.file.name))
    data = exported(full)
    assert Job.objects.get(kind="export").result["missing_files"] == 1  # type: ignore[index]
    other = make_collection()
    run = started(other, data)
    run_jobs()
    assert run.items.filter(state=ImportItem.State.ENROLLED).count() == 4
    assert ModelVersion.objects.filter(role="embedder").count() == 1


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(data: bytes, change: Any) -> bytes:
    files = unpacked(data)
    lines = files["people/000000.jsonl"].splitlines()
    people = [json.dumps(change(json.loads(line))) for line in lines]
    return zip_of(files | {"people/000000.jsonl": "\n".join(people).encode()})
