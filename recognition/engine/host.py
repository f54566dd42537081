"""Building, handing out and closing the engine of this process.

TensorFlow takes seconds to import and networks seconds to warm up, so the engine is built in a
thread of its own while the site already answers.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from django.conf import settings
from django.utils.module_loading import import_string

from ml_engine import EngineConfig, EngineError, load_engine
from ml_engine.images import decode_image, encode_jpeg
from recognition.web.errors import ServiceError
from recognition.web.process import Part, process

if TYPE_CHECKING:
    from ml_engine.engine import Engine
    from ml_engine.executor import Stats

logger = logging.getLogger(__name__)

State = Literal["off", "warming_up", "ready", "failed"]
# Converting the networks for the first time takes longest.
_LONGEST_BUILD_S = 300.0
# What failed may have been put right meanwhile (weights were fetched): a later call tries again.
_RETRY_AFTER_S = 15.0


def engine_config() -> EngineConfig:
    """The engine's configuration after the site's settings."""
    find_card = import_string(settings.ENGINE_FIND_CARD)
    return EngineConfig(weights_dir=settings.WEIGHTS_DIR, find_card=find_card, **settings.ENGINE)


class EngineHost(Part):
    """The engine and its state; one condition guards all of it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state: State = "off"
        self._message = ""
        self._engine: Engine | None = None
        # One that was put in by `use` is its owner's to close.
        self._is_own = False
        self._failed_at = 0.0
        # Counts starts and stops, so that a thread that builds knows when nobody waits any more.
        self._generation = 0

    def describe(self) -> dict[str, Any]:
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
                # Nobody started it in the background: a command or a test, which wants to wait.
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
        """Finish what runs in the engine, refuse what waits for it."""
        self.use(None)
        return True

    def use(self, engine: Engine | None) -> None:
        """Put `engine` in place of the one there. One that was built here is closed."""
        with self._changed:
            before = self._engine if self._is_own else None
            self._engine, self._is_own = engine, False
            self._generation += 1
            self._set("off" if engine is None else "ready", "")
        if before is not None:
            before.close()

    def _build(self, generation: int) -> None:
        try:
            engine = load_engine(engine_config())
            engine.warm_up()
            # The first picture of a process takes a tenth of a second more than all others.
            decode_image(encode_jpeg(np.zeros((64, 64, 3), np.uint8)))
        except Exception as error:  # whatever it was, the site goes on and says it
            logger.exception("the engine did not start")
            self._fail(generation, error)
            return
        with self._changed:
            if generation == self._generation:
                self._engine, self._is_own = engine, True
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


def engine_state() -> dict[str, Any]:
    """`state`: off, warming_up, ready or failed; `message` and `device`, for people."""
    return _host().describe()


def engine_stats() -> Stats:
    """The counters of the engine's queues (see `Engine.stats`); empty where there is none."""
    return _host().stats()


def start_engine() -> None:
    """Begin to build the engine in the background, unless it is there or being built."""
    _host().start()


def get_engine(*, wait_s: float = 0) -> Engine:
    """The engine, once it is ready.

    ServiceError 503 where it is not after `wait_s`: `engine_warming_up`, or `engine_failed`. Where
    nobody started it, it is started and waited for.
    """
    return _host().get(wait_s)


def stop_engine() -> None:
    """Finish what runs, refuse what waits."""
    _host().stop()


def use_engine(engine: Engine | None) -> None:
    """Put an engine in place of the process's own (tests); None: none."""
    _host().use(engine)
