"""Which embedders an executor keeps in memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ml_engine import executor
from ml_engine.config import EngineConfig
from ml_engine.engine import FaceEngine
from ml_engine.executor import LocalExecutor
from ml_engine.zoo import EmbedderCard, embedder_card

DEFAULT = embedder_card("mobilefacenet")
# The default and another preset.
FUSION = embedder_card("fusion")


class _Embedder:
    dimension = 4


Make = Callable[..., LocalExecutor]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """An executor of networks that weigh nothing."""

    def load(card: EmbedderCard, weights: object, device: object, part: Any) -> Any:
        loaded = _Embedder()
        loaded.parts = [part(each) for each, _ in card.parts]  # type: ignore[attr-defined]
        return loaded

    monkeypatch.setattr(executor, "load_embedder", load)
    monkeypatch.setattr(executor, "load_detector", lambda *given: SimpleNamespace())
    made: list[LocalExecutor] = []

    def make(in_use: Any = tuple) -> LocalExecutor:
        made.append(LocalExecutor(EngineConfig(models_in_use=in_use, threads=1)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _card(name: str) -> EmbedderCard:
    return EmbedderCard(name, name * 12, 4, size=32)


def _kept(local: LocalExecutor) -> set[str]:
    return {version.partition("@")[0] for version in local._embedders}


def test_embedders_that_nothing_uses_leave_the_memory(make: Make) -> None:
    local = make()
    local.load(DEFAULT)
    local.load(_card("a"))
    forgotten = weakref.ref(local._embedders[_card("a").version])
    for name in "bcde":
        local.load(_card(name))
    # Besides the new one, the last two.
    assert _kept(local) == {"mobilefacenet", "c", "d", "e"}
    gc.collect()
    assert forgotten() is None
    local.load(_card("a"))
    assert "a" in _kept(local)


def test_embedder_that_was_used_lately_stays(make: Make) -> None:
    local = make()
    for name in "ab":
        local.load(_card(name))
    for name in "cdef":
        local.load(_card("a"))
        local.load(_card(name))
    assert "a" in _kept(local)


def test_embedders_in_use_stay_with_their_parts(make: Make) -> None:
    local = make(lambda: {FUSION.version, _card("a").version})
    local.load(_card("a"))
    local.load(FUSION)
    for name in "bcdefg":
        local.load(_card(name))
    parts = {part.name for part, _ in FUSION.parts}
    assert _kept(local) == {"a", "fusion", *parts, "e", "f", "g"}


def test_nothing_is_forgotten_while_it_is_not_known_what_is_in_use(make: Make) -> None:
    local = make(lambda: None)
    for name in "abcdef":
        local.load(_card(name))
    assert _kept(local) == set("abcdef")


def test_cards_of_an_engine_are_bounded(make: Make) -> None:
    config = EngineConfig(find_card=lambda version: _card(version.partition("@")[0]))
    engine = FaceEngine(make(), config)
    for number in range(200):
        card = engine.embedder(_card(f"m{number}").version)
        engine._aligner(card)
    assert len(engine._cards) <= 64
    assert len(engine._aligners) <= 64
