"""Measures a collection on its own people: error rates, an impostor curve of its own, and pairs
that may be one person enrolled twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from accounts.audit import Actor, record
from ml_engine.matching import ImpostorCurve
from ml_engine.matching.cohort import PLAIN
from ml_engine.matching.decider_trial import decider_results
from ml_engine.matching.discard import DiscardPoint
from ml_engine.matching.error_rates import (
    DetPoint,
    TooFewPeople,
    error_rates,
    people_needed,
    sampled,
)
from ml_engine.matching.gallery_pairs import GalleryPairs
from ml_engine.types import Float32
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.figures import (
    CalibrationFigures,
    MissedFigures,
    OperatingPointFigures,
    SimilarPairFigures,
    measured_figures,
)
from recognition.people.index import gallery_of
from recognition.people.index.reading import TemplateReader
from recognition.people.model_versions import detector_in_use
from recognition.people.models import Calibration, Collection, ModelVersion, Person, Template
from recognition.people.rules import (
    Counted,
    Sized,
    calibration_of,
    curve_of_collection,
    model_curve,
    own_curve,
    rules_if_any,
    rules_of,
    threshold_for_gallery,
)
from recognition.people.selectors import models_of
from recognition.people.services.locks import check_in_use, lock_collection
from recognition.people.traces import Traced
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction

_CHUNK = 1000
# Stale once this share of the measured templates changed since.
_STALE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class SimilarPeople:
    """Two people who would match each other. is_left_out: the curve leaves their pair out."""

    first: Person
    second: Person
    similarity: float
    is_left_out: bool


@dataclass(frozen=True, slots=True)
class CalibrationState:
    """The last measurement, with the present gallery.

    is_current: the gallery has not changed much since. similar_pairs: without deleted people.
    curve: the collection's own, extended beyond `measured_until` by the model's. own_threshold,
    model_threshold: the threshold that each curve gives for the present gallery; None if the model
    has no curve.
    """

    calibration: Calibration
    is_current: bool
    is_in_force: bool
    similar_pairs: list[SimilarPeople]
    curve: ImpostorCurve
    own_threshold: float
    model_threshold: float | None

    @property
    def measured_until(self) -> float:
        """The similarity above which false match rates are extrapolated."""
        own: list[float] = self.calibration.impostor_curve["scores"]
        return own[-1]

    @property
    def measured_at(self) -> datetime:
        return self.calibration.measured_at

    @property
    def figures(self) -> CalibrationFigures:
        return self.calibration.figures

    @property
    def points(self) -> list[OperatingPointFigures]:
        """Operating points at round rates; from the extended curve if the pairs cannot measure a
        rate."""
        return [self._point(point) for point in self.figures["points"]]

    @property
    def det(self) -> list[DetPoint]:
        """The DET curve as measured, and its extension."""
        points = [DetPoint(**point) for point in self.figures["det"]]
        return [
            point
            if point.threshold <= self.measured_until
            else replace(point, fmr=self.curve.fmr(point.threshold))
            for point in points
        ]

    @property
    def discard(self) -> list[DiscardPoint]:
        """Error against discard; empty if nobody has two images."""
        return [DiscardPoint(**point) for point in self.figures["discard"]]

    def _point(self, measured: OperatingPointFigures) -> OperatingPointFigures:
        if measured["has_enough_pairs"]:
            return measured
        threshold = self.curve.threshold(measured["fmr"])
        near = nearest(self.det, threshold)
        return {
            **measured,
            "threshold": round(threshold, 4),
            "fnmr": near.fnmr if near else None,
            "fnmr_interval": None,
        }


def measuring_start(*, collection: Collection, actor: Actor) -> Job:
    """A job that measures the collection; the open one, if there is one already.

    ServiceError 409 `too_few_people`; the job may also end with it.
    """
    mine = Template.objects.filter(
        collection=collection, model=collection.embedder, image__person__is_active=True
    )
    people = mine.values("image__person_id").distinct().count()
    if people < people_needed():
        raise _too_few(people)
    return job_start(kind="measure", collection=collection.pk, actor=actor)


def measure_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the job kind `measure`: with each model of the collection."""
    collection = Collection.objects.filter(pk=context.collection_id).first()
    if collection is None:
        raise not_found("collection")
    context.progress(0.05, "Comparing everybody with everybody")
    calibration, *_ = [
        collection_calibrate(
            collection=collection, actor=context.actor, model=model, check=context.check
        )
        for model in models_of(collection)
    ]
    return {name: calibration.figures[name] for name in ("people", "templates")}


