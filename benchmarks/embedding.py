"""Face embedding: our networks against the originals of their weights.

dlib's ResNet is compared with `dlib-bin` and the same file, MobileFaceNet with the published LiteRT
file, run unchanged. Both take turns with ours in one run. The floor is the time that the
multiplications alone would take at this machine's speed of matrix products.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.document import table
from benchmarks.peers import Process, peer_python
from ml_engine import EngineConfig, load_engine
from ml_engine.embedding import aligner_of
from ml_engine.embedding.network import load_network_embedder
from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image
from ml_engine.request import Wanted
from ml_engine.runtime.device import resolve_device
from ml_engine.zoo import embedder_card, ensure, fetch

SCRIPTS = Path(__file__).parent / "peer_scripts"
ROUNDS = 25
BATCHES = (1, 8)


def benchmark(weights: Path, data: Path, rounds: int = ROUNDS) -> str:
    """The block as Markdown."""
    engine = load_engine(EngineConfig(weights_dir=weights, device="cpu"))
    threads = len(os.sched_getaffinity(0))
    dlib_file = ensure("dlib_resnet", weights)["dlib_face_recognition_resnet_model_v1.dat"]
    published = ensure("mobilefacenet", weights)["MobileFaceNet.tflite"]
    crops = {name: _crops(engine, name) for name in ("dlib_resnet", "mobilefacenet")}
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "crops.npz", crops=crops["dlib_resnet"])
    dlib = Process(peer_python("dlib"), SCRIPTS / "dlib_embed.py", dlib_file, folder / "crops.npz")
    litert = SCRIPTS / "litert_embed.py"
    as_published = Process(sys.executable, litert, published, "2", str(threads))
    bare = Process(sys.executable, litert, _converted(weights), "1", str(threads))

    runs: dict[str, Callable[[], float]] = {}
    for batch in BATCHES:
        runs[f"`dlib-bin`, {batch} at a time"] = partial(_asked, dlib, batch, batch=batch)
        runs[f"ours, dlib_resnet, {batch} at a time"] = _ours(
            weights, "dlib_resnet", crops["dlib_resnet"][:batch]
        )
    runs["the published MobileFaceNet file, 2 at a time"] = partial(_asked, as_published, 2, run=1)
    runs["our converted file alone, 1 at a time"] = partial(_asked, bare, 1, run=1)
    for batch in (1, 2, 8):
        runs[f"ours, mobilefacenet, {batch} at a time"] = _ours(
            weights, "mobilefacenet", crops["mobilefacenet"][:batch]
        )
    times = _timed(runs, rounds)
    for process in (dlib, as_published, bare):
        process.close()
    engine.close()
    return _text(times, _floors(weights))


def _text(times: dict[str, NDArray[np.float64]], floors: dict[str, float]) -> str:
    rows = [[name, f"{np.median(t):.2f}", f"{t.min():.2f}"] for name, t in times.items()]
    median = {name: float(np.median(t)) for name, t in times.items()}
    best = {name: float(t.min()) for name, t in times.items()}
    rounds = len(next(iter(times.values())))

    def better(what: str) -> str:
        return min((name for name in median if what in name), key=lambda name: median[name])

    dlib, resnet = better("dlib-bin"), better("ours, dlib")
    ours_alone, ours = "ours, mobilefacenet, 1 at a time", better("ours, mobilefacenet")
    published = next(name for name in median if "published" in name)
    alone = next(name for name in median if "alone" in name)

    def ratio(slow: str, fast: str) -> str:
        return f"{median[slow] / median[fast]:.2f} ({best[slow] / best[fast]:.2f})"

    return "\n\n".join(
        [
            "## Embedding faces",
            table(["per face, cut out already", "median ms", "best ms"], rows),
            f"Times faster by the medians (by the best times), each at its better batch: "
            f"dlib_resnet than `dlib-bin` {ratio(dlib, resnet)}; mobilefacenet than the published "
            f"file {ratio(published, ours)}. Ours, with stacking, checks and scaling to length 1, "
            f"takes {ratio(ours_alone, alone)} times what its network file takes alone, one face "
            "at a time both.",
            f"{rounds} turns, with two calls each of which the second counts: a machine that was "
            "idle takes a while to wake its second core.",
            "The floor, which is a face's multiplications and additions at the best speed of a "
            "large matrix product on the same cores: "
            + ", ".join(f"{name} {ms:.2f} ms" for name, ms in floors.items())
            + ".",
        ]
    )


def _timed(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, NDArray[np.float64]]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in tqdm(range(rounds + 2), "embedding", unit="round"):
        for name, run in runs.items():
            run()
            ms = run()
            if turn >= 2:
                times[name].append(ms)
    return {name: np.array(values) for name, values in times.items()}


def _asked(process: Process, faces: int, **question: int) -> float:
    """Milliseconds per face."""
    return process.ask(**question)["ms"] / faces


def _ours(weights: Path, name: str, crops: NDArray[np.uint8]) -> Callable[[], float]:
    embedder = load_network_embedder(embedder_card(name), weights, resolve_device("cpu"))

    def run() -> float:
        started = time.perf_counter()
        embedder.embed_crops(list(crops))
        return 1000 * (time.perf_counter() - started) / len(crops)

    return run


def _crops(engine: FaceEngine, name: str) -> NDArray[np.uint8]:
    """Eight faces from the samples, cut out for an embedder."""
    aligner = aligner_of(embedder_card(name))
    crops: list[NDArray[np.uint8]] = []
    for path in fetch("samples", engine.config.weights_dir).values():
        image = decode_image(path.read_bytes())
        faces = engine.find([image], Wanted(max_faces=1))[0]
        landmarks, boxes = np.stack([f.landmarks for f in faces]), np.stack([f.box for f in faces])
        crops += aligner.crops(image, landmarks, boxes)
    return np.stack([crops[index % len(crops)] for index in range(max(BATCHES))])


def _converted(weights: Path) -> Path:
    """The newest file that our runtime has converted from MobileFaceNet."""
    found = (weights / "converted").glob("mobilefacenet-*.tflite")
    return max(found, key=lambda path: path.stat().st_mtime)


def _floors(weights: Path) -> dict[str, float]:
    """Milliseconds for the operations of one face at the machine's speed of matrix products."""
    from ml_engine.networks import dlib_resnet, mobilefacenet

    models = {
        "dlib_resnet": dlib_resnet.build(
            ensure("dlib_resnet", weights)["dlib_face_recognition_resnet_model_v1.dat"]
        ),
        "mobilefacenet": mobilefacenet.build(
            ensure("mobilefacenet", weights)["MobileFaceNet.tflite"]
        ),
    }
    per_second = _peak()
    return {name: 1000 * operations(model) / per_second for name, model in models.items()}


def operations(model: object) -> float:
    """Multiplications and additions of a Keras model's convolutions and dense layers, for one
    face."""
    total = 0.0
    for layer in model.layers:  # type: ignore[attr-defined]
        kernel = next((w for w in layer.weights if w.name == "kernel"), None)
        if kernel is not None:
            places = np.prod(layer.output.shape[1:-1], dtype=float)
            total += 2 * places * np.prod(kernel.shape, dtype=float)
    return total


def _peak(side: int = 1024, times: int = 100) -> float:
    """Operations a second of a float32 matrix product, the best of many: what else the machine does
    must not make the floor look higher."""
    a = np.random.default_rng(0).random((side, side), dtype=np.float32)
    best = np.inf
    for _ in range(times):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best
