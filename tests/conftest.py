"""Fixtures of all tests. Only the engine is a fake; database, files and rules are real."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core.management.commands import flush
from django.db import connections
from django.test import Client

from accounts.access import Access
from accounts.audit import Actor
from recognition.people.models import Collection, Person
from recognition.web import transactions
from recognition.web.process import Process, use_process
from tests import quick_flush
from tests.callers import PageClient
from tests.commits import FailedSteps, commit_services
from tests.fakes import FakeEngine
from tests.kinds import is_unit_test, may_hold_unit_tests

_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need nothing but Python, for `-m unit`."""
    for item in filter(is_unit_test, items):
        item.add_marker(pytest.mark.unit)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make unit` does not import folders without unit tests."""
    is_left_out = config.option.markexpr == "unit" and not may_hold_unit_tests(collection_path)
    return True if is_left_out else None


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "Command", quick_flush.Command)
        yield


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Any) -> None:
    """The files of a test are removed after it."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.GALLERY_SNAPSHOT_DIR = tmp_path / "snapshots"
    settings.VIDEO_DIR = tmp_path / "videos"
    settings.VIDEO_DIR.mkdir()


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """Each test gets a new process object, so that no state passes from one test to the next."""
    fresh = Process()
    use_process(fresh)
    yield
    fresh.stop(10)
    use_process(None)


@pytest.fixture(autouse=True)
def _services_commit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a test calls a service, the steps after its commit run, as they do in a request."""
    mark = request.node.get_closest_marker("django_db")
    if not (mark and mark.kwargs.get("transaction")):
        commit_services(request.module, monkeypatch)


@pytest.fixture(autouse=True)
def failed_steps() -> Iterator[FailedSteps]:
    """A step after a commit that fails makes the test fail, unless the test expects it."""
    heard = FailedSteps()
    transactions.logger.addHandler(heard)
    yield heard
    transactions.logger.removeHandler(heard)
    heard.expect()


@pytest.fixture
def client() -> Client:
    """Replaces pytest-django's client: the steps after a commit run with each request."""
    return PageClient()


@pytest.fixture
def engine() -> FakeEngine:
    """A fake engine that replaces the engine of the process."""
    from recognition.engine import use_engine

    fake = FakeEngine()
    use_engine(fake)
    return fake


@pytest.fixture(scope="session")
def _built_engine() -> Iterator[Any]:
    from ml_engine import load_engine
    from recognition.engine import engine_config

    built = load_engine(engine_config())
    yield built
    built.close()


@pytest.fixture
def real_engine(_built_engine: Any) -> Any:
    """The real engine with the default weights; mark the test `weights`."""
    from recognition.engine import use_engine

    use_engine(_built_engine)
    return _built_engine


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    return Path(site_settings.WEIGHTS_DIR)


@pytest.fixture(scope="session")
def sample_photo(weights_dir: Path) -> Callable[[str], bytes]:
    """The file of a public-domain photo: obama, obama2, obama3 or biden."""
    from ml_engine.zoo import fetch

    def read(name: str) -> bytes:
        return fetch("samples", weights_dir)[f"{name}.jpg"].read_bytes()

    return read


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of evaluation photos; mark the test `data`. Skips the test if it is missing."""
    folder = Path(os.environ.get("FACEREC_DATA", _DATA))
    if not folder.is_dir():
        pytest.skip(f"no evaluation photos in {folder}: set FACEREC_DATA")
    return folder


@pytest.fixture
def actor() -> Actor:
    return Actor("user:tester")


@pytest.fixture
def access(db: None) -> Access:
    """The client of an administrator."""
    from tests.factories import make_access

    return make_access()


@pytest.fixture
def collection(db: None) -> Collection:
    from tests.factories import make_collection

    return make_collection(name="Main")


@pytest.fixture
def person(collection: Collection) -> Person:
    from tests.factories import make_person

    return make_person(collection, name="Ann Example")


@pytest.fixture
def close_connections() -> Callable[[], None]:
    """Close the database connections of a test's thread at its end."""
    return connections.close_all
