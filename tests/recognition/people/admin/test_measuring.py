"""Measuring a collection on its own people, and training its SVM, in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from recognition.people.models import Calibration, Collection, ModelVersion, Person, TrainedDecider
from recognition.people.services.collections import collection_update
from tests.factories import ACTOR, add_people, enrol, make_calibration, make_person
from tests.ml_engine.vectors import people
from tests.recognition.admin_pages import address, page, told
from tests.recognition.jobs.runs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def measured(collection: Collection) -> str:
    return address("people_collection_measured", collection.pk)


def do(client: Client, collection: Collection, what: str) -> list[str]:
    """The message on the page after a button was pressed."""
    answer = client.post(measured(collection), {"do": what})
    assert answer["Location"] == measured(collection)
    return told(answer)


@pytest.fixture
def filled(collection: Collection) -> Collection:
    add_people(collection, *people(100, 2, 192, spread=0.4))
    return collection


def test_collection_page_leads_to_measuring(viewer: Client, collection: Collection) -> None:
    text = page(viewer.get(address("people_collection_change", collection.pk)))
    assert "Measure and train" in text
    answer = viewer.get(address("people_collection_measure", collection.pk))
    assert answer["Location"] == measured(collection)


def test_collection_page_opens_without_a_threshold(viewer: Client, collection: Collection) -> None:
    ModelVersion.objects.update(impostor_curves={})
    assert "none: set one by hand" in page(
        viewer.get(address("people_collection_change", collection.pk))
    )


def test_measuring_page_before_the_first_measurement_explains_it(
    administrator: Client, collection: Collection
) -> None:
    text = page(administrator.get(measured(collection)))
    for said in ("It needs 78 people", "Measure on its own people", "Not trained", "Train the SVM"):
        assert said in text
    for unsaid in ("<table class=", "det.svg", "Put its own curve in force"):
        assert unsaid not in text


def test_measuring_page_calls_a_decider_better_only_for_a_clear_gain(
    viewer: Client, collection: Collection
) -> None:
    make_calibration(collection)
    text = page(viewer.get(measured(collection)))
    rows = text.split('aria-labelledby="deciders"')[1].split("</table>")[0].split("<tr>")[2:]
    assert ["better" in row for row in rows] == [False, True, False]
    assert "3.0 ± 1.0 points" in rows[1]
    assert "no clear gain" in rows[2]
    assert "discard.svg" in text


def test_measuring_page_says_if_people_are_too_few(administrator: Client, person: Person) -> None:
    enrol(person, 1)
    assert "78 are needed" in do(administrator, person.collection, "measure")[0]
    assert "active people" in do(administrator, person.collection, "train")[0]
    assert not Calibration.objects.exists()
    assert not TrainedDecider.objects.exists()


def test_measured_curve_is_put_in_force_on_the_page(
    administrator: Client, filled: Collection
) -> None:
    assert do(administrator, filled, "measure") == ["The collection is being measured."]
    text = page(administrator.get(measured(filled)))
    assert 'data-state="queued"' in text
    assert 'value="measure"' not in text
    assert run_jobs() == 1
    text = page(administrator.get(measured(filled)))
    assert 'value="measure"' in text
    assert "data-state" not in text
    for said in ("1 in 100<", "1 in 100,000<", "49 pairs of people", "the model's curve",
                 "det.svg", "det.svg?theme=dark", "Put its own curve in force"):  # fmt: skip
        assert said in text
    assert "own curve" in do(administrator, filled, "use")[0]
    filled.refresh_from_db()
    assert filled.uses_own_curve
    text = page(administrator.get(measured(filled)))
    assert "Go back to the model's curve" in text
    assert "and the collection&#x27;s own curve" in text
    do(administrator, filled, "stop")
    filled.refresh_from_db()
    assert not filled.uses_own_curve


def test_measuring_page_refuses_impossible_actions(
    administrator: Client, collection: Collection
) -> None:
    assert "measured" in do(administrator, collection, "use")[0]
    assert do(administrator, collection, "nonsense")[-1] == "The form does not say what to do."


def test_similar_pairs_are_shown_and_lead_to_merging(
    operator: Client, collection: Collection
) -> None:
    first, second = make_person(collection, name="Ann"), make_person(collection, name="Ann B.")
    enrol(first, 1)
    pair = {"people": [str(first.pk), str(second.pk)], "similarity": 0.91, "is_left_out": True}
    make_calibration(collection, similar_pairs=[pair], similar_pairs_total=12)
    answer = operator.get(measured(collection))
    text = page(answer)
    for said in (
        "Ann B.",
        "Similarity 0.91",
        "the curve does not include it",
        "of 12 pairs of people",
    ):
        assert said in text
    image = first.images.get()
    assert f"/images/{image.pk}/file" in text
    form = {"action": "merge_people", "_selected_action": [first.pk, second.pk]}
    asked = page(operator.post(address("people_person_changelist"), form))
    assert "Who remains?" in asked


def test_measuring_page_without_genuine_pairs_shows_no_curve(
    viewer: Client, collection: Collection
) -> None:
    point: dict[str, Any] = {"fmr": 0.01, "threshold": 0.4, "fnmr": None, "fnmr_interval": None,
                             "false_match_count": 49, "has_enough_pairs": True}  # fmt: skip
    make_calibration(collection, det=[], points=[point], eer=None, eer_threshold=None)
    text = page(viewer.get(measured(collection)))
    assert "nobody has two photos" in text
    assert "det.svg" not in text
    assert "equal error rate" not in text


def test_measuring_page_says_if_figures_are_out_of_date(
    viewer: Client, collection: Collection
) -> None:
    make_calibration(collection, templates_total=0)
    assert "measure again" not in page(viewer.get(measured(collection)))
    Collection.objects.update(gallery_revision=5)
    assert "measure again" in page(viewer.get(measured(collection)))


def test_measuring_page_says_how_many_people_were_sampled(
    viewer: Client, collection: Collection
) -> None:
    make_calibration(collection, people_total=5000)
    assert "100 of 5,000 people, chosen at random" in page(viewer.get(measured(collection)))


def test_train_button_trains_the_svm(administrator: Client, filled: Collection) -> None:
    collection_update(collection=filled, actor=ACTOR, decider="svm")
    assert "Until it is trained, the nearest person decides" in page(
        administrator.get(measured(filled))
    )
    url = address("people_collection_change", filled.pk)
    assert "Nearest, until the SVM is trained" in page(administrator.get(url))
    assert do(administrator, filled, "train") == ["The SVM is being trained."]
    assert 'value="train"' not in page(administrator.get(measured(filled)))
    assert run_jobs() == 1
    text = page(administrator.get(measured(filled)))
    assert "It decides in this collection" in text
    assert "Nothing has changed since" in text
    add_people(filled, *people(3, 1, 192, seed=5))
    assert "It does not know 3 people enrolled since" in page(administrator.get(measured(filled)))


def test_failed_measurement_is_shown_to_administrators(
    administrator: Client, viewer: Client, filled: Collection
) -> None:
    do(administrator, filled, "train")
    Person.objects.update(is_active=False)
    run_jobs()
    assert "failed: An SVM needs" in page(administrator.get(measured(filled)))
    assert "failed" not in page(viewer.get(measured(filled)))


def test_measuring_buttons_are_for_administrators(
    viewer: Client, operator: Client, collection: Collection
) -> None:
    make_calibration(collection)
    for client in (viewer, operator):
        text = page(client.get(measured(collection)))
        assert 'name="do"' not in text
        assert client.post(measured(collection), {"do": "measure"}).status_code == 403
    assert viewer.get(address("people_collection_measured", collection.pk)).status_code == 200
