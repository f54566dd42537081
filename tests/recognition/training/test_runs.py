"""Starting a training run: what it is made with, and what is refused."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from ml_engine import recipe
from recognition.people.models import Collection, Person
from recognition.training.models import TrainingRun
from recognition.training.options import OPTIONS, complete, defaults_of, recipe_of
from recognition.training.services.runs import training_run_cancel, training_run_start
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, make_camera, make_training_run
from tests.recognition.training.runs import seeing_camera

pytestmark = pytest.mark.django_db


def refused(**values: Any) -> str:
    with pytest.raises(ServiceError) as error:
        training_run_start(actor=ACTOR, **({"task": "train", "name": "ours"} | values))
    assert not TrainingRun.objects.exists()
    return error.value.code


def test_run_without_options_has_the_defaults_of_the_library(collection: Collection) -> None:
    run = training_run_start(
        task="train", name="ours", collection=collection, actor=ACTOR, options={"rate": None}
    )
    made: Any = recipe_of(run)
    design = recipe.Design(**made.pop("design"))
    assert recipe.Settings(design=design, **made) == recipe.Settings()
    adapted = make_training_run(collection, task="adapt", settings=defaults_of("adapt"))
    assert recipe.Adaptation(**recipe_of(adapted)) == recipe.Adaptation()  # type: ignore[arg-type]


def test_choices_are_those_of_the_library() -> None:
    choices = {option.name: set(option.choices) for option in OPTIONS if option.choices}
    assert choices["loss"] == set(get_args(recipe.Loss))
    assert choices["optimiser"] == set(get_args(recipe.Optimiser))
    for task in ("train", "adapt"):
        for name, value in defaults_of(task).items():
            assert name not in choices or value in choices[name]


def test_run_that_says_too_little_or_too_much_is_refused(collection: Collection) -> None:
    elsewhere = make_camera()
    of = {"collection": collection}
    assert refused(**of, name="mobilefacenet") == "bad_name"
    assert refused(**of, name="a b") == "bad_name"
    assert refused() == "training_data_required"
    assert refused(**of, folder="x") == "training_data_required"
    assert refused(**of, options={"blend": 0.5}) == "bad_setting"
    assert (
        refused(**of, task="adapt", options={"loss": "softmax"}, camera=make_camera(collection))
        == "bad_setting"
    )
    assert refused(**of, task="adapt") == "camera_required"
    assert refused(**of, camera=make_camera(collection)) == "camera_required"
    assert refused(**of, task="adapt", camera=elsewhere) == "wrong_collection"


def test_run_on_too_few_people_with_consent_is_refused(collection: Collection) -> None:
    Person.objects.filter(collection=collection).update(consent="unknown")
    assert refused(collection=collection, options={"others": 2}) == "too_few_people"
    Person.objects.filter(collection=collection).update(consent="given")
    assert refused(collection=collection, options={"others": 7}) == "too_few_people"
    camera = make_camera(collection)
    of: dict[str, Any] = {"collection": collection, "task": "adapt", "camera": camera}
    assert refused(**of, options={"others": 2}) == "too_few_camera_faces"
    of["camera"] = seeing_camera(collection)
    assert refused(**of, options={"others": 4}) == "too_few_people"
    # Three people with two pictures are left, and four have to be set apart.
    for person in list(collection.persons.all())[3:]:
        person.images.all()[0].delete()
    assert refused(**of, options={"others": 2}) == "too_few_people"


def test_batch_that_needs_too_much_memory_is_refused(collection: Collection) -> None:
    large = {"others": 2, "people": 256, "pictures": 64, "size": 160}
    assert refused(collection=collection, options=large) == "bad_setting"
    assert complete("train", large | {"people": 16, "pictures": 16})["size"] == 160


def test_waiting_run_is_cancelled_at_once(collection: Collection) -> None:
    run = training_run_start(
        task="train", name="ours", collection=collection, actor=ACTOR, options={"others": 2}
    )
    training_run_cancel(run=run, actor=ACTOR)
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert run.ended_at is not None
    with pytest.raises(ServiceError) as error:
        training_run_cancel(run=run, actor=ACTOR)
    assert error.value.code == "job_ended"
