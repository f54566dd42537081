"""The record of a run, from which it can be repeated, and its curve."""

from __future__ import annotations

import hashlib
import json
import socket
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ml_engine.recipe import Adaptation, Settings
from ml_engine.training.checkpoint import Judged
from ml_engine.training.data import Faces
from ml_engine.types import EngineError

RECORD = "record.json"
CURVE = "curve.jsonl"
_ENGINE = Path(__file__).resolve().parent.parent
# The code that a trained network depends on.
_CODE = ("networks/*.py", "recipe.py", "training/*.py")
_PACKAGES = ("keras", "numpy", "opencv-python-headless", "tensorflow", "tensorflow-cpu")


class OtherRun(EngineError):
    """A folder holds a run with other settings, data, code or packages."""


def record_of(settings: Settings | Adaptation, known: Faces, others: Faces) -> dict[str, Any]:
    """settings (with the seed), hashes of the data and of the code, versions, and the people."""
    return {
        "settings": settings.as_dict(),
        "data": {"trained_on": known.sha256(), "judged_on": others.sha256()},
        "code": _code_sha256(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "people": {"trained_on": known.names, "judged_on": others.names},
    }


def begin_record(folder: Path, record: dict[str, Any]) -> None:
    """Write the record of a new run; of one that goes on, compare it.

    Raises:
        OtherRun: the folder holds another run, which would not end as it began.
    """
    path = folder / RECORD
    text = json.dumps(record, indent=2)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_text(text + "\n")
        beside.replace(path)
        return
    before, now = json.loads(path.read_text()), json.loads(text)
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise OtherRun(
            f"{folder} holds a run with other {', '.join(changed)}: choose another folder."
        )


def write_curve(folder: Path, curve: list[Judged]) -> None:
    """As lines of JSON, and as an event file that TensorBoard shows (`tensorboard --logdir
    FOLDER`); TensorBoard itself is not needed to write it."""
    lines = [json.dumps(asdict(point)) for point in curve]
    (folder / CURVE).write_text("\n".join(lines) + "\n")
    _write_events(folder / f"events.out.tfevents.{0:010}.{socket.gethostname()}", curve)


def _write_events(path: Path, curve: list[Judged]) -> None:
    import tensorflow as tf
    from tensorflow.core.framework.summary_pb2 import Summary
    from tensorflow.core.util.event_pb2 import Event

    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(Event(file_version="brain.Event:2").SerializeToString())
        for point in curve:
            values = {
                "loss": point.loss,
                "learning rate": point.rate,
                "other people/AUC": point.auc,
                "other people/balanced accuracy": point.accuracy,
            }
            summary = Summary(
                value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
            )
            event = Event(step=point.step, summary=summary)
            writer.write(event.SerializeToString())


def _code_sha256() -> str:
    digest = hashlib.sha256()
    for pattern in _CODE:
        for path in sorted(_ENGINE.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
