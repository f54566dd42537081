"""The job of a training run: what comes of it, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ml_engine.zoo import PRESETS
from recognition.events.models import Event
from recognition.jobs.models import Job
from recognition.people.models import Collection, FaceImage, ModelVersion, Person, TrainedPerson
from recognition.people.services.own_models import collection_vectors
from recognition.people.services.persons import person_erase, person_merge, person_update
from recognition.training.models import TrainingRun
from recognition.training.services import running
from recognition.training.services.faces import owners_of
from recognition.training.services.running import training_root
from recognition.training.services.runs import (
    training_run_cancel,
    training_run_start,
)
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, enrol, make_event, make_person
from tests.fakes import photo
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.training.conftest import SetChild
from tests.recognition.training.runs import (
    before_adding,
    during,
    job_of,
    people_of,
    seeing_camera,
    start,
)

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("MariaDB")]


def test_training_gives_a_model_that_is_not_in_use(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    run = start(collection, licence="ours alone")
    assert run_jobs() == 1
    assert job_of(run).state == Job.State.DONE, job_of(run).log
    version = run.model
    assert version is not None
    assert (version.name, version.state, version.licence) == ("ours", "added", "ours alone")
    assert version.training_data == "16 pictures of 8 people of a collection"
    assert version.report["training"]["run"] == str(run.pk)
    assert people_of(version) == {person.pk for person in crowd}
    assert (run.state, run.people, run.pictures, run.step) == ("done", 8, 16, 3)
    assert [point["step"] for point in run.curve] == [1, 2, 3]
    assert run.record == {"code": "abc"}
    assert not list(training_root().iterdir())


def test_people_without_recorded_consent_are_not_trained_on(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    Person.objects.filter(pk=crowd[0].pk).update(consent="unknown")
    Person.objects.filter(pk=crowd[1].pk).update(consent="withdrawn")
    Person.objects.filter(pk=crowd[2].pk).update(is_active=False)
    single = make_person(collection, consent="given")
    enrol(single, 20)
    run = start(collection)
    run_jobs()
    run.refresh_from_db()
    assert people_of(run.model) == {person.pk for person in crowd[3:]}


def test_model_is_evaluated_without_the_people_it_was_trained_on(
    collection: Collection, set_child: SetChild
) -> None:
    run = start(collection)
    run_jobs()
    run.refresh_from_db()
    stranger = make_person(collection)
    enrol(stranger, 30)
    assert run.model is not None
    judged = [person for person, _ in collection_vectors(collection.embedder, collection)]
    assert len(set(judged)) == 9
    TrainedPerson.objects.update(model=collection.embedder)
    judged = [person for person, _ in collection_vectors(collection.embedder, collection)]
    assert judged == [str(stranger.pk)]


def test_cancelled_training_leaves_nothing(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_child(steps=10_000)
    run = start(collection)
    during(monkeypatch, 2, lambda: training_run_cancel(run=run, actor=ACTOR))
    run_jobs()
    assert job_of(run).state == Job.State.CANCELLED
    assert (run.state, run.model) == ("cancelled", None)
    assert run.step < 10_000 and run.curve
    assert not ModelVersion.objects.filter(source="file").exists()
    assert not list(training_root().iterdir())


def test_training_that_is_ended_keeps_the_best_so_far(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_child(steps=10_000)
    run = start(collection)
    end = lambda: training_run_cancel(run=run, actor=ACTOR, keep_best=True)  # noqa: E731
    with pytest.raises(ServiceError, match="nothing to keep"):
        end()
    during(monkeypatch, 2, end)
    run_jobs()
    assert job_of(run).state == Job.State.DONE
    assert run.model is not None
    assert 2 <= run.step < 10_000


def test_training_that_begins_anew_does_not_end_before_the_step_that_was_asked_for(
    collection: Collection,
    crowd: list[Person],
    set_child: SetChild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_child(steps=10_000)
    run = start(collection)
    during(monkeypatch, 20, lambda: training_run_cancel(run=run, actor=ACTOR, keep_best=True))
    before_adding(monkeypatch, lambda: person_erase(person=crowd[0], actor=ACTOR))
    run_jobs()
    assert job_of(run).state == Job.State.DONE
    assert "begins again" in job_of(run).log
    assert run.stop_step == 20 <= run.step < 10_000


def test_training_begins_again_without_a_person_who_is_erased(
    collection: Collection,
    crowd: list[Person],
    set_child: SetChild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone, withdrawn = crowd[0], crowd[1]
    run = start(collection)
    during(monkeypatch, 1, lambda: person_erase(person=gone, actor=ACTOR))
    run_jobs()
    assert "begins again" in job_of(run).log
    assert people_of(run.model) == {person.pk for person in crowd[1:]}
    assert run.people == 7

    second = start(collection, name="second")
    out = {"consent": Person.Consent.WITHDRAWN}
    during(monkeypatch, 1, lambda: person_update(person=withdrawn, actor=ACTOR, **out))
    run_jobs()
    second.refresh_from_db()
    assert people_of(second.model) == {person.pk for person in crowd[2:]}


def swap(leaves: Person, comes: Person) -> None:
    """The number of people and of images stays the same."""
    Person.objects.filter(pk=leaves.pk).update(consent="withdrawn")
    Person.objects.filter(pk=comes.pk).update(consent="given")


def lose_pictures(leaves: Person, comes: Person) -> None:
    FaceImage.objects.filter(person=leaves).delete()
    Person.objects.filter(pk=comes.pk).update(consent="given")


@pytest.mark.parametrize("act", [swap, lose_pictures])
def test_training_notices_who_leaves_although_somebody_comes(
    collection: Collection,
    crowd: list[Person],
    set_child: SetChild,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Person, Person], None],
) -> None:
    Person.objects.filter(pk=crowd[1].pk).update(consent="unknown")
    set_child(steps=40)
    run = start(collection)
    during(monkeypatch, 2, lambda: act(crowd[0], crowd[1]))
    seen: list[str] = []
    before_adding(monkeypatch, lambda: seen.append(job_of(run).log))
    run_jobs()
    assert "begins again" in seen[0]
    run.refresh_from_db()
    assert people_of(run.model) == {person.pk for person in crowd[1:]}


def test_look_for_who_left_asks_for_the_images_of_the_run_alone(
    collection: Collection,
    crowd: list[Person],
    set_child: SetChild,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    run = start(collection)
    images = list(FaceImage.objects.values_list("pk", flat=True))
    with django_assert_num_queries(2) as asked:
        assert owners_of(run, images) == {person.pk for person in crowd}
    assert not any("COUNT" in query["sql"] for query in asked.captured_queries)
    set_child(steps=20)
    monkeypatch.setattr(running, "_LOOK_EVERY_S", 1000)
    look = Mock(side_effect=owners_of)
    monkeypatch.setattr(running, "owners_of", look)
    run_jobs()
    assert look.call_count == 2
    assert job_of(run).state == "done"


def test_person_who_leaves_at_the_last_moment_is_not_in_the_model(
    collection: Collection,
    crowd: list[Person],
    set_child: SetChild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Person.objects.filter(pk=crowd[1].pk).update(consent="unknown")
    run = start(collection)
    before_adding(monkeypatch, lambda: swap(crowd[0], crowd[1]))
    run_jobs()
    assert job_of(run).state == Job.State.DONE
    assert people_of(run.model) == {person.pk for person in crowd[1:]}
    assert ModelVersion.objects.filter(source="file").count() == 1


def test_models_of_an_erased_person_are_marked(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    run = start(collection)
    run_jobs()
    run.refresh_from_db()
    version = run.model
    assert version is not None
    assert person_erase(person=crowd[0], actor=ACTOR)["trained_models"] == 1
    person_update(person=crowd[1], actor=ACTOR, consent=Person.Consent.WITHDRAWN)
    person_erase(person=crowd[1], actor=ACTOR)
    version.refresh_from_db()
    assert version.people_gone == 2
    assert people_of(version) == {person.pk for person in crowd[2:]}


def test_merged_person_stays_in_the_list_of_trained_people(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    run = start(collection)
    run_jobs()
    run.refresh_from_db()
    new = make_person(collection)
    person_merge(into=new, person=crowd[0], actor=ACTOR)
    person_merge(into=crowd[2], person=crowd[1], actor=ACTOR)
    assert people_of(run.model) == {new.pk, *(person.pk for person in crowd[2:])}
    assert run.model is not None
    run.model.refresh_from_db()
    assert run.model.people_gone == 0


def test_training_whose_collection_is_deleted_ends(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_child(steps=10_000)
    run = start(collection)
    job = run.job
    during(monkeypatch, 1, lambda: TrainingRun.objects.filter(pk=run.pk).delete())
    run_jobs()
    assert job is not None
    job.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.FAILED, "not_found")
    assert not list(training_root().iterdir())


def test_adaptation_without_enough_faces_of_the_camera_is_refused(
    collection: Collection, set_child: SetChild
) -> None:
    camera = seeing_camera(collection)
    run = start(collection, task="adapt", camera=camera)
    Event.objects.all()[0].delete()
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == ("failed", "too_few_camera_faces")


def test_adaptation_uses_the_faces_that_its_camera_kept(
    collection: Collection, set_child: SetChild
) -> None:
    camera = seeing_camera(collection)
    make_event(collection)
    run = start(collection, task="adapt", camera=camera, licence="ours alone")
    run_jobs()
    assert job_of(run).state == Job.State.DONE, job_of(run).log
    assert run.model is not None
    preset = PRESETS["mobilefacenet"]
    before = f"mobilefacenet ({preset.training_data}), adapted with 16 pictures of 8 people"
    assert run.model.training_data.startswith(before)
    assert run.model.licence == f"mobilefacenet: {preset.licence}; ours alone"


def test_folder_of_the_server_is_trained_on(
    crowd: list[Person], set_child: SetChild, tmp_path: Path, settings: Any
) -> None:
    settings.TRAINING_DATA_DIR = tmp_path / "data"
    for number in range(4):
        for looks in range(2):
            path = settings.TRAINING_DATA_DIR / "staff" / f"p{number}" / f"{looks}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo(number, looks=looks))
    (settings.TRAINING_DATA_DIR / "staff" / "p0" / "broken.jpg").write_bytes(b"no picture")
    run = training_run_start(task="train", name="ours", folder="staff", actor=ACTOR)
    run_jobs()
    assert job_of(run).state == Job.State.DONE, job_of(run).log
    assert (run.people, run.pictures) == (4, 8)
    assert run.figures == {"data": [0, 0, 1, 1, 2, 2, 3, 3]}
    assert people_of(run.model) == set()
    for name in ("..", "staff/p0", "nothing", "x" * 300, "a\0b"):
        with pytest.raises(ServiceError) as refused:
            training_run_start(task="train", name="ours", folder=name, actor=ACTOR)
        assert refused.value.code == "no_such_folder"
