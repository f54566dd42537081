"""The rows of networks, and whether this installation can load them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from accounts.audit import SYSTEM, Actor, record
from ml_engine.matching import ImpostorCurve
from ml_engine.matching.calibration import curve_of
from ml_engine.zoo import PRESETS, preset, presets_of
from recognition.engine import engine_config
from recognition.jobs.services import job_start
from recognition.people.model_files import is_in_place
from recognition.people.models import Collection, ModelVersion
from recognition.people.models.curves import stored_curve
from recognition.web.boundaries import ColumnValues, JsonDict
from recognition.web.errors import ServiceError
from recognition.web.transactions import in_transaction

# Marks a curve in a row's JSON that an administrator loaded instead of the preset's.
LOADED = "is_loaded"


def ensure_model_version(preset_name: str) -> ModelVersion:
    """The row of a preset at its hash, made or brought up to date with the preset's figures and
    impostor score curve; a curve that an administrator loaded stays."""
    card = preset(preset_name)
    version, _ = ModelVersion.objects.get_or_create(
        name=card.name,
        sha256=card.sha256,
        defaults={"role": card.role, "dimension": card.dimension},
    )
    told: ColumnValues = {
        "figures": card.figures,
        "impostor_curves": _with_curve_of_zoo(version.impostor_curves, card.version),
    }
    changed = [name for name, value in told.items() if value and getattr(version, name) != value]
    if changed:
        before = normalisation_of(version)
        for name in changed:
            setattr(version, name, told[name])

        def store() -> None:
            version.save(update_fields=changed)
            normalisation_follow(version, before, SYSTEM)

        in_transaction(store)
    return version


def embedder_named(name: str) -> ModelVersion:
    """The row of an embedder: a preset by its name, any other by its name or its version.

    ServiceError 400 `unknown_model`.
    """
    if name in {card.name for card in presets_of("embedder")}:
        return ensure_model_version(name)
    rows = ModelVersion.objects.filter(role=ModelVersion.Role.EMBEDDER).order_by("-created_at")
    row = next((row for row in rows if name in (row.name, row.version)), None)
    if row is None:
        raise ServiceError("unknown_model", f"There is no embedder {name!r}; see GET models.")
    return row


def detector_version() -> ModelVersion:
    """The row of the detector in use."""
    return ensure_model_version(engine_config().detector)


def detector_in_use() -> str:
    """`name@hash` of the detector: a curve holds for one embedder with one detector."""
    return preset(engine_config().detector).version


def curve_in_use(version: ModelVersion) -> ImpostorCurve | None:
    """The embedder's curve with the detector in use; None if that pair was not measured."""
    values = version.impostor_curves.get(detector_in_use())
    return stored_curve(values) if values else None


def curve_put(version: ModelVersion, curve: ImpostorCurve | None) -> None:
    """Set another curve for the detector in use; None restores the zoo's curve. This changes only
    the object: `curve_store` stores it, with what follows for collections."""
    detector = detector_in_use()
    kept = {name: each for name, each in version.impostor_curves.items() if name != detector}
    if curve is not None:
        version.impostor_curves = kept | {detector: curve.to_dict() | {LOADED: True}}
    else:
        version.impostor_curves = _with_curve_of_zoo(kept, version.version)


def curve_store(version: ModelVersion, curve: ImpostorCurve | None, actor: Actor) -> None:
    """Put another curve in force for the detector in use; None restores the zoo's curve. Needs a
    transaction. See `normalisation_follow` for collections."""
    before = normalisation_of(version)
    curve_put(version, curve)
    version.save(update_fields=["impostor_curves"])
    record(actor, "model.curve", version, source=curve.source if curve else "preset")
    normalisation_follow(version, before, actor)


def normalisation_of(version: ModelVersion) -> str:
    """Of the scores with the curve in use; empty if there is none."""
    curve = curve_in_use(version)
    return curve.normalisation if curve else ""