def collection_calibrate(
    *,
    collection: Collection,
    actor: Actor,
    model: ModelVersion | None = None,
    check: Callable[[], None] = lambda: None,
) -> Calibration:
    """Compare the active people of a collection with themselves and with each other, and replace
    the last measurement. No rule changes: `uses_own_curve` puts the curve in force.

    A large gallery is measured on a random sample, the same every time; see
    `ml_engine.matching.error_rates`, also for the pairs that may be one person. Results name people
    by id only. model: None is the one in force; the collection's candidate has a measurement of its
    own, for which a model without a curve is enough. check: called before the result is stored, and
    again in the transaction that stores it; if it raises, nothing is stored.

    ServiceError 409: `too_few_people` if there are too few pairs for a useful rate, `no_threshold`
    if the collection has no threshold, `embedder_changed` if the embedder changed meanwhile.
    """
    row = Collection.objects.select_related("embedder").filter(pk=collection.pk).first()
    if row is None:
        raise not_found("collection")
    row = row.seen_by(model or row.embedder)
    threshold, is_fixed = _similar_from(row)
    templates, people, names = _owners(row)
    if len(names) < people_needed():
        raise _too_few(len(names))
    vectors, drawn, qualities = _vectors(TemplateReader.of(row), templates, people)
    reference = model_curve(row)
    try:
        rates = error_rates(
            vectors,
            drawn,
            model=row.embedder.version,
            detector=detector_in_use(),
            source="the collection's own people",
            similar_from=threshold,
            is_fixed=is_fixed,
            reference=reference,
            qualities=qualities,
        )
    except TooFewPeople as error:  # some were deleted meanwhile
        raise _too_few(len(np.unique(drawn))) from error
    deciders = decider_results(vectors, drawn, cohort=reference.scoring if reference else PLAIN)
    sizes = {
        "people_total": len(names),
        "templates_total": len(templates),
        "similar_from": round(threshold, 4),
    }

    def store() -> Calibration:
        check()
        check_in_use(lock_collection(row.pk), row.embedder)
        calibration, _ = Calibration.objects.update_or_create(
            collection=row,
            model=row.embedder,
            defaults={
                "impostor_curve": rates.curve.to_dict(),
                "figures": measured_figures(rates, deciders, names) | sizes,
                "gallery_revision": row.gallery_revision,
                "measured_at": timezone.now(),
            },
        )
        record(actor, "collection.calibrate", row, collection_id=row.pk,
               people=rates.people, templates=rates.templates)  # fmt: skip
        return calibration

    check()
    return in_transaction(store)


def missed_people(collection: Collection) -> MissedFigures | None:
    """How many people with several images would be missed by most of them, at the threshold that
    the collection's model has. None without a threshold."""
    rules = rules_if_any(collection, _counted(collection))
    if rules is None:
        return None
    templates, people, _ = _owners(collection)
    vectors, drawn, _ = _vectors(TemplateReader.of(collection), templates, people)
    order = np.argsort(drawn, kind="stable")
    _, person = np.unique(drawn[order], return_inverse=True)
    genuine = GalleryPairs(vectors[order], person, rules.scoring).genuine()
    shares = genuine.missed_by_person(rules.threshold)
    return {
        "threshold": round(rules.threshold, 4),
        "people": len(genuine.people),
        "missed": int((shares > 0.5).sum()),
    }


def calibration_forget(collection: Collection, person: Person) -> Traced:
    """Remove the person from the similar pairs. Needs a transaction that holds the collection's
    lock. Rates stay: they name no person."""
    for row in Calibration.objects.filter(collection=collection):
        similar_pairs = row.figures["similar_pairs"]
        rest = [pair for pair in similar_pairs if str(person.pk) not in pair["people"]]
        if len(rest) < len(similar_pairs):
            row.figures["similar_pairs"] = rest
            row.figures["similar_pairs_total"] -= len(similar_pairs) - len(rest)
            row.save(update_fields=["figures"])
    return Traced()


