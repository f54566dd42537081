"""Executors run networks: pictures to faces, crops to vectors.

`LocalExecutor` runs them in this process: owner threads, some for detection and one for embedding,
in which calls of all threads become batches.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from ml_engine.config import EngineConfig
from ml_engine.detection import load_detector
from ml_engine.embedding import Crop, Embedder, load_embedder
from ml_engine.request import Timings, Wanted
from ml_engine.runtime.batcher import DynamicBatcher, QueueStats
from ml_engine.runtime.device import resolve_device
from ml_engine.runtime.fair_queue import Ticket
from ml_engine.runtime.threads import set_threads
from ml_engine.types import Face, Float32, Image
from ml_engine.zoo import EmbedderCard, preset

Stats = dict[str, QueueStats]


class Executor(Protocol):
    """Thread-safe. Calls may raise EngineBusy, DeadlineExceeded and EngineClosed."""

    @property
    def device(self) -> str:
        """Name of the device that networks run on, for people."""

    @property
    def detector(self) -> str:
        """Version of the detector, `name@hash`."""

    @property
    def batches(self) -> tuple[int, ...]:
        """Numbers of crops in a call that are worth warming up."""

    def load(self, embedder: EmbedderCard) -> None:
        """Make an embedder ready; nothing if it is. WeightsUnavailable if its file is missing."""

    def detect(
        self, images: Sequence[Image], wanted: Wanted, *, ticket: Ticket, timings: Timings | None
    ) -> list[list[Face]]:
        """Faces of each image, largest first, with box, landmarks and score.

        wanted: from `Wanted.for_detector`. timings: receives `queue` and `detect`.
        """

    def embed(
        self,
        crops: Sequence[Crop],
        embedder: EmbedderCard,
        *,
        flip: bool,
        ticket: Ticket,
        timings: Timings | None,
    ) -> list[Float32]:
        """A vector (d,) of length 1 for each crop; `flip` averages it with that of the mirrored
        crop. timings: receives `queue` and `embed`."""

    def stats(self) -> Stats:
        """Counters of each queue."""

    def close(self) -> None:
        """Refuse new calls and waiting ones; finish the batches that run."""


# Embedders that are kept in memory beside those in use: of an evaluation, or a comparison.
_SPARE = 2


class LocalExecutor:
    """See `Executor`. Building it loads the config's detector; embedders load on first use, and
    those that were not used for longest leave the memory (see `EngineConfig.models_in_use`).

    Args:
        in_flight: the number of calls that may still come to a queue; no batch waits for more
            company than that. None if it is unknown.
    """

    def __init__(self, config: EngineConfig, in_flight: Callable[[], int] | None = None) -> None:
        self._config = config
        self._device = resolve_device(config.device, config.threads, half=config.half_precision)
        set_threads(self._device.threads)
        self._embedders: dict[str, Embedder] = {}  # by version
        self._cards: dict[str, EmbedderCard] = {}  # of those
        self._uses = itertools.count()
        self._last_use: dict[str, int] = {}
        self._loading = threading.RLock()  # entered again by an embedder made of others
        self._detector = load_detector(config.detector, config.weights_dir, self._device)
        self._detect = DynamicBatcher[Image, list[Face]](
            lambda images, wanted: self._detector.detect(images, cast("Wanted", wanted)),
            name="detect",
            max_batch=config.max_batch,
            max_wait_ms=config.max_wait_ms,
            max_queue=config.max_queue,
            in_flight=in_flight,
            size_of=lambda image: image.shape[0] * image.shape[1],
            lanes=self._device.detection_lanes,
        )
        self._embed = DynamicBatcher[Crop, Float32](
            self._embed_batch,
            name="embed",
            max_batch=4 * config.max_batch,
            max_wait_ms=config.max_wait_ms,
            # Longer: a call that detection accepted is not to be refused half way.
            max_queue=2 * (config.max_queue + config.max_batch),
            in_flight=in_flight,
        )

    @property
    def device(self) -> str:
        return self._device.name

    @property
    def detector(self) -> str:
        return preset(self._config.detector).version

    @property
    def batches(self) -> tuple[int, ...]:
        return self._device.batches

    def load(self, embedder: EmbedderCard) -> None:
        self._embedder(embedder)

    def detect(
        self, images: Sequence[Image], wanted: Wanted, *, ticket: Ticket, timings: Timings | None
    ) -> list[list[Face]]:
        """In calls of at most a batch, so that a large one lets others through."""
        step = self._config.max_batch
        found: list[list[Face]] = []
        for start in range(0, len(images), step):
            part = images[start : start + step]
            found += self._detect.call(part, key=wanted, ticket=ticket, timings=timings)
        return found

    def embed(
        self,
        crops: Sequence[Crop],
        embedder: EmbedderCard,
        *,
        flip: bool,
        ticket: Ticket,
        timings: Timings | None,
    ) -> list[Float32]:
        # Loaded in the caller's thread: others go on meanwhile.
        key = (self._embedder(embedder), flip)
        return self._embed.call(crops, key=key, ticket=ticket, timings=timings)

    def stats(self) -> Stats:
        return {"detect": self._detect.snapshot(), "embed": self._embed.snapshot()}

    def close(self) -> None:
        self._detect.close()
        self._embed.close()

    def _embedder(self, card: EmbedderCard) -> Embedder:
        found = self._embedders.get(card.version) or self._loaded(card)
        self._last_use[card.version] = next(self._uses)
        return found

    def _loaded(self, card: EmbedderCard) -> Embedder:
        with self._loading:
            found = self._embedders.get(card.version)
            if found is None:
                found = load_embedder(card, self._config.weights_dir, self._device, self._embedder)
                self._embedders[card.version], self._cards[card.version] = found, card
                self._forget_spare(card)
            return found

    def _forget_spare(self, new: EmbedderCard) -> None:
        """Calls that use an embedder at this moment keep it until they end."""
        if len(self._embedders) <= 1 + _SPARE:
            return
        in_use = self._config.models_in_use()
        if in_use is None:
            return
        kept = {new.version, preset(self._config.embedder).version, *in_use}
        kept |= {
            part.version
            for version in kept & self._cards.keys()
            for part, _ in self._cards[version].parts
        }
        spare = self._embedders.keys() - kept
        others = sorted(spare, key=lambda version: self._last_use.get(version, 0))
        for version in others[: max(0, len(others) - _SPARE)]:
            del self._embedders[version], self._cards[version]
            self._last_use.pop(version, None)

    def _embed_batch(self, crops: list[Crop], key: object) -> list[Float32]:
        embedder, flip = cast("tuple[Embedder, bool]", key)
        vectors = embedder.embed_crops(crops, flip=flip)
        # Copies: a row would keep its whole batch in memory as long as it lives.
        return [vector.copy() for vector in vectors]
