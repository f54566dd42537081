"""The pipeline over an executor of the test: no network runs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ml_engine.align import TEMPLATE_112
from ml_engine.config import EngineConfig
from ml_engine.embedding import Crop
from ml_engine.engine import Engine, FaceEngine
from ml_engine.executor import Executor, LocalExecutor, Stats
from ml_engine.request import Ask, Timings, Wanted
from ml_engine.runtime.fair_queue import Ticket
from ml_engine.types import EngineClosed, Face, Float32, Image, ModelMismatch, ModelMissing
from ml_engine.zoo import EmbedderCard, embedder_card
from tests.fakes import FakeEngine

SIZES = (150, 120, 90)


class _Executor:
    """Finds faces of SIZES in every picture, and embeds a crop as its mean colour."""

    device = "test"
    detector = "squares@0"
    batches = (1, 2)

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.seen: list[tuple[tuple[int, ...], Wanted]] = []
        self.embedded: list[tuple[str, int, bool]] = []
        self.tickets: list[Ticket] = []
        self.is_closed = False

    def load(self, embedder: EmbedderCard) -> None:
        self.loaded.append(embedder.name)

    def detect(
        self, images: Sequence[Image], wanted: Wanted, *, ticket: Ticket, timings: Timings | None
    ) -> list[list[Face]]:
        self.seen += [(image.shape, wanted) for image in images]
        self.tickets.append(ticket)
        faces = [_face(size) for size in SIZES]
        return [faces[: wanted.max_faces] for _ in images]

    def embed(
        self,
        crops: Sequence[Crop],
        embedder: EmbedderCard,
        *,
        flip: bool,
        ticket: Ticket,
        timings: Timings | None,
    ) -> list[Float32]:
        self.embedded.append((embedder.name, len(crops), flip))
        self.tickets.append(ticket)
        return [np.full(3, crop.mean(), np.float32) for crop in crops]

    def stats(self) -> Stats:
        return {}

    def close(self) -> None:
        self.is_closed = True


def _face(size: float) -> Face:
    box = np.array([10, 10, 10 + size, 10 + size], np.float32)
    return Face(box, (TEMPLATE_112 * (size / 112) + 10).astype(np.float32), 0.99)


@pytest.fixture
def executor() -> _Executor:
    return _Executor()


@pytest.fixture
def engine(executor: _Executor) -> FaceEngine:
    return FaceEngine(executor, EngineConfig(min_face_px=33))


IMAGE: Image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)


def test_engine_loads_the_embedder_of_its_config_at_once(
    engine: FaceEngine, executor: _Executor
) -> None:
    assert executor.loaded == ["mobilefacenet"]
    assert (engine.device, engine.detector) == ("test", "squares@0")


def test_find_gives_faces_with_quality_and_asks_for_the_configs_smallest(
    engine: FaceEngine, executor: _Executor
) -> None:
    (faces,) = engine.find([IMAGE])
    assert [face.size_px for face in faces] == list(SIZES)
    assert all(face.quality and face.embedding is None for face in faces)
    assert executor.seen == [((200, 300, 3), Wanted(min_face_px=33))]
    assert executor.embedded == []


def test_find_in_a_region_sends_that_part_alone_and_moves_its_faces_back(
    engine: FaceEngine, executor: _Executor
) -> None:
    (faces,) = engine.find([IMAGE], Wanted(region=(100, 20, 1000, 1000), max_faces=1))
    assert executor.seen[0][0] == (180, 200, 3)
    assert faces[0].box.tolist() == [110, 30, 260, 180]
    assert faces[0].landmarks[0].tolist() == pytest.approx(
        [38.2946 * 150 / 112 + 110, 51.6963 * 150 / 112 + 30], abs=1e-3
    )


def test_find_under_a_maximum_looks_at_all_faces_first(engine: FaceEngine) -> None:
    (faces,) = engine.find([IMAGE], Wanted(max_face_px=130, max_faces=1))
    assert [face.size_px for face in faces] == [120]


def test_analyze_embeds_every_face_in_one_call_and_names_the_model(
    engine: FaceEngine, executor: _Executor
) -> None:
    first, second = engine.analyze([IMAGE, IMAGE], embedder="dlib_resnet", flip=True)
    assert executor.embedded == [("dlib_resnet", 2 * len(SIZES), True)]
    assert {face.model for face in first + second} == {embedder_card("dlib_resnet").version}
    assert all(face.quality for face in first)
    assert [face.embedding is not None for face in second] == [True] * len(SIZES)


def test_embed_keeps_the_quality_that_find_measured(engine: FaceEngine) -> None:
    (faces,) = engine.find([IMAGE])
    embedded = engine.embed(IMAGE, faces)
    assert [face.quality for face in embedded] == [face.quality for face in faces]


def test_embed_without_faces_asks_for_nothing(engine: FaceEngine, executor: _Executor) -> None:
    assert engine.embed(IMAGE, []) == []
    assert executor.embedded == []


def test_one_deadline_spans_detection_and_embedding(
    engine: FaceEngine, executor: _Executor
) -> None:
    engine.analyze([IMAGE], ask=Ask("bulk", "me", deadline_s=5.0))
    detected, embedded = executor.tickets
    assert detected == embedded
    assert (detected.priority, detected.caller) == ("bulk", "me")


def test_timings_of_an_ask_receive_the_alignment(engine: FaceEngine) -> None:
    timings: Timings = {"align": 1.0}
    engine.analyze([IMAGE], ask=Ask(timings=timings))
    assert timings["align"] > 1.0


def test_embedder_of_an_unknown_version_is_refused(engine: FaceEngine, executor: _Executor) -> None:
    card = embedder_card("mobilefacenet")
    assert engine.embedder(card.version) == card
    with pytest.raises(ModelMissing) as missing:
        engine.analyze([IMAGE], embedder="mobilefacenet@000000000000")
    assert missing.value.available == card.version
    assert executor.seen == [], "it is refused before detection"
    with pytest.raises(ModelMissing, match="no model other"):
        engine.embedder("other")


def test_card_of_another_version_than_the_one_asked_for_is_refused(executor: _Executor) -> None:
    card = EmbedderCard("mine", "a" * 64, dimension=3, size=112)
    engine = FaceEngine(executor, EngineConfig(find_card=lambda version: card))
    assert engine.embedder(card.version) == card
    with pytest.raises(ModelMismatch, match="is of mine@aaaaaaaaaaaa"):
        engine.embedder("mine@bbbbbbbbbbbb")
    with pytest.raises(ModelMissing):
        engine.embedder("mine")
    assert executor.loaded == ["mobilefacenet", "mine"]


def test_warm_up_embeds_every_size_of_batch(engine: FaceEngine, executor: _Executor) -> None:
    engine.warm_up()
    assert executor.embedded == [("mobilefacenet", 1, False), ("mobilefacenet", 2, False)]


def test_closed_engine_refuses_every_call(engine: FaceEngine, executor: _Executor) -> None:
    engine.close()
    assert executor.is_closed
    with pytest.raises(EngineClosed):
        engine.find([IMAGE])


def test_every_engine_and_executor_keeps_its_contract(tmp_path: Path) -> None:
    # mypy holds the types to these; the loop also holds the names of parameters and defaults.
    executor: Executor = _Executor()
    engines: list[Engine] = [FaceEngine(executor, EngineConfig()), FakeEngine()]
    pairs = [(Engine, type(engine)) for engine in engines]
    for contract, kept_by in [*pairs, (Executor, LocalExecutor), (Executor, _Executor)]:
        for name, method in inspect.getmembers(contract, inspect.isfunction):
            if not name.startswith("_"):
                kept = inspect.signature(getattr(kept_by, name))
                assert kept == inspect.signature(method), (kept_by, name)
