"""The device of networks: a GPU through TensorFlow, or a CPU through LiteRT."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_engine.config import Device
from ml_engine.runtime.litert import LiteRtNetwork
from ml_engine.runtime.network import ModelBuilder, Network
from ml_engine.runtime.threads import cpu_threads

# Each keeps networks and pictures in memory: at most about 60 MB.
_MAX_LANES = 4


@dataclass(frozen=True, slots=True)
class ResolvedDevice:
    """`kind` is what was chosen; `name` is for people. gpus: how many there are. half: whether
    they compute in float16."""

    kind: Literal["cpu", "gpu"]
    name: str
    threads: int
    gpus: int = 0
    half: bool = True

    @property
    def batches(self) -> tuple[int, ...]:
        """Sizes that suit an embedder. On a CPU a face costs the same in every batch."""
        return (1, 2, 4, 8) if self.kind == "cpu" else (1, 8, 32)

    @property
    def detection_lanes(self) -> int:
        """How many pictures are searched at a time. On a CPU a thread for each is worth more than
        many threads for one; a GPU takes them as batches."""
        return min(self.threads, _MAX_LANES) if self.kind == "cpu" else 1

    def network(
        self,
        build: ModelBuilder,
        *,
        name: str,
        weights_sha256: str,
        cache_dir: Path,
        batches: tuple[int, ...],
        is_free_size: bool = False,
        byte_weights: bool = False,
        lanes: int = 1,
    ) -> Network:
        """`is_free_size`: fully convolutional, for pictures of any height and width.
        `byte_weights`: keep them as bytes on a CPU. `lanes`: see `LiteRtNetwork`."""
        if self.kind == "gpu":
            from ml_engine.runtime.tensorflow import TensorFlowNetwork

            devices = tuple(f"/GPU:{number}" for number in range(self.gpus))
            jit = not is_free_size
            return TensorFlowNetwork(
                build, batches=batches, devices=devices, jit=jit, half=self.half
            )
        return LiteRtNetwork(
            build,
            name=name,
            weights_sha256=weights_sha256,
            cache_dir=cache_dir,
            batches=batches,
            threads=self.threads,
            is_free_size=is_free_size,
            byte_weights=byte_weights,
            lanes=lanes,
        )


def resolve_device(wanted: Device, threads: int = 0, *, half: bool = True) -> ResolvedDevice:
    """Choose a device. "gpu" without one that TensorFlow sees is an error, never a silent CPU.

    TensorFlow takes seconds to import, so "auto" asks it only if a driver is installed.
    """
    count = cpu_threads(threads)
    cpu = ResolvedDevice("cpu", f"cpu, {count} threads", count)
    if wanted == "cpu" or (wanted == "auto" and shutil.which("nvidia-smi") is None):
        return cpu
    from ml_engine.runtime.tensorflow import gpu_names

    names = gpu_names()
    if names:
        name = names[0] if len(names) == 1 else f"{len(names)} x {names[0]}"
        return ResolvedDevice("gpu", name, count, len(names), half)
    if wanted == "gpu":
        raise RuntimeError("TensorFlow sees no GPU: install requirements/gpu.txt and a driver.")
    return cpu
