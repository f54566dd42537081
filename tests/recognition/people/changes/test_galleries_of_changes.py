"""Galleries in the memory of a process while a collection's model is changed."""

from __future__ import annotations

import pytest

from recognition.people.index import gallery_of
from recognition.people.index.process import forget_galleries, galleries, keep_galleries
from recognition.people.models import Collection, ModelVersion, Person
from recognition.people.services.model_changes import (
    model_change_cancel,
    model_change_let_go,
    model_change_switch,
)
from recognition.people.services.persons import person_erase
from tests.factories import ACTOR
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.people.changes.changing import begun, now, seen
from tests.recognition.people.changes.conftest import PEOPLE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def test_gallery_of_a_forgotten_model_leaves_the_memory(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    seen(collection, 0)
    gallery_of(now(collection).seen_by(first))
    keep_galleries({(collection.pk, second.pk)})
    assert set(galleries()) == {(collection.pk, second.pk)}


def test_process_without_a_loader_keeps_no_gallery_of_a_change(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    forget_galleries()
    begun(collection, second)
    assert not galleries(), "the job asks for sizes only"
    gallery_of(now(collection))
    model_change_switch(collection=collection, actor=ACTOR)
    gallery_of(now(collection))
    assert len(galleries()) == 2
    model_change_let_go(collection=collection, actor=ACTOR)
    run_jobs()
    forget_galleries()
    gallery_of(collection)
    gallery_of(now(collection))
    assert set(galleries()) == {(collection.pk, second.pk)}


def test_gallery_of_an_earlier_change_is_loaded_again(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    """A process that only runs jobs may hold it all the time."""
    begun(collection, second)
    held = gallery_of(now(collection).seen_by(second))
    assert held.size == (PEOPLE, 2 * PEOPLE)
    model_change_cancel(collection=collection, actor=ACTOR)
    run_jobs()
    person_erase(person=crowd[0], actor=ACTOR)
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    held.follow(now=True)
    assert held.size == (PEOPLE - 1, 2 * PEOPLE - 2)
    assert seen(collection, 0).decision != "match"
