"""Galleries are loaded before the first search. Until then the process is not ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from facerec_site import health
from recognition.people.index import GalleryLoader, forget_galleries, gallery_of, loading
from recognition.people.index.gallery import Gallery
from recognition.people.index.process import galleries
from recognition.people.models import Collection
from recognition.web.process import process
from tests.factories import enrol, make_collection, make_person
from tests.fakes import FakeEngine

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(loading, "_AGAIN_AFTER_S", 0.5)


@pytest.fixture
def loader() -> Iterator[GalleryLoader]:
    """The loader of the process, which a test starts. It stops before the tables are emptied."""
    part = process().part(GalleryLoader)
    yield part
    part.stop(1)
    if part._thread is not None:
        part._thread.join(PATIENCE_S)


@pytest.fixture
def collection(engine: FakeEngine) -> Collection:
    """A collection with a person, as a new process finds it."""
    made = make_collection(name="Main")
    enrol(make_person(made), 1)
    forget_galleries()
    return made


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_loaded(collection: Collection) -> bool:
    gallery = galleries().get((collection.pk, collection.embedder_id))
    return gallery is not None and gallery.is_loaded


def readiness(client: Client) -> tuple[int, str]:
    answer = client.get("/health/ready")
    return answer.status_code, answer.json()["parts"]["galleries"]


def test_galleries_are_loaded_without_being_asked(
    collection: Collection, loader: GalleryLoader
) -> None:
    other = make_collection(name="Other")
    loader.start()
    assert loader.is_loading
    until(lambda: not loader.is_loading)
    assert is_loaded(collection)
    assert is_loaded(other)


def test_readiness_says_loading_until_each_gallery_is_there(
    collection: Collection, loader: GalleryLoader, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "engine_state", lambda: {"state": "ready"})
    may_load = threading.Event()
    load = Gallery._loaded

    def slow(self: Gallery, *args: Any) -> Any:
        assert may_load.wait(PATIENCE_S)
        return load(self, *args)

    monkeypatch.setattr(Gallery, "_loaded", slow)
    loader.start()
    assert readiness(client) == (503, "loading")
    time.sleep(0.3)
    assert readiness(client) == (503, "loading")
    may_load.set()
    until(lambda: readiness(client) == (200, "ok"))


def test_gallery_that_is_rebuilt_stays_ready(
    collection: Collection, loader: GalleryLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader.start()
    until(lambda: not loader.is_loading)
    may_follow = threading.Event()
    follow = Gallery._follow

    def slow(self: Gallery) -> None:
        assert may_follow.wait(PATIENCE_S)
        follow(self)

    monkeypatch.setattr(Gallery, "_follow", slow)
    # Like a change by another process, about which nothing here is told.
    Collection.objects.filter(pk=collection.pk).update(gallery_revision=1_000)
    time.sleep(0.3)
    assert not loader.is_loading
    assert is_loaded(collection)
    may_follow.set()
    until(lambda: gallery_of(collection).revision == 1_000)


def test_new_collection_is_loaded_without_being_asked(
    collection: Collection, loader: GalleryLoader
) -> None:
    loader.start()
    until(lambda: not loader.is_loading)
    new = make_collection(name="New")
    until(lambda: is_loaded(new))


def test_gallery_that_cannot_be_loaded_holds_up_no_other(
    collection: Collection,
    loader: GalleryLoader,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = make_collection(name="Broken")
    load = Gallery._loaded

    def fail(self: Gallery, *args: Any) -> Any:
        if self.collection_id == broken.pk:
            raise OSError("no room on the disk")
        return load(self, *args)

    monkeypatch.setattr(Gallery, "_loaded", fail)
    loader.start()
    until(lambda: not loader.is_loading)
    assert is_loaded(collection)
    assert not is_loaded(broken)
    assert f"collection {broken.pk} could not be loaded" in caplog.text
    monkeypatch.setattr(Gallery, "_loaded", load)
    until(lambda: is_loaded(broken))


def test_loading_goes_on_once_the_database_is_back(
    collection: Collection, loader: GalleryLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = GalleryLoader._look
    tries: list[int] = []

    def away(self: GalleryLoader) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("gone away")
        look(self)

    monkeypatch.setattr(GalleryLoader, "_look", away)
    loader.start()
    until(lambda: len(tries) == 2)
    assert loader.is_loading
    until(lambda: not loader.is_loading)
    assert is_loaded(collection)


def test_process_that_does_not_load_beforehand_is_not_loading(collection: Collection) -> None:
    assert not process().part(GalleryLoader).is_loading
