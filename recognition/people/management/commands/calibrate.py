"""`manage.py calibrate`: measure a collection on its own people, or load a curve from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import SYSTEM
from ml_engine.matching import ImpostorCurve
from ml_engine.matching.calibration import read_curve
from ml_engine.types import ModelMismatch
from ml_engine.zoo import presets_of
from recognition.people.management.collections import collection_named
from recognition.people.model_versions import curve_in_use, detector_in_use, ensure_model_version
from recognition.people.services.calibration import calibration_state, collection_calibrate
from recognition.people.services.collections import collection_update
from recognition.people.services.model_curves import model_curve_update
from recognition.web.errors import ServiceError


class Command(BaseCommand):
    help = (
        "Measure a collection on its own people (COLLECTION), or give a model another impostor "
        "score curve than the one that comes with it (--model and --curve; without --curve: that "
        "one again). `python -m ml_engine.evaluation calibrate` makes such files."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("collection", nargs="?", help="Name or id of the collection.")
        what.add_argument("--model", choices=[card.name for card in presets_of("embedder")])
        parser.add_argument(
            "--use", action="store_true", help="Also put the collection's own curve in force."
        )
        parser.add_argument("--curve", type=Path, metavar="FILE", help="JSON.")

    def handle(self, *args: object, **options: Any) -> None:
        if options["model"] and options["use"]:
            raise CommandError("--use is for a collection.")
        if options["collection"] and options["curve"]:
            raise CommandError("--curve is for a model: name one by --model.")
        try:
            if options["model"]:
                self._load(options["model"], options["curve"])
            else:
                self._measure(options["collection"], is_used=options["use"])
        except ServiceError as error:
            raise CommandError(error.message) from error

    def _load(self, preset: str, file: Path | None) -> None:
        try:
            curve = self._curve(preset, file) if file else None
        except (OSError, ValueError, ModelMismatch) as error:
            raise CommandError(f"{file}: {error}") from error
        version = model_curve_update(preset=preset, curve=curve, actor=SYSTEM)
        in_force = curve_in_use(version)
        if in_force is None:
            self.stdout.write(f"{preset}: no curve with {detector_in_use()}.")
            return
        self.stdout.write(
            f"{preset}: {in_force.pairs:,} pairs of strangers, {in_force.source}. "
            f"One in 10,000 reaches {in_force.threshold(1e-4):.3f}."
        )

    def _curve(self, name: str, file: Path) -> ImpostorCurve:
        model, detector = ensure_model_version(name), detector_in_use()
        return read_curve(file, model=model.version, detector=detector)

    def _measure(self, name: str, *, is_used: bool) -> None:
        collection = collection_named(name)
        figures = collection_calibrate(collection=collection, actor=SYSTEM).figures
        self.stdout.write(
            f"{collection.name}: {figures['people']:,} of {figures['people_total']:,} people with "
            f"{figures['templates']:,} images"
        )
        if is_used:
            collection = collection_update(collection=collection, actor=SYSTEM, uses_own_curve=True)
        state = calibration_state(collection)
        assert state is not None  # measured just before
        for point in state.points:
            missed = "" if point["fnmr"] is None else f", {100 * point['fnmr']:.1f} % missed"
            pairs = f"{point['false_match_count']:,} pairs"
            rests = pairs if point["has_enough_pairs"] else "the model's curve"
            self.stdout.write(
                f"  1 in {1 / point['fmr']:>7,.0f} strangers match at {point['threshold']:.3f}"
                f"{missed} ({rests})"
            )
        for pair in state.similar_pairs:
            out = ", left out" if pair.is_left_out else ""
            self.stdout.write(
                f"  perhaps one person: {pair.first.pk} and {pair.second.pk}, similarity "
                f"{pair.similarity:.2f}{out}"
            )
        in_force = "in force" if state.is_in_force else "not in force (--use puts it there)"
        self.stdout.write(f"  its own threshold is {state.own_threshold:.3f}, {in_force}")
