"""Cards: everything that an engine must know of an embedder to run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ml_engine.align import Alignment
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Network
from ml_engine.types import ModelMissing
from ml_engine.zoo.fetch import ensure
from ml_engine.zoo.presets import PRESETS, Preset, version_of


class NetworkSource(Protocol):
    """Where a network comes from."""

    def network(self, card: EmbedderCard, weights_dir: Path, device: ResolvedDevice) -> Network:
        """The network, ready to run. WeightsUnavailable if its file is missing or another one;
        ModelUnusable if it does not fit the card."""


@dataclass(frozen=True, slots=True)
class PresetNetwork:
    """module: one of `ml_engine.networks`, with `build(path)`. artefact: its one file."""

    module: str
    artefact: str

    def network(self, card: EmbedderCard, weights_dir: Path, device: ResolvedDevice) -> Network:
        return device.network(
            self.builder(weights_dir),
            name=card.name,
            weights_sha256=card.sha256,
            cache_dir=weights_dir / "converted",
            batches=device.batches,
        )

    def builder(self, weights_dir: Path) -> Callable[[], Any]:
        (weights,) = ensure(self.artefact, weights_dir).values()

        def build() -> Any:
            module: Any = import_module(self.module)
            return module.build(weights)

        return build


@dataclass(frozen=True, slots=True)
class EmbedderCard:
    """An embedder.

    name, sha256: its identity; see `version`.
    dimension: of its vectors.
    size: side of its crops in pixels.
    alignment: how faces are cut out for it.
    source: its network.
    margin: of the alignment "box"; see `ml_engine.align.cut_boxes`.
    parts: the embedders that it is made of, with their weights; it has no network of its own then.
    """

    name: str
    sha256: str
    dimension: int
    size: int = 0
    alignment: Alignment = "arcface"
    source: NetworkSource | None = None
    parts: tuple[tuple[EmbedderCard, float], ...] = ()
    margin: float = 0.0

    @property
    def version(self) -> str:
        """`name@hash`."""
        return version_of(self.name, self.sha256)


def embedder_card(model: str) -> EmbedderCard:
    """The card of a preset, by its name or its version `name@hash`.

    Raises:
        ModelMissing: no embedder of the zoo has this name or this version.
    """
    name = model.partition("@")[0]
    found = PRESETS.get(name)
    if found is None or found.role != "embedder":
        raise ModelMissing(model)
    if model not in (found.name, found.version):
        raise ModelMissing(model, available=found.version)
    return _card(found)


def _card(preset: Preset) -> EmbedderCard:
    has_parts = bool(preset.parts)
    return EmbedderCard(
        name=preset.name,
        sha256=preset.sha256,
        dimension=preset.dimension or 0,
        size=preset.size,
        alignment=preset.alignment,
        source=None if has_parts else PresetNetwork(preset.network, preset.artefact),
        parts=tuple((_card(PRESETS[part]), weight) for part, weight in preset.parts),
    )
