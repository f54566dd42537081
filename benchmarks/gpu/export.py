"""Writes the engine's graphs for a GPU, their inputs, and what a CPU answers, to a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.detection import timed_pictures
from ml_engine.detection import load_detector
from ml_engine.detection.mtcnn import build_networks
from ml_engine.detection.mtcnn_graph import Cascade, laid_out
from ml_engine.detection.thresholds import Thresholds
from ml_engine.embedding import aligner_of, load_embedder
from ml_engine.evaluation.detection import load_wider
from ml_engine.images import decode_image
from ml_engine.request import Wanted
from ml_engine.runtime.device import resolve_device
from ml_engine.runtime.tensorflow import precision
from ml_engine.types import Image
from ml_engine.zoo import EmbedderCard, embedder_card, ensure
from ml_engine.zoo.cards import PresetNetwork

EMBEDDERS = ("mobilefacenet", "dlib_resnet")
CROPS = 32
EMBEDDER_BATCHES = (1, 8, 32)
# Width and height of the pictures, smallest face, batch.
LOOKS = (
    ((640, 480), 40, 1),
    ((640, 480), 40, 8),
    ((640, 480), 20, 1),
    ((1280, 800), 40, 1),
    ((1280, 800), 40, 4),
)
Arrays = Sequence[NDArray[Any] | np.float32]


def export(folder: Path, data: Path, weights: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pictures = timed_pictures(load_wider(data / "wider"))
    entries = [*_embedders(folder, data, weights), *_detectors(folder, pictures, weights)]
    (folder / "graphs.json").write_text(json.dumps(entries, indent=1))


def _embedders(folder: Path, data: Path, weights: Path) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = []
    for name in EMBEDDERS:
        card = embedder_card(name)
        crops = _crops(card, data, weights)
        device = resolve_device("cpu")
        vectors = load_embedder(card, weights, device, _no_part).embed_crops(list(crops))
        np.savez_compressed(folder / f"{name}.npz", crops=crops, expected=vectors)
        assert isinstance(card.source, PresetNetwork)
        for half in (False, True):
            with precision("mixed_float16" if half else "float32"):
                model = card.source.builder(weights)()
            values = [variable.numpy() for variable in model.variables]
            parameters = f"{name}-weights.npz"
            np.savez(folder / parameters, *values)
            for batch in EMBEDDER_BATCHES:
                graph = f"{name}-{'half' if half else 'single'}-{batch}.jax"
                shapes = [*values, crops[:batch]]
                (folder / graph).write_bytes(_portable(_embedding(model), shapes))
                entries.append(
                    {
                        "kind": "embed",
                        "name": name,
                        "half": half,
                        "batch": batch,
                        "graph": graph,
                        "weights": parameters,
                        "inputs": f"{name}.npz",
                    }
                )
    return entries


def _no_part(card: EmbedderCard) -> Any:
    raise AssertionError(card.name)  # only a fusion has parts


def _embedding(model: Any) -> Callable[..., Any]:
    """The network with its weights as arguments, so that they travel once and not per batch."""
    count = len(model.trainable_variables)

    def call(*arguments: Any) -> Any:
        import tensorflow as tf

        *values, crops = arguments
        pixels = tf.cast(crops, tf.float32)
        outputs, _ = model.stateless_call(values[:count], values[count:], pixels, training=False)
        return tf.cast(outputs, tf.float32)

    return call


def _detectors(folder: Path, pictures: Sequence[Image], weights: Path) -> list[dict[str, object]]:
    on_cpu = load_detector("mtcnn", weights, resolve_device("cpu"))
    models = build_networks(ensure("mtcnn", weights))
    limits = Thresholds()
    entries = []
    for (width, height), smallest, batch in LOOKS:
        scaled = [_scaled(picture, width, height) for picture in pictures[:batch]]
        pixels, sizes = laid_out(scaled, (width, height))
        wanted = np.float32(limits.score)
        least = np.float32(limits.least_first_look(limits.score))
        cascade = Cascade(models, width, height, smallest, limits)
        name = f"mtcnn-{width}x{height}-{smallest}-{batch}"
        inputs: Arrays = [pixels, sizes, wanted, least]
        (folder / f"{name}.jax").write_bytes(_portable(cascade.run, inputs))
        faces = on_cpu.detect(scaled, Wanted(min_face_px=smallest))
        expected: dict[str, Any] = {
            f"expected{row}": np.array([face.box for face in found], np.float32).reshape(-1, 4)
            for row, found in enumerate(faces)
        }
        np.savez_compressed(
            folder / f"{name}.npz", pixels=pixels, sizes=sizes, wanted=wanted, least=least,
            **expected,
        )  # fmt: skip
        entries.append(
            {
                "kind": "find",
                "name": f"{width}x{height}, smallest face {smallest}",
                "batch": batch,
                "graph": f"{name}.jax",
                "inputs": f"{name}.npz",
            }
        )
    return entries


def _portable(function: Callable[..., Any], arguments: Arrays) -> bytes:
    """A TensorFlow function as a program of JAX for any device."""
    import jax
    import tensorflow as tf
    from jax import export as jax_export
    from jax.experimental import jax2tf

    traced = tf.function(function, autograph=False, jit_compile=True)
    called = jax.jit(jax2tf.call_tf(traced, has_side_effects=False))
    shapes = [jax.ShapeDtypeStruct(np.shape(a), np.asarray(a).dtype) for a in arguments]
    # TensorFlow without CUDA traces for a CPU only; the operations are the same.
    portable = jax_export.export(
        called, platforms=["cpu"], disabled_checks=[jax_export.DisabledSafetyCheck.platform()]
    )
    return bytes(portable(*shapes).serialize())


def _scaled(picture: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(picture, (width, height)), np.uint8)


def _crops(card: EmbedderCard, data: Path, weights: Path) -> NDArray[np.uint8]:
    """Faces of LFW, cut out as the engine does it."""
    detector = load_detector("mtcnn", weights, resolve_device("cpu"))
    aligner = aligner_of(card)
    crops = []
    for path in sorted((data / "lfw").rglob("*.jpg")):
        picture = decode_image(path.read_bytes())
        if faces := detector.detect([picture])[0]:
            crops += aligner.crops(picture, faces[0].landmarks[None], faces[0].box[None])
        if len(crops) == CROPS:
            break
    return np.stack(crops)