# Columns of a collection: a model, the threshold that was set by hand for it, and whether its own
# curve is used with it.
_RULES_OF_MODELS = (
    ("embedder", "match_threshold", "uses_own_curve"),
    ("candidate", "candidate_threshold", "candidate_own_curve"),
)


def normalisation_follow(version: ModelVersion, before: str, actor: Actor) -> None:
    """Thresholds that were set by hand, and own curves of collections, belong to the scores of one
    normalisation. If it changed, the former are removed. The latter are out of force until the
    collection is measured again, which is started here. Needs a transaction."""
    if normalisation_of(version) == before:
        return
    for model, threshold, own_curve in _RULES_OF_MODELS:
        is_affected = Q(**{f"{threshold}__isnull": False}) | Q(**{own_curve: True})
        for row in Collection.objects.filter(is_affected, **{model: version}):
            removed, measures = getattr(row, threshold), getattr(row, own_curve)
            record(actor, "collection.scores_change", row, collection_id=row.pk,
                   model=version.version, removed_threshold=removed, measures=measures)  # fmt: skip
            setattr(row, threshold, None)
            row.save(update_fields=[threshold])
            if measures:
                job_start(kind="measure", collection=row.pk, actor=actor, is_input_new=True)


@dataclass(frozen=True, slots=True)
class MissingVersion:
    """A collection whose model version this installation cannot load. installed: the version of
    the same name that it has instead; None if it knows no model of this name."""

    collection: Collection
    installed: str | None

    @property
    def wanted(self) -> str:
        return self.collection.embedder.version

    @property
    def message(self) -> str:
        told = f"The collection was enrolled with {self.wanted}; "
        if self.installed is None:
            return told + "this installation has no model of this name."
        return told + f"{self.installed} is installed, and their vectors cannot be compared."

    @property
    def way_out(self) -> str:
        """What the user can do about it, as text."""
        back = "Bring the weights of that version back"
        if self.installed is None:
            return f"{back}."
        name = self.collection.name
        return f'{back}, or take up the installed one: manage.py take_up_model "{name}".'


def missing_version(collection: Collection) -> MissingVersion | None:
    """None if the collection's model version can be loaded."""
    version = collection.embedder
    installed = installed_version(version)
    return None if installed == version.version else MissingVersion(collection, installed)


def missing_versions() -> list[MissingVersion]:
    """The missing versions of all collections, for the start page and the system check."""
    rows = Collection.objects.select_related("embedder").order_by("name")
    return [missing for row in rows if (missing := missing_version(row)) is not None]


def installed_version(version: ModelVersion) -> str | None:
    """The version of this model's name that the engine would load; None if there is none."""
    if version.source == ModelVersion.Source.FILE:
        return version.version if is_in_place(version) else None
    card = PRESETS.get(version.name)
    return card.version if card else None


def require_version(collection: Collection) -> None:
    """ServiceError 409 `model_version_missing` if the collection's vectors cannot be compared with
    what the engine makes now."""
    missing = missing_version(collection)
    if missing is not None:
        raise ServiceError(
            "model_version_missing",
            f"{missing.message} {missing.way_out}",
            status=409,
            wanted=missing.wanted,
            installed=missing.installed,
        )


def refuse_unusable(embedder: ModelVersion) -> None:
    """ServiceError 409 `model_not_usable` for a model that was not shown to tell people apart."""
    if embedder.state != ModelVersion.State.USABLE:
        message = f"{embedder.version} was not evaluated, or not well: evaluate it first."
        raise ServiceError("model_not_usable", message, status=409)


def _with_curve_of_zoo(curves: JsonDict, embedder: str) -> JsonDict:
    """The curves with the zoo's curve for the detector in use, unless an administrator loaded
    one."""
    detector = detector_in_use()
    if curves.get(detector, {}).get(LOADED):
        return curves
    try:
        return curves | {detector: curve_of(embedder, detector).to_dict()}
    except KeyError:
        return curves
