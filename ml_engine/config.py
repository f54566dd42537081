"""The one configuration object of the engine. The engine reads no environment and no settings."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ml_engine.zoo import EmbedderCard

Device = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Args:

    weights_dir: folder of the fetched weights and of the networks converted from them.
    detector, embedder: names of presets in `ml_engine.zoo`; other embedders load on first use.
    device: "auto" takes a GPU if TensorFlow sees one.
    half_precision: let GPUs compute in float16; weights and results stay float32.
    threads: CPU threads of the engine in all; 0 is every core.
    min_face_px: smallest face looked for unless a call says otherwise.
    max_batch, max_wait_ms, max_queue: dynamic batching; see `ml_engine.runtime.batcher`.
    find_card: gives the card of an embedder that is not in the zoo, by its version `name@hash`;
        None if there is none. It is asked once for each version.
    models_in_use: gives the versions of the embedders that must stay loaded beside `embedder`; None
        if that is not known now. Of all others, the last two used are kept in memory.
    """

    weights_dir: Path = Path.home() / ".cache" / "facerec" / "weights"
    detector: str = "mtcnn"
    embedder: str = "mobilefacenet"
    device: Device = "auto"
    half_precision: bool = True
    threads: int = 0
    min_face_px: int = 40
    max_batch: int = 8
    max_wait_ms: float = 2.0
    max_queue: int = 64
    find_card: Callable[[str], EmbedderCard | None] | None = None
    models_in_use: Callable[[], Collection[str] | None] = tuple
