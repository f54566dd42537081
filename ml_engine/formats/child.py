"""The child process: reads a request, confines itself, and only then opens the file.

A request is JSON on the standard input (`action`, `path`, `folder`, `wish`); the answer is
`answer.json` in its folder, beside the card and the files of a converted model.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_engine.formats.confinement import ADDRESS_SPACE_BYTES, confine
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelFileError, ModelRefused

# Of the made-up faces, by the probe.
VECTORS_FILE = "vectors.npy"
_SAID = 2000
# Checkpoints, and the files of a SavedModel, lie beside the file that names them.
_HAS_OTHERS = (".meta", ".pbtxt", ".pb")


def main() -> None:
    request = json.load(sys.stdin)
    folder, path = Path(request["folder"]), Path(request["path"])
    held = confine(folder, [path, *([path.parent] if path.suffix in _HAS_OTHERS else [])])
    try:
        wish = Wish.from_dict(request["wish"])
        answer = _ACTIONS[request["action"]](path, folder, wish) | {"held": held}
    except ModelFileError as error:
        answer = _refused(error.code, error.message, error.detail)
    except MemoryError as error:
        memory = f"{path.name} needs more than {ADDRESS_SPACE_BYTES >> 30} GB of memory."
        answer = _refused("model_refused", memory, error)
    # A file may make its reader raise anything: it is refused all the same.
    except Exception as error:
        answer = _refused("model_refused", f"{path.name} cannot be used.", repr(error))
    (folder / "answer.json").write_text(json.dumps(answer))


def _refused(code: str, message: str, detail: object) -> dict[str, Any]:
    told = None if detail is None else str(detail)[:_SAID]
    return {"refused": {"code": code, "message": message, "detail": told}}


def _inspect(path: Path, folder: Path, wish: Wish) -> dict[str, Any]:
    from ml_engine.formats.files import open_model
    from ml_engine.formats.inspection import inspect

    return {"found": inspect(open_model(path, _scratch(folder)), wish)}


def _convert(path: Path, folder: Path, wish: Wish) -> dict[str, Any]:
    """Writes the card and its files, and the vectors of the probe; the report has the rest of it,
    and the counts of operations."""
    import numpy as np

    from ml_engine.formats.convert import convert, hash_of
    from ml_engine.formats.files import open_model
    from ml_engine.formats.probe import probe
    from ml_engine.zoo.own import (
        CARD_FILE,
        GRAPH_FILE,
        NETWORK_FILES,
        OwnCard,
        PreparedNetwork,
        file_network,
    )

    file = open_model(path, _scratch(folder))
    made = convert(file, wish)
    preprocessing = wish.preprocessing
    if made.ends.channels == 1:
        try:
            preprocessing = replace(preprocessing, channels="grey")
        except ValueError as error:
            raise ModelRefused(f"The input is grey: {error}") from error
    network_path = folder / NETWORK_FILES[made.runtime]
    network_path.write_bytes(made.network)
    if made.graph:
        (folder / GRAPH_FILE).write_bytes(made.graph)
    batches = (made.batch,) if made.batch else (1, 2, 4, 8)
    network = file_network(made.runtime, network_path, batches=batches, threads=1)
    probed = probe(PreparedNetwork(network, preprocessing, made.ends.layout), made.ends.size)
    card = OwnCard(
        source=file.kind,
        source_sha256=hash_of(path, file, wish),
        input=made.ends.input,
        output=made.ends.output,
        runtime=made.runtime,
        network_sha256=hashlib.sha256(made.network).hexdigest(),
        graph_sha256=hashlib.sha256(made.graph).hexdigest() if made.graph else "",
        size=made.ends.size,
        dimension=probed.vectors.shape[1],
        layout=made.ends.layout,
        batch=made.batch,
        preprocessing=preprocessing,
        alignment=wish.alignment,
        margin=wish.margin,
    )
    (folder / CARD_FILE).write_bytes(card.to_bytes())
    np.save(folder / VECTORS_FILE, probed.vectors)
    told = {"dimension": card.dimension, "length": probed.length}
    told |= {"difference": probed.difference, "face_ms": probed.face_ms}
    return {"report": told | {"operations": made.counts}}


def _check(path: Path, folder: Path, wish: Wish) -> dict[str, Any]:
    """path: a folder of files to be kept. folder: has the vectors that they must give."""
    from ml_engine.formats.kept import check_kept, vectors_in

    check_kept(path, vectors_in(folder / VECTORS_FILE))
    return {}


def _scratch(folder: Path) -> Path:
    scratch = folder / "unpacked"
    scratch.mkdir()
    return scratch


_ACTIONS = {"inspect": _inspect, "convert": _convert, "check": _check}
