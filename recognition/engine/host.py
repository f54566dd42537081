"""Builds, returns and closes the engine of this process.

TensorFlow takes seconds to import and networks take seconds to warm up, so a thread of its own
builds the engine while the site already answers.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np
from django.conf import settings
from django.utils.module_loading import import_string

from ml_engine import EngineConfig, EngineError, load_engine
from ml_engine.images import decode_image, encode_jpeg
from recognition.engine.observed import observed
from recognition.web.errors import ServiceError
from recognition.web.process import Part, process

if TYPE_CHECKING:
    from ml_engine.engine import Engine
    from ml_engine.executor import Stats

logger = logging.getLogger(__name__)

State = Literal["off", "warming_up", "ready", "failed"]
# The first conversion of the networks takes longest.
_LONGEST_BUILD_S = 300.0
# The cause of a failure may be gone (weights were fetched): a later call tries again.
_RETRY_AFTER_S = 15.0


class EngineState(TypedDict):
    """message, device: text for people."""

    state: State
    message: str
    device: str


def engine_config() -> EngineConfig:
    """The engine's configuration from the site's settings."""
    return EngineConfig(
        weights_dir=settings.WEIGHTS_DIR,
        find_card=import_string(settings.ENGINE_FIND_CARD),
        models_in_use=import_string(settings.ENGINE_MODELS_IN_USE),
        **settings.ENGINE,
    )


class EngineHost(Part):
    """The engine and its state; one condition variable guards both."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state: State = "off"
        self._message = ""
        self._engine: Engine | None = None
        # False for an engine that `use` was given: its owner closes it.
        self._is_own = False
        self._failed_at = 0.0
        # Counts starts and stops, so that a building thread sees that its engine is no longer
        # wanted.
        self._generation = 0

    def describe(self) -> EngineState:
        with self._changed:
            device = self._engine.device if self._engine else ""
            return {"state": self._state, "message": self._message, "device": device}

    def stats(self) -> Stats:
        with self._changed:
            engine = self._engine
        return engine.stats() if engine else {}

    def start(self) -> None:
        with self._changed:
            if self._state in ("warming_up", "ready"):
                return
            self._generation += 1
            self._set("warming_up", "The engine is warming up.")
            generation = self._generation
        threading.Thread(
            target=self._build, args=(generation,), name="engine-start", daemon=True
        ).start()

    def get(self, wait_s: float) -> Engine:
        with self._changed:
            if self._engine is not None:
                return self._engine
            if self._state == "off":
                # Nothing started the engine in the background: a command or a test, which wants to
                # wait.
                wait_s = max(wait_s, _LONGEST_BUILD_S)
            is_old = time.monotonic() - self._failed_at > _RETRY_AFTER_S
            if self._state == "off" or (self._state == "failed" and is_old):
                self.start()
            self._changed.wait_for(lambda: self._state != "warming_up", timeout=wait_s)
            if self._engine is not None:
                return self._engine
            if self._state == "failed":
                raise ServiceError("engine_failed", self._message, status=503, retry_after=15)
        message = "The engine is warming up. Try again in a few seconds."
        raise ServiceError("engine_warming_up", message, status=503, retry_after=2)

    def stop(self, timeout_s: float = 0.0) -> bool:
        """Finish running work of the engine, and refuse waiting calls."""
        self.use(None)
        return True

    def use(self, engine: Engine | None) -> None:
        """Replace the engine by `engine`. An engine that was built here is closed."""
        with self._changed:
            before = self._engine if self._is_own else None
            self._engine = None if engine is None else observed(engine)
            self._is_own = False
            self._generation += 1
            self._set("off" if engine is None else "ready", "")
        if before is not None:
            before.close()

    def _build(self, generation: int) -> None:
        try:
            engine = load_engine(engine_config())
            engine.warm_up()
            # The first picture of a process takes a tenth of a second longer than all others.
            decode_image(encode_jpeg(np.zeros((64, 64, 3), np.uint8)))
        except Exception as error:  # the site continues after any error and reports it
            logger.exception("the engine did not start")
            self._fail(generation, error)
            return
        with self._changed:
            if generation == self._generation:
                self._engine, self._is_own = observed(engine), True
                self._set("ready", "")
                logger.info("the engine is ready on %s", engine.device)
                return
        engine.close()

    def _fail(self, generation: int, error: Exception) -> None:
        told = error.message if isinstance(error, EngineError) else "see the server's log"
        with self._changed:
            if generation == self._generation:
                self._failed_at = time.monotonic()
                self._set("failed", f"The engine did not start: {told}")

    def _set(self, state: State, message: str) -> None:
        self._state, self._message = state, message
        self._changed.notify_all()


def _host() -> EngineHost:
    return process().part(EngineHost)


def engine_state() -> EngineState:
    """`state`: off, warming_up, ready or failed; `message` and `device`, for people."""
    return _host().describe()


def engine_stats() -> Stats:
    """The counters of the engine's queues (see `Engine.stats`); empty if there is no engine."""
    return _host().stats()


def start_engine() -> None:
    """Start to build the engine in the background, unless it exists or is being built."""
    _host().start()


def get_engine(*, wait_s: float = 0) -> Engine:
    """The engine, once it is ready.

    ServiceError 503 if it is not ready after `wait_s`: `engine_warming_up`, or `engine_failed`. If
    nothing started the engine, this call starts it and waits.
    """
    return _host().get(wait_s)


def stop_engine() -> None:
    """Finish running work, and refuse waiting calls."""
    _host().stop()


def use_engine(engine: Engine | None) -> None:
    """Set the engine of this process (tests); None removes it."""
    _host().use(engine)
