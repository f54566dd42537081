"""Faces to train on come from folders and from TFRecord files, and no person is in two parts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ml_engine.training.data import (
    Faces,
    load_folder,
    read_records,
    set_apart,
    split,
    write_records,
)
from ml_engine.types import EngineError
from tests.ml_engine.training.invented import SIZE, invented_people


def _write_folder(folder: Path) -> None:
    for person, grey in (("ann", 40), ("bob", 200)):
        (folder / person).mkdir()
        for number, suffix in enumerate((".pgm", ".png")):
            cv2.imwrite(
                str(folder / person / f"{number}{suffix}"),
                np.full((30, 20), grey + number, np.uint8),
            )


def test_folder_of_grey_maps_and_pictures_is_read_by_person(tmp_path: Path) -> None:
    _write_folder(tmp_path)
    faces = load_folder(tmp_path, size=8, channels=1)
    assert faces.names == ["ann", "bob"]
    assert faces.people.tolist() == [0, 0, 1, 1]
    assert faces.pictures.shape == (4, 8, 8, 1)
    assert faces.pictures[:, 0, 0, 0].tolist() == [40, 41, 200, 201]


def test_folder_is_read_with_three_channels(tmp_path: Path) -> None:
    _write_folder(tmp_path)
    assert load_folder(tmp_path, size=8, channels=3).pictures.shape == (4, 8, 8, 3)


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    with pytest.raises(EngineError, match="no faces"):
        load_folder(tmp_path, size=8, channels=1)


@pytest.mark.tensorflow
def test_records_give_back_the_faces_that_were_written(tmp_path: Path) -> None:
    faces = invented_people(3, 2)
    write_records(faces, tmp_path / "faces.tfrecord")
    found = read_records(tmp_path / "faces.tfrecord", size=SIZE, channels=1)
    assert found.sha256() == faces.sha256()


@pytest.mark.tensorflow
def test_record_without_a_person_is_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "other")) as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(EngineError, match="image/class/text"):
        read_records(tmp_path / "other", size=SIZE, channels=1)


def test_split_puts_no_person_into_two_parts() -> None:
    faces = invented_people(10, 3)
    parts = split(faces, 2, 3, seed=1)
    assert [len(part.names) for part in parts] == [5, 2, 3]
    assert sorted(name for part in parts for name in part.names) == sorted(faces.names)
    for part in parts:
        for row, person in enumerate(part.people):
            source = faces.pictures[faces.people == faces.names.index(part.names[person])]
            assert (source == part.pictures[row]).all(axis=(1, 2, 3)).any()


def test_split_with_too_few_people_is_refused() -> None:
    with pytest.raises(EngineError, match="too few"):
        split(invented_people(4, 1), 3, seed=0)


def test_hash_of_the_data_changes_with_a_picture_and_with_a_name() -> None:
    faces = invented_people(3, 2)
    same = invented_people(3, 2)
    assert faces.sha256() == same.sha256()
    same.pictures[0, 0, 0] ^= 1
    assert faces.sha256() != same.sha256()
    same.pictures[0, 0, 0] ^= 1
    same.names[0] = "another"
    assert faces.sha256() != same.sha256()


def test_people_set_apart_have_several_pictures() -> None:
    pictures = np.zeros((7, 4, 4, 1), np.uint8)
    faces = Faces(pictures, np.array([0, 1, 1, 2, 3, 3, 4]), list("abcde"))
    for seed in range(5):
        known, apart = set_apart(faces, 2, seed=seed)
        assert (sorted(apart.names), known.names) == (["b", "d"], ["a", "c", "e"])
        assert len(apart) == 4
    with pytest.raises(EngineError, match="2 people with two pictures") as refused:
        set_apart(faces, 3, seed=0)
    assert refused.value.code == "too_few_people"


def test_first_pictures_of_each_person_are_two_or_a_fair_share() -> None:
    owners = np.array([2, 0, 0, 1, 0, 2, 0, 2], np.intp)
    pictures = np.arange(8, dtype=np.uint8)[:, None, None, None]
    faces = Faces(pictures, owners, ["a", "b", "c"])
    fair = faces.first_of_each(9)
    assert fair.pictures.ravel().tolist() == [0, 1, 2, 3, 4, 5, 7]
    few = faces.first_of_each(1)
    assert few.pictures.ravel().tolist() == [0, 1, 2, 3, 5]
    assert few.people.tolist() == [2, 0, 0, 1, 2]
