"""The SVM of a collection: trained on enrolled people, and without data of erased people."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from ml_engine.matching import LinearSvm
from recognition.jobs.models import Job
from recognition.people.index import note_changes
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, Person, TrainedDecider
from recognition.people.rules import decider_in_force
from recognition.people.services import deciders
from recognition.people.services.deciders import decider_state, decider_train, deciders_retrain
from recognition.people.services.enrolment import image_delete, images_enrol
from recognition.people.services.persons import person_erase, person_merge, person_update
from recognition.web.errors import ServiceError
from recognition.web.leases import LeaseLost
from recognition.web.uploads import Upload
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.jobs.runs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]


@pytest.fixture
def crowd(engine: FakeEngine, collection: Collection) -> list[Person]:
    """Eleven people with two images each."""
    people = [make_person(collection) for _ in range(11)]
    for number, person in enumerate(people):
        enrol(person, number, number)
    return people


def _svm(collection: Collection) -> LinearSvm:
    row = TrainedDecider.objects.get(collection=collection)
    return LinearSvm.from_bytes(bytes(row.arrays), model=row.model.version)


def _knows(collection: Collection, person: Person) -> bool:
    return str(person.pk) in _svm(collection).people


def test_trained_svm_is_stored_and_published(collection: Collection, crowd: list[Person]) -> None:
    before = decider_state(collection)
    assert (before.trained_at, before.people_since, before.is_current) == (None, 11, False)
    row = decider_train(collection=collection, actor=ACTOR)
    assert (row.people, row.templates) == (11, 22)
    assert set(_svm(collection).people) == {str(person.pk) for person in crowd}
    state = decider_state(collection)
    assert (state.people, state.templates, state.people_since) == (11, 22, 0)
    assert state.trained_at == row.trained_at
    assert state.is_current
    entry = AuditEntry.objects.get(action="decider.train")
    assert entry.details == {"people": 11, "templates": 22}


def test_people_since_the_training_are_counted_and_trained_next_time(
    collection: Collection, crowd: list[Person]
) -> None:
    decider_train(collection=collection, actor=ACTOR)
    enrol(make_person(collection), 50)
    state = decider_state(collection)
    assert (state.people_since, state.is_current) == (1, False)
    decider_train(collection=collection, actor=ACTOR)
    assert decider_state(collection).people_since == 0
    assert TrainedDecider.objects.count() == 1


def test_training_too_few_or_too_many_people_is_refused(
    collection: Collection, crowd: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServiceError) as refused:
        decider_train(collection=make_collection(), actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("too_few_people", 409)
    monkeypatch.setattr(deciders, "MOST_WORK", 11 * 22 - 1)
    with pytest.raises(ServiceError) as refused:
        decider_train(collection=collection, actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("gallery_too_large", 409)
    assert not TrainedDecider.objects.exists()


def test_people_who_are_not_active_are_not_trained_on(
    collection: Collection, crowd: list[Person]
) -> None:
    person_update(person=crowd[3], actor=ACTOR, is_active=False)
    assert decider_train(collection=collection, actor=ACTOR).people == 10
    assert not _knows(collection, crowd[3])


def test_person_erased_while_training_is_not_in_the_svm(
    collection: Collection, crowd: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = deciders.train_svm

    def slow(*args: Any, **kwargs: Any) -> LinearSvm:
        svm = train(*args, **kwargs)
        person_erase(person=crowd[0], actor=ACTOR)
        return svm

    erased = str(crowd[0].pk)
    monkeypatch.setattr(deciders, "train_svm", slow)
    row = decider_train(collection=collection, actor=ACTOR)
    assert row.people == 10
    assert erased not in _svm(collection).people
    assert not decider_state(collection).is_current


def test_embedder_changed_while_training_stores_no_svm(
    collection: Collection, crowd: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = deciders.train_svm

    def slow(*args: Any, **kwargs: Any) -> LinearSvm:
        Collection.objects.update(embedder=ensure_model_version("dlib_resnet"))
        return train(*args, **kwargs)

    monkeypatch.setattr(deciders, "train_svm", slow)
    with pytest.raises(ServiceError) as refused:
        decider_train(collection=collection, actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("embedder_changed", 409)
    assert not TrainedDecider.objects.exists()


@pytest.mark.parametrize("decider", ["mean", "vote", "svm"])
def test_face_of_another_person_is_refused_by_every_decider(
    collection: Collection, crowd: list[Person], decider: str
) -> None:
    """A threshold that everybody reaches."""
    Collection.objects.update(decider=decider, match_threshold=-1.0)
    collection.refresh_from_db()
    decider_train(collection=collection, actor=ACTOR)
    somebody = make_person(collection)
    uploads = [Upload("70.jpg", photo(70))]
    (outcome,) = images_enrol(person=somebody, uploads=uploads, source="api", actor=ACTOR)
    assert outcome.code == "looks_like_another_person"


def test_another_embedder_has_no_svm(collection: Collection, crowd: list[Person]) -> None:
    decider_train(collection=collection, actor=ACTOR)
    collection.decider = Collection.Decider.SVM
    assert decider_in_force(collection) == "svm"
    collection.embedder = ensure_model_version("dlib_resnet")
    assert decider_state(collection).trained_at is None
    assert decider_in_force(collection) == "nearest"


def test_erased_person_is_removed_from_the_svm(collection: Collection, crowd: list[Person]) -> None:
    decider_train(collection=collection, actor=ACTOR)
    gone = str(crowd[0].pk)
    person_erase(person=crowd[0], actor=ACTOR)
    svm = _svm(collection)
    assert gone not in svm.people
    assert len(svm.weights) == len(svm.biases) == TrainedDecider.objects.get().people == 10


def test_merged_person_is_removed_from_the_svm(collection: Collection, crowd: list[Person]) -> None:
    decider_train(collection=collection, actor=ACTOR)
    gone = str(crowd[1].pk)
    person_merge(into=crowd[0], person=crowd[1], actor=ACTOR)
    assert gone not in _svm(collection).people
    assert _knows(collection, crowd[0])


def test_deactivated_person_is_removed_from_the_svm(
    collection: Collection, crowd: list[Person]
) -> None:
    decider_train(collection=collection, actor=ACTOR)
    person_update(person=crowd[0], actor=ACTOR, name="Another")
    assert _knows(collection, crowd[0])
    person_update(person=crowd[0], actor=ACTOR, is_active=False)
    assert not _knows(collection, crowd[0])


def test_person_without_images_is_removed_from_the_svm(
    collection: Collection, crowd: list[Person]
) -> None:
    decider_train(collection=collection, actor=ACTOR)
    first, last = crowd[0].images.all()
    image_delete(image=first, actor=ACTOR)
    assert _knows(collection, crowd[0])
    image_delete(image=last, actor=ACTOR)
    assert not _knows(collection, crowd[0])


def test_damaged_svm_does_not_stop_an_erasure(collection: Collection, crowd: list[Person]) -> None:
    """An erasure must neither fail because of it nor leave it."""
    decider_train(collection=collection, actor=ACTOR)
    TrainedDecider.objects.update(arrays=b"no arrays")
    assert decider_state(collection).trained_at is None
    person_erase(person=crowd[0], actor=ACTOR)
    assert not TrainedDecider.objects.exists()


def test_upkeep_starts_jobs_for_outdated_svms(collection: Collection, crowd: list[Person]) -> None:
    assert deciders_retrain() == 0, "the nearest decides"
    Collection.objects.update(decider=Collection.Decider.SVM)
    make_collection(decider=Collection.Decider.SVM)  # with nobody: it is left alone
    assert deciders_retrain() == 1
    assert Job.objects.get().collection_id == collection.pk
    assert run_jobs() == 1
    assert deciders_retrain() == 0
    note_changes(collection, [1])
    assert deciders_retrain() == 1
    assert run_jobs() == 1
    assert decider_state(collection).is_current
    # As if another version had written it in another format.
    TrainedDecider.objects.update(arrays=b"no arrays")
    assert deciders_retrain() == 1
    assert run_jobs() == 1
    assert decider_state(collection).is_current


def test_training_that_is_told_to_stop_stores_nothing(
    collection: Collection, crowd: list[Person]
) -> None:
    def stop() -> None:
        raise LeaseLost

    with pytest.raises(LeaseLost):
        decider_train(collection=collection, actor=ACTOR, check=stop)
    assert not TrainedDecider.objects.exists()


def test_train_command_takes_name_or_id(
    collection: Collection, crowd: list[Person], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("train_decider", "Main")
    told = capsys.readouterr().out
    assert "knows 11 people by 22 images" in told
    assert "decider is nearest" in told
    Collection.objects.update(decider=Collection.Decider.SVM)
    call_command("train_decider", str(collection.pk))
    assert "decider is" not in capsys.readouterr().out
    for name, why in (
        ("Nowhere", "no collection 'Nowhere'"),
        (make_collection().name, "10 active"),
    ):
        with pytest.raises(CommandError, match=why):
            call_command("train_decider", name)
