"""Faces to train on: from a folder for each person, or from a TFRecord file."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ml_engine.align import align_faces, template_of
from ml_engine.evaluation.collect import Choice, largest
from ml_engine.images import decode_image
from ml_engine.types import EngineError, Image, ImageError

if TYPE_CHECKING:
    from ml_engine.engine import Engine

# Portable grey maps are the format of research data; the product itself does not take them.
_GREY_MAP = ".pgm"
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", _GREY_MAP)


@dataclass(frozen=True, slots=True)
class Faces:
    """pictures: uint8 (n, size, size, channels). people: (n,) the index of each one's person in
    `names`."""

    pictures: NDArray[np.uint8]
    people: NDArray[np.intp]
    names: list[str]

    def __len__(self) -> int:
        return len(self.people)

    def of(self, people: Sequence[int]) -> Faces:
        """The pictures of these people alone, numbered anew in this order."""
        rows = np.flatnonzero(np.isin(self.people, people))
        number = {person: new for new, person in enumerate(people)}
        owners = np.array([number[int(person)] for person in self.people[rows]], np.intp)
        return Faces(self.pictures[rows], owners, [self.names[person] for person in people])

    def first_of_each(self, most: int) -> Faces:
        """At most so many pictures, as many of each person, but two of each in any case."""
        order = np.argsort(self.people, kind="stable")
        ordered = self.people[order]
        place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        rows = np.sort(order[place < max(2, most // len(self.names))])
        return Faces(self.pictures[rows], self.people[rows], self.names)

    def sha256(self) -> str:
        """Of everything: two runs on the same data have the same."""
        digest = hashlib.sha256("\0".join(self.names).encode())
        digest.update(str(self.pictures.shape).encode())
        digest.update(np.ascontiguousarray(self.people, "<i8").tobytes())
        digest.update(np.ravel(self.pictures).data)
        return digest.hexdigest()


def split(faces: Faces, *counts: int, seed: int) -> list[Faces]:
    """Draw people: so many for each part, and all others in a first one; nobody is in two.

    Raises:
        EngineError: there are not enough people.
    """
    order = np.random.default_rng(seed).permutation(len(faces.names)).tolist()
    first = len(order) - sum(counts)
    if first < 2:
        raise EngineError(f"{len(order)} people are too few: {sum(counts) + 2} are needed.")
    ends = np.cumsum([0, first, *counts]).tolist()
    return [faces.of(order[start:end]) for start, end in itertools.pairwise(ends)]


def set_apart(faces: Faces, count: int, *, seed: int) -> list[Faces]:
    """Draw so many people with two pictures or more, and all others in a first part.

    Raises:
        EngineError: there are not enough people.
    """
    several = np.flatnonzero(np.bincount(faces.people) > 1)
    drawn = np.random.default_rng(seed).permutation(several)[:count].tolist()
    rest = [person for person in range(len(faces.names)) if person not in set(drawn)]
    if len(drawn) < count or len(rest) < 2:
        raise EngineError(
            f"{count} people with two pictures and two other people are needed; there are "
            f"{len(several)} people with two pictures, of {len(faces.names)}.",
            code="too_few_people",
        )
    return [faces.of(rest), faces.of(drawn)]


def load_folder(
    folder: Path,
    *,
    size: int,
    channels: int,
    engine: Engine | None = None,
    choose: Choice = largest,
) -> Faces:
    """Read `<person>/<picture>`.

    Args:
        channels: 1 for grey, 3 for RGB.
        engine: finds the faces of each picture, and the chosen one is cut out as serving does; a
            picture without a face is left out. None: the pictures are faces already, and are
            resized.

    Raises:
        EngineError: the folder has no such pictures.
    """
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in _PICTURES)
    pictures, owners = [], []
    for path in tqdm(paths, "reading", unit="picture", disable=len(paths) < 500):
        face = _face(_read(path), size, engine, choose)
        if face is not None:
            pictures.append(face)
            owners.append(path.parent.name)
    return _faces(pictures, owners, channels, folder)


def write_records(faces: Faces, path: Path) -> None:
    """One `tf.train.Example` for each face: `image/encoded`, a PNG, and `image/class/text`."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for picture, person in zip(faces.pictures, faces.people, strict=True):
            png = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
            values = {"image/encoded": png, "image/class/text": faces.names[person].encode()}
            feature = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for name, value in values.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def read_records(path: Path, *, size: int, channels: int, engine: Engine | None = None) -> Faces:
    """What `write_records` wrote, or another program with the same two features. Arguments and
    errors as for `load_folder`."""
    pictures, owners = [], []
    for encoded, person in _examples(path):
        face = _face(decode_image(encoded), size, engine, largest)
        if face is not None:
            pictures.append(face)
            owners.append(person)
    return _faces(pictures, owners, channels, path)


def _examples(path: Path) -> Iterator[tuple[bytes, str]]:
    import tensorflow as tf

    for record in tf.data.TFRecordDataset(str(path)):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        if not {"image/encoded", "image/class/text"} <= set(feature):
            raise EngineError(f"{path} has records without image/encoded or image/class/text.")
        encoded, person = feature["image/encoded"], feature["image/class/text"]
        yield encoded.bytes_list.value[0], person.bytes_list.value[0].decode()


def _read(path: Path) -> Image:
    if path.suffix.lower() != _GREY_MAP:
        return decode_image(path.read_bytes())
    grey = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise ImageError(f"{path.name} is no grey map.")
    return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)


def _face(image: Image, size: int, engine: Engine | None, choose: Choice) -> Image | None:
    """RGB uint8 (size, size, 3)."""
    if engine is None:
        return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    found = engine.find([image])[0]
    if not found:
        return None
    landmarks = choose(found, image).landmarks
    return align_faces(image, landmarks[None], template_of("arcface", size), size)[0]


def _faces(pictures: list[Image], owners: list[str], channels: int, source: Path) -> Faces:
    if not pictures:
        raise EngineError(f"There are no faces <person>/<picture> in {source}.")
    names, people = np.unique(owners, return_inverse=True)
    stacked = in_channels(np.stack(pictures), channels)
    return Faces(stacked, people.astype(np.intp), names.tolist())


def in_channels(pictures: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """RGB (n, size, size, 3) as it is, or grey (n, size, size, 1)."""
    if channels == 3:
        return pictures
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    return np.stack(greys)[..., None].astype(np.uint8)
