"""What a Keras file may name, checked without Keras."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ml_engine.formats.keras_classes import check_config, check_keras_file
from ml_engine.types import ModelRefused

_GOOD = {"class_name": "Dense", "config": {"name": "first"}}
_EVIL = {"class_name": "Lambda", "config": {"name": "evil"}}


def _h5(path: Path, config: dict[str, Any]) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.tensorflow
def test_h5_file_with_an_archive_at_its_end_is_refused(tmp_path: Path) -> None:
    """Keras takes the first, by the name; another reader would take the second."""
    path = _h5(tmp_path / "both.h5", _EVIL)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", json.dumps(_GOOD))
    with pytest.raises(ModelRefused, match="two formats"):
        check_keras_file(path)


@pytest.mark.tensorflow
def test_h5_file_under_the_name_of_an_archive_is_refused(tmp_path: Path) -> None:
    check_keras_file(_h5(tmp_path / "good.h5", _GOOD))
    with pytest.raises(ModelRefused, match="two formats"):
        check_keras_file(_h5(tmp_path / "good.keras", _GOOD))


def _seeded(seed: object) -> dict[str, Any]:
    starts = {"class_name": "GlorotUniform", "config": {"seed": seed}}
    return {"class_name": "Dense", "config": {"name": "first", "kernel_initializer": starts}}


def test_class_in_the_place_of_a_seed_is_refused() -> None:
    generator = {"module": "keras.random", "class_name": "SeedGenerator", "config": {"seed": 2**40}}
    for seed in (None, 2**40, generator):
        check_config(_seeded(seed))
    with pytest.raises(ModelRefused, match="Layer Lambda"):
        check_config(_seeded(_EVIL))


def test_class_in_the_settings_of_training_of_an_inner_model_is_refused() -> None:
    """Keras builds those, whatever it is told about the whole model."""
    inner = {"class_name": "Functional", "config": {"name": "inner"}, "compile_config": _EVIL}
    with pytest.raises(ModelRefused, match="Layer Lambda"):
        check_config({"class_name": "Sequential", "config": {"name": "all", "layers": [inner]}})
