"""What tests share. Fakes stand in for the engine alone; database, files and rules are real."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.access import Access
from accounts.audit import Actor
from recognition.people.models import Collection, Person
from recognition.web.process import Process, use_process
from tests.fakes import FakeEngine

_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Any) -> None:
    """Files of a test go with it."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.VIDEO_DIR = tmp_path / "videos"
    settings.VIDEO_DIR.mkdir()


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """What a process keeps between requests does not pass from one test to the next."""
    fresh = Process()
    use_process(fresh)
    yield
    fresh.stop(10)
    use_process(None)


@pytest.fixture(autouse=True)
def _commits_inside_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-django wraps a test in a transaction that is rolled back, in which nothing is ever
    committed. Here what waits for the commit is run when the code's own transaction ends."""
    leave, wait = transaction.Atomic.__exit__, BaseDatabaseWrapper.on_commit

    def run_waiting(connection: BaseDatabaseWrapper) -> None:
        blocks = connection.atomic_blocks
        if not blocks or not all(getattr(block, "_from_testcase", False) for block in blocks):
            return
        waiting: list[Any] = connection.run_on_commit
        connection.run_on_commit = []
        for _, act, is_robust in waiting:
            try:
                act()
            except Exception:
                if not is_robust:
                    raise

    def exit_(self: Any, *args: Any) -> None:
        leave(self, *args)
        if args[0] is None:
            run_waiting(transaction.get_connection(self.using))

    def on_commit(self: BaseDatabaseWrapper, func: Callable, robust: bool = False) -> None:
        wait(self, func, robust)
        run_waiting(self)

    monkeypatch.setattr(transaction.Atomic, "__exit__", exit_)
    monkeypatch.setattr(BaseDatabaseWrapper, "on_commit", on_commit)


@pytest.fixture
def engine() -> FakeEngine:
    """A fake engine in place of the process's own."""
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
    """The folder of evaluation photos; mark the test `data`. Skips where it is not there."""
    folder = Path(os.environ.get("FACEREC_DATA", _DATA))
    if not folder.is_dir():
        pytest.skip(f"no evaluation photos in {folder}: set FACEREC_DATA")
    return folder


@pytest.fixture
def actor() -> Actor:
    return Actor("user:tester")


@pytest.fixture
def access(db: None) -> Access:
    """An administrator's."""
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
    """For threads of a test: close what the thread opened."""
    return connections.close_all
