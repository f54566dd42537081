from __future__ import annotations

import pytest

from accounts.models import AuditEntry
from recognition.events.models import Event
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection
from recognition.people.services.collections import (
    collection_create,
    collection_delete,
    collection_update,
)
from recognition.people.services.persons import person_erase
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, enrol, make_camera, make_collection, make_event, make_person
from tests.fakes import FakeEngine
from tests.recognition.storage import stored_files

pytestmark = pytest.mark.django_db


def test_collection_with_a_name_in_use_is_refused() -> None:
    model = ensure_model_version("mobilefacenet")
    first = collection_create(actor=ACTOR, name="Doors", embedder=model)
    with pytest.raises(ServiceError) as taken:
        collection_create(actor=ACTOR, name="Doors", embedder=model)
    assert (taken.value.code, taken.value.status) == ("name_taken", 409)
    other = make_collection()
    with pytest.raises(ServiceError, match="already"):
        collection_update(collection=other, actor=ACTOR, name="Doors")
    assert AuditEntry.objects.get(action="collection.create").target_id == str(first.pk)


def test_embedder_stays_while_a_collection_has_templates(engine: FakeEngine) -> None:
    collection = make_collection()
    person = make_person(collection)
    enrol(person, 1)
    dlib = ensure_model_version("dlib_resnet")
    stale = Collection.objects.get()
    stale.embedder = dlib  # as a form leaves it
    with pytest.raises(ServiceError) as refused:
        collection_update(collection=stale, actor=ACTOR, embedder=dlib)
    assert (refused.value.code, refused.value.status) == ("embedder_in_use", 409)
    same = collection.embedder
    assert collection_update(collection=collection, actor=ACTOR, embedder=same).embedder == same
    person_erase(person=person, actor=ACTOR)
    changed = collection_update(collection=collection, actor=ACTOR, embedder=dlib, description="x")
    assert Collection.objects.get().embedder == changed.embedder == dlib
    last = AuditEntry.objects.filter(action="collection.update").last()
    assert last is not None


def test_collection_update_keeps_rules_changed_elsewhere(collection: Collection) -> None:
    stale = Collection.objects.get()
    collection_update(collection=collection, actor=ACTOR, match_margin=0.1)
    changed = collection_update(collection=stale, actor=ACTOR, match_threshold=0.6)
    assert (changed.match_margin, changed.match_threshold) == (0.1, 0.6)
    entry = AuditEntry.objects.filter(action="collection.update").first()
    assert entry is not None
    assert entry.details == {"changed": ["match_threshold"]}


def test_a_collection_with_people_or_cameras_is_not_deleted(collection: Collection) -> None:
    person = make_person(collection)
    with pytest.raises(ServiceError) as refused:
        collection_delete(collection=collection, actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("collection_not_empty", 409)
    person_erase(person=person, actor=ACTOR)
    camera = make_camera(collection)
    with pytest.raises(ServiceError):
        collection_delete(collection=collection, actor=ACTOR)
    camera.delete()
    collection_delete(collection=collection, actor=ACTOR)
    assert not Collection.objects.exists()


def test_deleting_a_collection_removes_events_and_pictures(collection: Collection) -> None:
    make_event(collection)
    kept = make_event(make_collection())
    collection_delete(collection=collection, actor=ACTOR)
    assert list(Event.objects.all()) == [kept]
    assert stored_files() == {kept.face.name, kept.snapshot.name}
    with pytest.raises(ServiceError) as refused:
        collection_delete(collection=collection, actor=ACTOR)
    assert refused.value.code == "not_found"
