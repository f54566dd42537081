"""The engine of a process, with the times of each call counted by stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ml_engine.request import EVERY_FACE, ORDINARY, Ask, Timings, Wanted
from ml_engine.types import Face, Image
from recognition.web.metrics import observe_stages

if TYPE_CHECKING:
    from ml_engine.engine import Engine


def observed(engine: Engine) -> Engine:
    """The same engine; calls that succeed are counted in `facerec_stage_seconds`."""
    return cast("Engine", ObservedEngine(engine))


class ObservedEngine:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def find(
        self, images: Sequence[Image], wanted: Wanted = EVERY_FACE, ask: Ask = ORDINARY
    ) -> list[list[Face]]:
        with _timed(ask) as timed:
            return self.engine.find(images, wanted, timed)

    def embed(
        self,
        image: Image,
        faces: Sequence[Face],
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[Face]:
        with _timed(ask) as timed:
            return self.engine.embed(image, faces, timed, embedder=embedder, flip=flip)

    def analyze(
        self,
        images: Sequence[Image],
        wanted: Wanted = EVERY_FACE,
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[list[Face]]:
        with _timed(ask) as timed:
            return self.engine.analyze(images, wanted, timed, embedder=embedder, flip=flip)


@contextmanager
def _timed(ask: Ask) -> Iterator[Ask]:
    """The same ask with timings of its own, because those of `ask` may be of several calls."""
    own: Timings = {}
    yield replace(ask, timings=own)
    observe_stages(own)
    if ask.timings is not None:
        for stage, ms in own.items():
            ask.timings[stage] = ask.timings.get(stage, 0.0) + ms
