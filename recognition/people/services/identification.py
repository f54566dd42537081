"""Detect, embed, identify, verify: a picture in, an answer out; only the audit entry is kept."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from accounts.audit import Actor, record
from ml_engine import Face
from ml_engine.matching import (
    Candidate,
    Decision,
    ImpostorCurve,
    compared,
    decide,
    name_once,
    without_vetoed,
)
from ml_engine.matching.calibration import VERIFY_FMR
from ml_engine.matching.cohort import PLAIN
from ml_engine.request import PHOTO, Wanted
from ml_engine.types import Float32, Image
from recognition.engine import engine_config, get_engine
from recognition.people.index import Gallery, gallery_of
from recognition.people.index.reading import TemplateReader
from recognition.people.model_versions import curve_in_use, ensure_model_version, require_version
from recognition.people.models import Collection, Person, Template
from recognition.people.rules import Rules, curve_of_collection, rules_of, uncalibrated
from recognition.people.services.face_choice import ONLY, FaceChoice, NoSingleFace, choose
from recognition.people.services.pictures import ask_of, decoded
from recognition.people.services.scaled_pictures import ScaledPicture, scaled
from recognition.web.errors import ServiceError

Timing = dict[str, float]


@dataclass(frozen=True, slots=True)
class CandidatePerson:
    person_id: UUID
    person_name: str | None
    external_id: str | None
    similarity: float
    image_id: UUID | None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """A face with its decision. The person's fields and `image_id` are set for a match only;
    `similarity` and `fmr` are those of the best candidate."""

    face: Face
    decision: str
    threshold: float
    similarity: float | None = None
    fmr: float | None = None
    person_id: UUID | None = None
    person_name: str | None = None
    external_id: str | None = None
    labels: tuple[str, ...] = ()
    image_id: UUID | None = None
    template_id: int | None = None
    candidates: tuple[CandidatePerson, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectResult:
    """size: width and height of the upright picture."""

    faces: list[Face]
    size: tuple[int, int]
    timing_ms: Timing


@dataclass(frozen=True, slots=True)
class IdentifyResult:
    faces: list[IdentifiedFace]
    size: tuple[int, int]
    model: str
    threshold: float
    timing_ms: Timing


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """`face_b` for two pictures, `image_id` for a picture and a person."""

    decision: str
    similarity: float
    threshold: float
    fmr: float | None
    model: str
    face_a: Face
    face_b: Face | None = None
    image_id: UUID | None = None


def default_embedder() -> str:
    """The preset that is used if the caller names none."""
    return engine_config().embedder


def decide_candidates(rules: Rules, candidates: Sequence[Candidate]) -> Decision:
    """The decision for candidates, best first, by a collection's rules: the only place that
    decides, for REST and live. It needs two candidates to see that a face is ambiguous."""
    return decide(list(candidates), rules.threshold, rules.margin, rules.curve, rules.model)


def identified_face(face: Face, decision: Decision, gallery: Gallery) -> IdentifiedFace:
    """A decision with the names and images that belong to it."""
    candidates = tuple(_candidate(candidate, gallery) for candidate in decision.candidates)
    found = IdentifiedFace(
        face=face,
        decision=decision.kind,
        threshold=decision.threshold,
        similarity=decision.similarity,
        fmr=decision.fmr,
        candidates=candidates,
    )
    if decision.kind != "match":
        return found
    best = candidates[0]
    return replace(
        found,
        person_id=best.person_id,
        person_name=best.person_name,
        external_id=best.external_id,
        labels=best.labels,
        image_id=best.image_id,
        template_id=decision.template,
    )


def detect(*, data: bytes, actor: Actor, wanted: Wanted = PHOTO) -> DetectResult:
    """Faces with landmarks and quality, largest first."""
    timing: Timing = {}
    with _timed(timing, "total"), _scaled(data, wanted, timing) as picture:
        ask = ask_of(actor.name, timings=timing)
        (found,) = get_engine().find([picture.image], picture.wanted, ask)
    faces = picture.told(found)
    record(actor, "face.detect", faces=len(faces))
    return DetectResult(faces, picture.size, _rounded(timing))


def embed(*, data: bytes, actor: Actor, embedder: str) -> list[Face]:
    """Every face of the picture with its embedding by a preset."""
    with decoded(data) as image:
        ask = ask_of(actor.name)
        (faces,) = get_engine().analyze([image], PHOTO, ask, embedder=embedder)
    record(actor, "face.embed", faces=len(faces), model=embedder)
    return faces


def identify(
    *,
    collection: Collection,
    data: bytes,
    actor: Actor,
    max_candidates: int = 5,
    wanted: Wanted = PHOTO,
    threshold: float | None = None,
) -> IdentifyResult:
    """Every face of the picture that is wanted, each with a decision."""
    timing: Timing = {}
    with _timed(timing, "total"), _scaled(data, wanted, timing) as picture:
        require_version(collection)
        gallery = gallery_of(collection)
        rules = rules_of(collection, gallery).fixed_at(threshold)
        ask = ask_of(actor.name, timings=timing)
        flip = _flips(collection)
        (seen,) = get_engine().analyze(
            [picture.image], picture.wanted, ask, embedder=gallery.model, flip=flip
        )
        with _timed(timing, "search"):
            found = _identified(picture.told(seen), gallery, rules, max_candidates)
    matches = sum(face.decision == "match" for face in found)
    record(actor, "face.identify", collection, collection_id=collection.pk,
           faces=len(found), matches=matches)  # fmt: skip
    return IdentifyResult(found, picture.size, gallery.model, rules.threshold, _rounded(timing))


def verify(
    *,
    data_a: bytes,
    data_b: bytes,
    actor: Actor,
    embedder: str | None = None,
    threshold: float | None = None,
    choice_a: FaceChoice = ONLY,
    choice_b: FaceChoice = ONLY,
) -> VerifyResult:
    """Whether two pictures show the same person. choices: which face of each is meant."""
    preset = embedder or default_embedder()
    face_a = _chosen_face(data_a, preset, choice_a, "the first picture", actor, flip=False)
    face_b = _chosen_face(data_b, preset, choice_b, "the second picture", actor, flip=False)
    model = ensure_model_version(preset)
    curve = curve_in_use(model)
    limit, is_fixed = _verify_threshold(threshold, None, curve, model.version)
    vector = _embedding(face_b)[None]
    (pair,) = _compared("", _embedding(face_a), vector, curve, is_fixed=is_fixed)
    decision = decide([pair], limit, curve=curve)
    record(actor, "face.verify", model=model.version, decision=decision.kind)
    return _verified(decision, pair, model.version, face_a, face_b=face_b)


def verify_person(
    *,
    person: Person,
    data: bytes,
    actor: Actor,
    threshold: float | None = None,
    choice: FaceChoice = ONLY,
) -> VerifyResult:
    """Whether a picture shows this person, by the best of their templates.

    It compares with one person, so the size of the gallery does not raise the threshold. A face
    that a `Negative` of the person rules out does not match, however similar it is. ServiceError
    409 if the person has no templates, or is not active.
    """
    collection = Collection.objects.select_related("embedder").get(pk=person.collection_id)
    require_version(collection)
    vectors, images = _templates_of(person, collection)
    model = collection.embedder
    face = _chosen_face(data, model.version, choice, "the picture", actor, flip=_flips(collection))
    curve = curve_of_collection(collection)
    limit, is_fixed = _verify_threshold(threshold, collection, curve, model.version)
    pairs = _compared(person.pk, _embedding(face), vectors, curve, is_fixed=is_fixed)
    best = max(pairs, key=lambda pair: pair.score)
    decision = decide([best], limit, curve=curve)
    negatives = TemplateReader.of(collection).negatives([person.pk])
    if not without_vetoed([best], _embedding(face), negatives):
        decision = replace(decision, kind="unknown")
    record(actor, "face.verify", person, collection_id=collection.pk, decision=decision.kind)
    return _verified(decision, best, model.version, face, image_id=images[best.template])


def _compared(
    person: Hashable,
    face: Float32,
    templates: Float32,
    curve: ImpostorCurve | None,
    *,
    is_fixed: bool,
) -> list[Candidate]:
    """A face (d,) with each template (n, d) of a person, which are numbered."""
    owners = ((person, number) for number in range(len(templates)))
    cohort = curve.scoring if curve else PLAIN
    return compared(face, templates, owners, cohort, is_fixed=is_fixed)


def _verified(
    decision: Decision,
    pair: Candidate,
    model: str,
    face: Face,
    *,
    face_b: Face | None = None,
    image_id: UUID | None = None,
) -> VerifyResult:
    return VerifyResult(
        decision.kind,
        pair.similarity,
        decision.threshold,
        decision.fmr,
        model,
        face,
        face_b,
        image_id,
    )


def _identified(
    faces: Sequence[Face],
    gallery: Gallery,
    rules: Rules,
    max_candidates: int,
) -> list[IdentifiedFace]:
    if not faces:
        return []
    vectors = np.stack([_embedding(face) for face in faces])
    people = gallery.search(
        vectors, people=max(2, max_candidates), curve=rules.curve, is_fixed=rules.is_fixed
    )
    decisions = [decide_candidates(rules, each) for each in people]
    answers = []
    for face, decision in zip(faces, name_once(decisions), strict=True):
        found = identified_face(face, decision, gallery)
        answers.append(replace(found, candidates=found.candidates[:max_candidates]))
    return answers


def _embedding(face: Face) -> Float32:
    assert face.embedding is not None  # analyze() gives every face one
    return face.embedding


def _candidate(candidate: Candidate, gallery: Gallery) -> CandidatePerson:
    person = candidate.person
    assert isinstance(person, UUID)
    return CandidatePerson(
        person_id=person,
        person_name=gallery.name_of(person),
        external_id=gallery.external_id_of(person),
        labels=gallery.labels_of(person),
        similarity=candidate.similarity,
        image_id=gallery.image_of(candidate.template),
    )


def _flips(collection: Collection) -> bool:
    """Whether a face that is recognised is averaged with its mirror image."""
    return collection.flip_averaging == Collection.FlipAveraging.BOTH


def _chosen_face(
    data: bytes, preset: str, choice: FaceChoice, picture: str, actor: Actor, *, flip: bool
) -> Face:
    with decoded(data) as image:
        size = _size(image)
        ask = ask_of(actor.name)
        (faces,) = get_engine().analyze([image], PHOTO, ask, embedder=preset, flip=flip)
    try:
        return choose(faces, size, choice, picture=picture)
    except NoSingleFace as error:
        details = {"faces_found": len(faces)} if faces else {}
        raise ServiceError(error.code, error.message, status=422, **details) from error


def _templates_of(person: Person, collection: Collection) -> tuple[Float32, list[UUID]]:
    if not person.is_active:
        message = "This person is not active, and so is not recognised."
        raise ServiceError("person_inactive", message, status=409)
    rows = Template.objects.filter(image__person=person, model=collection.embedder_id)
    found = list(rows.values_list("vector", "image_id"))
    if not found:
        message = "This person has no images yet."
        raise ServiceError("person_without_images", message, status=409)
    return np.stack([Template.unpack(vector) for vector, _ in found]), [image for _, image in found]


def _verify_threshold(
    asked: float | None,
    collection: Collection | None,
    curve: ImpostorCurve | None,
    model: str,
) -> tuple[float, bool]:
    """And whether it was set by hand, so that it is the same in every kind of picture."""
    if asked is not None:
        return asked, True
    if collection is not None and collection.match_threshold is not None:
        return collection.match_threshold, True
    if curve is None:
        raise uncalibrated(model)
    rate = collection.target_false_match_rate if collection is not None else None
    return curve.threshold(rate or VERIFY_FMR), False


@contextmanager
def _scaled(data: bytes, wanted: Wanted, timing: Timing) -> Iterator[ScaledPicture]:
    with ExitStack() as held:
        with _timed(timing, "decode"):
            picture = held.enter_context(scaled(data, wanted))
        yield picture


def _size(image: Image) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _rounded(timing: Timing) -> Timing:
    return {stage: round(ms, 2) for stage, ms in timing.items()}


@contextmanager
def _timed(timing: Timing, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timing[stage] = (time.perf_counter() - started) * 1000