def calibration_state(collection: Collection) -> CalibrationState | None:
    """None if the collection was not measured with the embedder in use."""
    calibration = calibration_of(collection)
    if calibration is None:
        return None
    gallery, model = _gallery(collection), model_curve(collection)
    own = own_curve(calibration, model)
    changes = collection.gallery_revision - calibration.gallery_revision
    return CalibrationState(
        calibration=calibration,
        is_current=changes <= _STALE_SHARE * calibration.figures["templates_total"],
        is_in_force=collection.uses_own_curve,
        similar_pairs=_similar_people(calibration.figures["similar_pairs"]),
        curve=own,
        own_threshold=threshold_for_gallery(own, collection, gallery),
        model_threshold=threshold_for_gallery(model, collection, gallery) if model else None,
    )


def _gallery(collection: Collection) -> Sized:
    """That of the model in force; a candidate's is not loaded for this."""
    return _counted(collection) if collection.is_seen_by_candidate else gallery_of(collection)


def _counted(collection: Collection) -> Sized:
    """For jobs: a process that only runs jobs would load the gallery, and keep it."""
    return Counted(TemplateReader.of(collection).size())


def _similar_from(collection: Collection) -> tuple[float, bool]:
    """The score from which two people match, and whether it was set by hand. For a candidate
    without any curve, similar pairs are not known before the measurement: 1.0."""
    if collection.is_seen_by_candidate and curve_of_collection(collection) is None:
        return 1.0, False
    rules = rules_of(collection, _counted(collection))
    return rules.threshold, rules.is_fixed


def nearest(points: Sequence[DetPoint], threshold: float) -> DetPoint | None:
    """The point with the nearest threshold."""
    return min(points, key=lambda point: abs(point.threshold - threshold), default=None)


def _owners(collection: Collection) -> tuple[list[int], NDArray[np.intp], list[UUID]]:
    """Templates of active people, the number of the person of each, and the ids of these people."""
    mine = Template.objects.filter(
        collection=collection, model=collection.embedder, image__person__is_active=True
    )
    rows = mine.order_by("pk").values_list("pk", "image__person_id")
    templates: list[int] = []
    people: list[int] = []
    numbers: dict[UUID, int] = {}
    for template, person in rows.iterator(chunk_size=_CHUNK):
        templates.append(template)
        people.append(numbers.setdefault(person, len(numbers)))
    return templates, np.array(people, np.intp), list(numbers)


def _vectors(
    source: TemplateReader, templates: Sequence[int], people: NDArray[np.intp]
) -> tuple[Float32, NDArray[np.intp], Float32]:
    """Vectors (n, d) of the compared templates, and the number of the person and the quality of
    each."""
    chosen = sampled(people)
    person_of = {templates[row]: int(people[row]) for row in chosen}
    ids = list(person_of)
    chunks = [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
    rows = [row for chunk in chunks for row in source.rows_of(chunk)]
    quality_of = {t: q for chunk in chunks for t, q in source.qualities(chunk).items()}
    vectors = np.frombuffer(b"".join(row.vector for row in rows), "<f4")
    owners = np.array([person_of[row.template] for row in rows], np.intp)
    qualities = np.array([quality_of.get(row.template, 0.0) for row in rows], np.float32)
    return vectors.reshape(len(rows), source.dimension), owners, qualities


def _similar_people(pairs: Sequence[SimilarPairFigures]) -> list[SimilarPeople]:
    """The pairs with present names, without people deleted meanwhile."""
    ids = {UUID(person) for pair in pairs for person in pair["people"]}
    there = Person.objects.in_bulk(ids)
    found = []
    for pair in pairs:
        first, second = (there.get(UUID(person)) for person in pair["people"])
        if first and second:
            found.append(SimilarPeople(first, second, pair["similarity"], pair["is_left_out"]))
    return found


def _too_few(people: int) -> ServiceError:
    needed = people_needed()
    message = (
        f"The collection has {people} active people with images; {needed} are needed before their "
        f"pairs say how often strangers are alike."
    )
    return ServiceError("too_few_people", message, status=409, people=people, needed=needed)
