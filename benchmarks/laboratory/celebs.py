"""Enrolment and identification from start to end, on unprepared photos.

The photos in `train/<person>/` are enrolled, each with its largest face, like an upload. The photos
in `val/<person>/` are identified with the default threshold for this number of templates. A folder
with photos of other people shows how many strangers get a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ml_engine.evaluation.collect import Variant, collect, largest, nearest_centre
from ml_engine.evaluation.lfw import PICTURES
from ml_engine.evaluation.report import percent
from ml_engine.matching import ImpostorCurve, compared, decide
from ml_engine.matching.calibration import DEFAULT_FPIR, curve_of
from ml_engine.types import Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

# People of LFW, the data set of strangers, who are also among the enrolled people.
ENROLLED_IN_LFW = ("Ben_Affleck", "Jerry_Seinfeld", "Madonna")


@dataclass(frozen=True, slots=True)
class Probe:
    """An identified photo. `similarity` and `named` are None if no face was found."""

    photo: str
    person: str
    best: str | None
    similarity: float | None
    is_named: bool

    @property
    def is_right(self) -> bool:
        return self.is_named and self.best == self.person


@dataclass(frozen=True, slots=True)
class CelebsReport:
    """strangers_named: photos that got a name; people_named: people with at least one such
    photo."""

    preset: str
    people: int
    templates: int
    not_enrolled: list[str]
    threshold: float
    probes: list[Probe]
    strangers: int
    strangers_named: int
    people_of_strangers: int
    people_named: int

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        right = sum(probe.is_right for probe in self.probes)
        rank_1 = sum(probe.best == probe.person for probe in self.probes)
        found = sum(probe.best is not None for probe in self.probes)
        lines = [
            f"{self.preset}: {self.people} people with {self.templates} templates; "
            f"no face in {len(self.not_enrolled)} photos",
            f"threshold {self.threshold:.4f} (default for so many templates)",
            f"of {len(self.probes)} photos: face found {found}, right at rank 1 {rank_1}, "
            f"right and above the threshold {right}",
        ]
        lines += [
            f"  missed: {probe.photo} is {probe.person}, best {probe.best} {probe.similarity}"
            for probe in self.probes
            if not probe.is_right
        ]
        if self.strangers:
            share = percent(self.strangers_named / self.strangers)
            of_people = percent(self.people_named / self.people_of_strangers)
            lines.append(
                f"strangers named: {self.strangers_named} of {self.strangers:,} photos ({share}), "
                f"{self.people_named} of {self.people_of_strangers:,} people ({of_people}); "
                f"aimed at {percent(DEFAULT_FPIR)}"
            )
        return "\n".join(lines)


def evaluate_celebs(
    engine: FaceEngine, data: Path, preset: str, *, strangers: Path | None = None
) -> CelebsReport:
    """Enrolled with flip averaging and identified without, as live faces are."""
    of_enrolled, of_probe = Variant(preset, flip=True), Variant(preset)
    train, val = _pictures(data / "train"), _pictures(data / "val")
    enrolled = collect(engine, train, [of_enrolled], choose=largest, title="enrol")
    probes = collect(engine, val, [of_probe], choose=largest, title="identify")
    rows = np.flatnonzero(enrolled.has_face)
    owners = [train[row].parent.name for row in rows]
    gallery = enrolled.embeddings[of_enrolled][rows]
    curve = curve_of(preset, engine.detector)
    threshold = curve.threshold_for_gallery(len(rows))
    others = [] if strangers is None else _strangers(strangers)
    met = collect(engine, others, [of_probe], choose=nearest_centre, title="strangers")
    named = {
        path
        for path, vector, face in zip(others, met.embeddings[of_probe], met.faces, strict=True)
        if face and _identify(vector, gallery, owners, curve)[2]
    }
    return CelebsReport(
        preset=preset,
        people=len(set(owners)),
        templates=len(rows),
        not_enrolled=[str(train[row]) for row in np.flatnonzero(~enrolled.has_face)],
        threshold=threshold,
        probes=[
            Probe(path.name, path.parent.name, *_identify(vector, gallery, owners, curve))
            if face
            else Probe(path.name, path.parent.name, None, None, is_named=False)
            for path, vector, face in zip(
                val, probes.embeddings[of_probe], probes.faces, strict=True
            )
        ],
        strangers=len(others),
        strangers_named=len(named),
        people_of_strangers=len({path.parent for path in others}),
        people_named=len({path.parent for path in named}),
    )


def _identify(
    vector: Float32, gallery: Float32, owners: Sequence[str], curve: ImpostorCurve
) -> tuple[str | None, float | None, bool]:
    """The person of the best score, the similarity, and whether it is a match."""
    found = compared(vector, gallery, zip(owners, range(len(owners)), strict=True), curve.scoring)
    candidates = sorted(found, key=lambda candidate: -candidate.score)
    decision = decide(candidates, curve.threshold_for_gallery(len(owners)))
    best = str(candidates[0].person) if candidates else None
    return best, decision.similarity, decision.kind == "match"


def _pictures(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise FileNotFoundError(f"There are no photos of people in {folder}.")
    return paths


def _strangers(folder: Path) -> list[Path]:
    return [path for path in _pictures(folder) if path.parent.name not in ENROLLED_IN_LFW]
