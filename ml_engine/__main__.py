"""`python -m ml_engine COMMAND`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from ml_engine.arguments import add_engine, add_preset, add_weights
from ml_engine.config import EngineConfig
from ml_engine.drawing import with_faces, write_image
from ml_engine.images import decode_image
from ml_engine.matching import ImpostorCurve, compared
from ml_engine.matching.calibration import VERIFY_FMR
from ml_engine.request import PHOTO
from ml_engine.types import EngineError, Face, Float32, Image, ImageError, WeightsUnavailable
from ml_engine.zoo import ARTEFACTS, fetch

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

FETCHED = ("mtcnn", "mobilefacenet", "dlib_resnet", "samples")
# Fetched with the others; if their host cannot be reached, the rest is of use all the same.
OPTIONAL = ("yunet",)
NO_FACE, NOT_THE_SAME = 3, 4
_EXAMPLES = """\
examples:
  python -m ml_engine fetch
  python -m ml_engine detect group.jpg --out boxes.jpg
  python -m ml_engine compare anna.jpg guest.jpg
  python -m ml_engine embed anna.jpg --json > anna.json

exit status: 0, or 1 an error, 2 wrong arguments, 3 a photo without a face, 4 compare: not the
same person
"""


@dataclass(frozen=True, slots=True)
class Photo:
    path: Path
    image: Image
    faces: list[Face]


@dataclass(frozen=True, slots=True)
class Pair:
    """The largest faces of two photos. fmr: share of strangers who are so similar."""

    left: Path
    right: Path
    similarity: float
    threshold: float
    fmr: float

    @property
    def is_same(self) -> bool:
        return self.similarity >= self.threshold

    def as_dict(self) -> dict[str, object]:
        return {
            "photos": [str(self.left), str(self.right)],
            "is_same": self.is_same,
            "similarity": round(self.similarity, 4),
            "threshold": round(self.threshold, 4),
            "false_match_rate": float(f"{self.fmr:.2g}"),
        }

    def __str__(self) -> str:
        verdict = "one person" if self.is_same else "not one person"
        return (
            f"{self.left}, {self.right}: {verdict}; similarity {self.similarity:.4f}, "
            f"threshold {self.threshold:.4f}, reached by {self.fmr:.2g} of strangers"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # TensorFlow and LiteRT otherwise write useless lines.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return int(options.run(options))
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _detect(options: argparse.Namespace) -> int:
    images = _read(options.photos)
    engine = _engine(options)
    photos = [Photo(path, image, engine.find([image], PHOTO)[0]) for path, image in images]
    return _deliver(options, photos)


def _embed(options: argparse.Namespace) -> int:
    return _deliver(options, _analyzed(options))


def _compare(options: argparse.Namespace) -> int:
    from ml_engine.matching.calibration import curve_of

    if len(options.photos) < 2:
        options.fail("give at least two photos")
    try:
        curve = curve_of(options.preset, options.detector)
    except KeyError as error:
        raise EngineError(error.args[0]) from error
    photos = _analyzed(options)
    pairs = []
    for left, right in combinations((photo for photo in photos if photo.faces), 2):
        pairs.append(_pair(left, right, curve, options.fmr))
    without_face = [photo for photo in photos if not photo.faces]
    if options.json:
        print(json.dumps([pair.as_dict() for pair in pairs], indent=2))
    else:
        for line in (*(f"{photo.path}: no face" for photo in without_face), *map(str, pairs)):
            print(line)
    _draw_all(options, photos)
    if without_face or not pairs:
        return NO_FACE
    return 0 if all(pair.is_same for pair in pairs) else NOT_THE_SAME


def _pair(left: Photo, right: Photo, curve: ImpostorCurve, fmr: float) -> Pair:
    one, other = _vector(left.faces[0]), _vector(right.faces[0])
    (found,) = compared(one, other[None], [(right.path, 0)], curve.scoring)
    needed = found.needed(curve.threshold(fmr))
    return Pair(left.path, right.path, found.similarity, needed, curve.fmr(found.score))


def _fetch(options: argparse.Namespace) -> int:
    """1 if something failed that was named, or that is not optional."""
    failed = [
        name
        for name in options.names or (*FETCHED, *OPTIONAL)
        if not _is_fetched(name, options.weights)
    ]
    return int(any(options.names or name not in OPTIONAL for name in failed))


def _is_fetched(name: str, weights: Path) -> bool:
    from tqdm import tqdm

    total_mb = ARTEFACTS[name].package_mb
    with tqdm(desc=name, total=total_mb, bar_format=_BAR) as bar:

        def show(_: str, done_mb: float, __: float) -> None:
            bar.n = done_mb
            bar.refresh()

        try:
            fetch(name, weights, progress=show)
        except WeightsUnavailable as error:
            bar.close()
            print(f"error: {error}", file=sys.stderr)
            return False
        show(name, total_mb, total_mb)
    return True


_BAR = "{desc:14} {percentage:3.0f} % {bar:30} {n:.1f} of {total:.1f} MB"


def _read(paths: Sequence[Path]) -> list[tuple[Path, Image]]:
    """All photos, before the engine is built: a missing photo is an error at once."""
    images = []
    for path in paths:
        try:
            images.append((path, decode_image(path.read_bytes())))
        except ImageError as error:
            raise ImageError(f"{path}: {error.message}", code=error.code) from error
        except OSError as error:
            raise OSError(f"{path}: {error.strerror}") from error
    return images


def _analyzed(options: argparse.Namespace) -> list[Photo]:
    images = _read(options.photos)
    engine = _engine(options)
    return [
        Photo(path, image, engine.analyze([image], PHOTO, flip=options.flip)[0])
        for path, image in images
    ]


def _engine(options: argparse.Namespace) -> FaceEngine:
    from ml_engine import load_engine

    return load_engine(
        EngineConfig(
            weights_dir=options.weights,
            detector=options.detector,
            device=options.device,
            min_face_px=options.min_face,
            embedder=getattr(options, "preset", EngineConfig().embedder),
        )
    )


def _deliver(options: argparse.Namespace, photos: Sequence[Photo]) -> int:
    if options.json:
        print(json.dumps([_as_dict(photo) for photo in photos], indent=2))
    else:
        print("\n".join(line for photo in photos for line in _lines(photo)))
    _draw_all(options, photos)
    return 0 if all(photo.faces for photo in photos) else NO_FACE


def _lines(photo: Photo) -> list[str]:
    count = len(photo.faces)
    lines = [f"{photo.path}: {count or 'no'} {'face' if count <= 1 else 'faces'}"]
    for number, face in enumerate(photo.faces, 1):
        x1, y1, x2, y2 = face.box
        line = (
            f"  {number}: at {x1:.0f}, {y1:.0f}, {x2 - x1:.0f} x {y2 - y1:.0f}, "
            f"score {face.score:.3f}"
        )
        if face.quality:
            line += f", quality {face.quality.score:.2f}"
            line += f" ({', '.join(face.quality.reasons)})" if face.quality.reasons else ""
        if face.embedding is not None:
            line += f", embedding of {len(face.embedding)}"
        lines.append(line)
    return lines


def _as_dict(photo: Photo) -> dict[str, object]:
    height, width = photo.image.shape[:2]
    faces = [_face_as_dict(face) for face in photo.faces]
    return {"photo": str(photo.path), "size": [width, height], "faces": faces}


def _face_as_dict(face: Face) -> dict[str, object]:
    """Box as x, y, width, height in pixels."""
    x1, y1, x2, y2 = face.box.tolist()
    values: dict[str, object] = {
        "box": [round(value, 1) for value in (x1, y1, x2 - x1, y2 - y1)],
        "landmarks": [[round(x, 1), round(y, 1)] for x, y in face.landmarks.tolist()],
        "score": round(face.score, 4),
        "quality": _rounded(asdict(face.quality)) if face.quality else None,
    }
    if face.embedding is not None:
        values["embedding"] = [round(value, 6) for value in face.embedding.tolist()]
    return values


def _rounded(values: dict[str, object]) -> dict[str, object]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}


def _vector(face: Face) -> Float32:
    assert face.embedding is not None
    return face.embedding


def _draw_all(options: argparse.Namespace, photos: Sequence[Photo]) -> None:
    """Boxes on one photo into the file `--out`, on several into a folder of that name."""
    if not options.out:
        return
    if len(photos) == 1:
        write_image(with_faces(photos[0].image, photos[0].faces), options.out)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for number, photo in enumerate(photos, 1):
        path = options.out / f"{number}-{photo.path.stem}.jpg"
        write_image(with_faces(photo.image, photo.faces), path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml_engine",
        description="Find, compare and embed faces in photos.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _photo_command(commands, "detect", _detect, "find faces: boxes, landmarks, quality")

    compare = _photo_command(
        commands, "compare", _compare, "is it one person? the largest face of each photo"
    )
    _add_embedding(compare)
    compare.add_argument(
        "--fmr",
        type=float,
        default=VERIFY_FMR,
        metavar="RATE",
        help="share of strangers who may be taken for one person (default: %(default)s)",
    )

    embed = _photo_command(commands, "embed", _embed, "the embedding of every face (with --json)")
    _add_embedding(embed)

    fetch = commands.add_parser(
        "fetch",
        help="fetch weights and sample photos",
        description="Fetch weights and sample photos that are not there yet.",
    )
    add_weights(fetch)
    fetch.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(ARTEFACTS)} (default: all; it is no error if {', '.join(OPTIONAL)} "
        "cannot be had)",
        type=_artefact,
    )
    fetch.set_defaults(run=_fetch)
    return parser


def _artefact(name: str) -> str:
    if name not in ARTEFACTS:
        raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(ARTEFACTS)}")
    return name


def _photo_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    about: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    command.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    command.add_argument(
        "--out",
        type=Path,
        metavar="PICTURE",
        help="write the photo with boxes there; with several photos, a folder of them",
    )
    add_engine(command)
    command.set_defaults(run=run, fail=command.error)
    return command


def _add_embedding(command: argparse.ArgumentParser) -> None:
    add_preset(command)
    command.add_argument("--flip", action="store_true", help="average with the mirror image")


if __name__ == "__main__":
    sys.exit(main())
