"""What happens in front of the camera, and the truth about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from benchmarks.visits.pictures import SIZE, Cover, View

# A head is never quite still: each of these (yaw, roll) is held for a moment.
_POSES = ((0, 0), (8, -4), (-8, 3), (15, 0), (-15, 4), (4, 6), (-20, -3), (20, 2))
_POSE_S = 0.4
# Faces have these widths, so that each picture is made once.
_WIDTHS = tuple(round(20 * 1.12**step) for step in range(20))
_MIDDLE = (SIZE[0] / 2, SIZE[1] / 2)
_HIDDEN_S = 20.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A person in one frame; the middle of the face."""

    view: View
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Appearance:
    """One visit in truth. who: None for a stranger. well_s: from then on the face is seen well.
    at: place and view at a time; None if there is no face to see. is_visit: it should make an
    event."""

    photo: str
    who: str | None
    start_s: float
    end_s: float
    at: Callable[[float], Placed | None]
    well_s: float | None = None
    is_visit: bool = True

    @property
    def seen_well_s(self) -> float:
        return self.start_s if self.well_s is None else self.well_s


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    appearances: tuple[Appearance, ...]

    @property
    def end_s(self) -> float:
        return max(each.end_s for each in self.appearances)

    def frames(self, fps: float) -> Iterator[tuple[float, list[tuple[Appearance, Placed]]]]:
        """The time of each frame, and who is in it, those behind first. After the last person has
        gone, empty frames follow until every visit is over."""
        for number in range(round((self.end_s + 6.0) * fps)):
            at_s = number / fps
            here = [(a, a.at(at_s)) for a in self.appearances if a.start_s <= at_s < a.end_s]
            yield at_s, [(a, placed) for a, placed in here if placed is not None]


@dataclass(frozen=True, slots=True)
class Person:
    """photo: another one than the enrolled."""

    name: str | None
    photo: str


def all_scenes(cast: Sequence[Person]) -> list[Scene]:
    """Each kind of scene once for each person; the next one of the cast is the second person."""
    scenes: list[Scene] = []
    for number, (person, other) in enumerate(pairwise([*cast, cast[0]])):
        scenes += [_comes(person), _turns(person), _stands(person), _returns(person)]
        scenes += [_hidden(person, number), _covers_eyes(person, number), _passes(person, number)]
        scenes += [_cross(person, other), _cut(person, other), _blob(person, number)]
    return scenes


def stranger_visit(photo: str) -> Scene:
    """Six seconds in view."""
    at = partial(_still, photo, 100)
    return Scene("stranger", (Appearance(photo, None, 0, 6, at),))


def _view(photo: str, width: float, at_s: float, **changes: int | str) -> View:
    """yaw in `changes` is added to that of the pose."""
    moment = int(at_s / _POSE_S)
    pose = int(np.random.default_rng([hash_of(photo), moment]).integers(len(_POSES)))
    yaw, roll = _POSES[pose]
    width_px = min(_WIDTHS, key=lambda each: abs(np.log(each / width)))
    yaw += int(changes.pop("yaw", 0))
    return View(photo, width_px, yaw=yaw, roll=roll, grain=pose, **changes)  # type: ignore[arg-type]


def hash_of(text: str) -> int:
    """The same in every process."""
    return int.from_bytes(text.encode()[-12:], "big") % 2**32


def _moving(
    photo: str,
    ends: tuple[tuple[float, float], tuple[float, float]],
    widths: tuple[float, float],
    spans: tuple[float, float],
    at_s: float,
) -> Placed:
    """Straight from one place to another between two times, growing or shrinking."""
    share = float(np.clip((at_s - spans[0]) / (spans[1] - spans[0]), 0, 1))
    (x1, y1), (x2, y2) = ends
    width = widths[0] * (widths[1] / widths[0]) ** share
    view = _view(photo, width, at_s)
    return Placed(view, x1 + share * (x2 - x1), y1 + share * (y2 - y1))


def _still(photo: str, width: float, at_s: float, **changes: int | str) -> Placed:
    return Placed(_view(photo, width, at_s, **changes), *_MIDDLE)


