"""The engine of the process: starts in the background, is awaited, fails, tries again, stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ml_engine import WeightsUnavailable
from recognition.engine import (
    engine_config,
    engine_state,
    get_engine,
    host,
    start_engine,
    stop_engine,
    use_engine,
)
from recognition.web.errors import ServiceError
from tests.fakes import FakeEngine

Build = Callable[[Any], FakeEngine]


class _Factory:
    """Replaces `load_engine`: builds when the test allows it, or fails."""

    def __init__(self) -> None:
        self.may_build = threading.Event()
        self.built: list[FakeEngine] = []
        self.error: Exception | None = None
        self.calls = 0

    def __call__(self, config: Any) -> FakeEngine:
        self.calls += 1
        self.may_build.wait(10)
        if self.error is not None:
            raise self.error
        self.built.append(FakeEngine())
        return self.built[-1]


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Factory]:
    made = _Factory()
    monkeypatch.setattr(host, "load_engine", made)
    yield made
    made.may_build.set()
    stop_engine()


def _code_of(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ServiceError) as refused:
        call()
    return refused.value.code, refused.value.status


def _built(engine: Any) -> FakeEngine:
    """The engine without its counters."""
    return engine.engine


def test_engine_warms_up_in_the_background(factory: _Factory) -> None:
    assert engine_state()["state"] == "off"
    start_engine()
    start_engine()
    assert engine_state()["state"] == "warming_up"
    assert _code_of(get_engine) == ("engine_warming_up", 503)
    factory.may_build.set()
    assert _built(get_engine(wait_s=10)) is factory.built[0]
    assert engine_state() == {"state": "ready", "message": "", "device": "fake"}
    assert factory.calls == 1


def test_first_call_starts_the_engine_and_waits(factory: _Factory) -> None:
    factory.may_build.set()
    assert _built(get_engine()) is factory.built[0]


def test_engine_failure_is_reported_and_a_later_start_succeeds(
    factory: _Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory.error = WeightsUnavailable("MobileFaceNet.tflite is missing: run `make weights`.")
    factory.may_build.set()
    assert _code_of(lambda: get_engine(wait_s=10)) == ("engine_failed", 503)
    assert engine_state()["state"] == "failed"
    assert "make weights" in engine_state()["message"]
    factory.error = None
    assert _code_of(get_engine) == ("engine_failed", 503)
    start_engine()
    assert _built(get_engine(wait_s=10)) is factory.built[0]


def test_call_retries_a_failed_engine_after_a_while(
    factory: _Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory.error = RuntimeError("secret path /home/x")
    factory.may_build.set()
    _code_of(lambda: get_engine(wait_s=10))
    assert "secret" not in engine_state()["message"], "details are for the log"
    factory.error = None
    monkeypatch.setattr(host, "_RETRY_AFTER_S", -1.0)
    assert _built(get_engine(wait_s=10)) is factory.built[0]


def test_stopping_the_engine_closes_it(factory: _Factory) -> None:
    factory.may_build.set()
    engine = get_engine()
    stop_engine()
    assert engine.is_closed  # type: ignore[attr-defined]
    assert engine_state()["state"] == "off"
    assert _built(get_engine()) is factory.built[1]


def test_engine_built_after_a_stop_is_closed(factory: _Factory) -> None:
    start_engine()
    stop_engine()
    use_engine(FakeEngine())
    before = get_engine()
    factory.may_build.set()
    for thread in threading.enumerate():
        if thread.name == "engine-start":
            thread.join(10)
    assert factory.built[0].is_closed
    assert get_engine() is before


def test_engine_configuration_comes_from_the_settings(settings: Any) -> None:
    settings.ENGINE = {**settings.ENGINE, "threads": 3, "max_queue": 7, "detector": "yunet"}
    config = engine_config()
    assert (config.threads, config.max_queue, config.detector) == (3, 7, "yunet")
    assert config.weights_dir == settings.WEIGHTS_DIR
