"""Training runs in the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from recognition.people.models import Collection
from recognition.training.models import TrainingRun
from recognition.training.options import defaults_of
from tests.factories import make_training_run
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.training.conftest import SetChild
from tests.recognition.training.runs import seeing_camera

pytestmark = pytest.mark.django_db
ADD = "/admin/training/trainingrun/add/"


def test_form_starts_a_run_and_its_page_leads_to_the_model(
    administrator: Client, collection: Collection, set_child: SetChild
) -> None:
    assert 'name="network"' in administrator.get(ADD).content.decode()
    form = {"name": "ours", "collection": collection.pk, "others": 2, "network": "resnet",
            "batch_norm": "on", "loss": "softmax"}  # fmt: skip
    answer = administrator.post(ADD, form)
    run = TrainingRun.objects.get()
    page = f"/admin/training/trainingrun/{run.pk}/change/"
    assert answer["Location"] == page
    changed = {"others": 2, "network": "resnet", "loss": "softmax", "is_grey": False}
    assert run.settings == defaults_of("train") | changed
    assert "End it and keep the best" in administrator.get(page).content.decode()
    run_jobs()
    run.refresh_from_db()
    text = administrator.get(page).content.decode()
    assert run.model is not None and run.model.version in text
    assert "keep the best" not in text
    model = administrator.get(f"/admin/people/modelversion/{run.model_id}/change/")
    assert "trained on 8" in model.content.decode()
    assert run.name in administrator.get("/admin/training/trainingrun/").content.decode()


def test_form_for_a_camera_has_the_options_of_an_adaptation(
    administrator: Client, collection: Collection
) -> None:
    text = administrator.get(f"{ADD}?task=adapt").content.decode()
    assert 'name="blend"' in text and 'name="network"' not in text
    form = {"name": "ours", "collection": collection.pk, "camera": seeing_camera(collection).pk}
    administrator.post(f"{ADD}?task=adapt", form | {"others": 2, "blend": 0.5})
    run = TrainingRun.objects.get()
    assert run.settings == defaults_of("adapt") | {"others": 2, "blend": 0.5}


def test_form_that_is_refused_says_why(administrator: Client, collection: Collection) -> None:
    text = administrator.post(ADD, {"name": "ours", "others": 2}).content.decode()
    assert "Name a collection or a folder" in text
    form = {"name": "ours", "collection": collection.pk, "size": 3}
    assert "greater than or equal to 16" in administrator.post(ADD, form).content.decode()
    assert not TrainingRun.objects.exists()


def test_page_cancels_a_run(administrator: Client, collection: Collection) -> None:
    administrator.post(ADD, {"name": "ours", "collection": collection.pk, "others": 2})
    run = TrainingRun.objects.get()
    page = f"/admin/training/trainingrun/{run.pk}/change/"
    kept = administrator.post(page, {"do": "keep"}, follow=True).content.decode()
    assert "nothing to keep" in kept
    assert "It is cancelled" in administrator.post(page, {}, follow=True).content.decode()
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_page_of_an_adaptation_shows_its_gain_and_its_cost(
    administrator: Client, collection: Collection
) -> None:
    judged = {"auc": 0.91, "accuracy": 0.8, "threshold": 0.4, "tmr": 0.5}
    rows = [{"name": name, "camera": judged, "clean": judged | {"tmr": 0.987}}
            for name in ("unchanged", "mean_shift", "ridge", "adapted")]  # fmt: skip
    figures = {"compared": rows, "tested": {"people": 6, "pictures": 20}}
    run = make_training_run(collection, task="adapt", state="done", figures=figures)
    text = administrator.get(f"/admin/training/trainingrun/{run.pk}/change/").content.decode()
    assert "On 6 people" in text and "Ridge regression" in text and "0.987" in text