def _comes(who: Person) -> Scene:
    way = partial(_moving, who.photo, ((130.0, 200.0), (400.0, 250.0)), (45.0, 120.0), (0.0, 3.0))
    return Scene("comes", (Appearance(who.photo, who.name, 0, 6, way, well_s=1.2),))


def _turns(who: Person) -> Scene:
    def at(at_s: float) -> Placed:
        yaw = round(75 * max(0.0, 1 - abs(at_s - 3.5) / 1.5))
        return _still(who.photo, 110, at_s, yaw=yaw // 5 * 5)

    return Scene("turns", (Appearance(who.photo, who.name, 0, 7, at),))


def _stands(who: Person) -> Scene:
    return Scene(
        "stands", (Appearance(who.photo, who.name, 0, 10, partial(_still, who.photo, 100)),)
    )


def _returns(who: Person) -> Scene:
    """Gone for two seconds, which is one visit, and then for five, which are two."""

    def first(at_s: float) -> Placed | None:
        return None if 2 <= at_s < 4 else _still(who.photo, 90, at_s)

    return Scene(
        "returns",
        (
            Appearance(who.photo, who.name, 0, 6, first),
            Appearance(who.photo, who.name, 11, 14, partial(_still, who.photo, 90)),
        ),
    )


def _hidden(who: Person, number: int) -> Scene:
    """Covered or blurred for 20 s, and then seen well."""
    covers: tuple[dict[str, int | str], ...] = ({"cover": "eyes"}, {"blur": 9}, {"cover": "mask"})

    def at(at_s: float) -> Placed:
        hidden = covers[number % 3] if at_s < _HIDDEN_S else {}
        return _still(who.photo, 100, at_s, **hidden)

    end_s = _HIDDEN_S + 5
    return Scene("hidden", (Appearance(who.photo, who.name, 0, end_s, at, well_s=_HIDDEN_S),))


def _covers_eyes(who: Person, number: int) -> Scene:
    covers: tuple[Cover, ...] = ("eyes", "glasses", "mask")
    cover = covers[number % 3]

    def at(at_s: float) -> Placed:
        return _still(who.photo, 110, at_s, cover=cover if 3 <= at_s < 7 else "")

    return Scene("covers the eyes", (Appearance(who.photo, who.name, 0, 10, at),))


def _passes(who: Person, number: int) -> Scene:
    """Through the whole picture in 0.4 to 0.7 s; where in the time between two frames it begins
    depends on the person."""
    seconds, start_s = 0.4 + 0.1 * (number % 4), 0.3 + 0.037 * (number % 7)
    y = 200.0 + 10 * (number % 6)
    way = partial(
        _moving, who.photo, ((60.0, y), (580.0, y)), (95.0, 95.0), (start_s, start_s + seconds)
    )
    return Scene("passes", (Appearance(who.photo, who.name, start_s, start_s + seconds, way),))


def _cross(behind: Person, front: Person) -> Scene:
    there, back = (110.0, 235.0), (530.0, 235.0)
    return Scene(
        "cross",
        (
            Appearance(behind.photo, behind.name, 0, 5,
                       partial(_moving, behind.photo, (there, back), (92.0, 92.0), (1.0, 4.0))),
            Appearance(front.photo, front.name, 0, 5,
                       partial(_moving, front.photo, (back, there), (105.0, 105.0), (1.0, 4.0))),
        ),
    )  # fmt: skip


def _cut(first: Person, second: Person) -> Scene:
    """From one frame to the next another person in the same place."""
    return Scene(
        "cut",
        (
            Appearance(first.photo, first.name, 0, 3, partial(_still, first.photo, 100)),
            Appearance(second.photo, second.name, 3, 7, partial(_still, second.photo, 100)),
        ),
    )


def _blob(who: Person, number: int) -> Scene:
    """A face of 22 pixels, or so blurred that it could be anything: no event."""

    def at(at_s: float) -> Placed:
        if number % 2:
            return _still(who.photo, 70, at_s, blur=22)
        return _still(who.photo, 22, at_s)

    return Scene("no usable face", (Appearance(who.photo, None, 0, 5, at, is_visit=False),))
