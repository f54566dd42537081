"""`manage.py models`: the models of this site, and those of the user's own."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import SYSTEM
from ml_engine.formats import Wish, inspect_file, placeholder_values
from ml_engine.types import ModelFileError
from ml_engine.zoo import PRESETS, Preprocessing, fetch
from recognition.people.management.collections import collection_named
from recognition.people.model_payloads import model_payload
from recognition.people.model_versions import embedder_named, installed_version
from recognition.people.models import ModelVersion
from recognition.people.services.model_curves import curve_effects, evaluated_curve_use
from recognition.people.services.own_models import (
    OF_A_COLLECTION,
    collection_vectors,
    folder_vectors,
    model_add,
    model_evaluate,
    model_remove,
    model_use,
)
from recognition.web.errors import ServiceError

_LONGEST_LIST = 40


class Command(BaseCommand):
    help = "List models, and add, evaluate, use and remove models of your own."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="presets and models of your own")
        inspect = verbs.add_parser("inspect", help="what is in a file; nothing of it is run")
        inspect.add_argument("file", type=Path)
        _add_wish(inspect)
        add = verbs.add_parser("add", help="check and convert a file, and keep it under a name")
        add.add_argument("name")
        add.add_argument("file", type=Path)
        add.add_argument("--licence", default="")
        add.add_argument("--training-data", default="")
        _add_wish(add)
        pull = verbs.add_parser("pull", help="download the weights of a preset")
        pull.add_argument("name", choices=sorted(PRESETS))
        evaluate = verbs.add_parser("evaluate", help="measure a model; only then it can be used")
        evaluate.add_argument("name")
        data = evaluate.add_mutually_exclusive_group(required=True)
        data.add_argument("--data", type=Path, help="folder with a folder of photos per person")
        data.add_argument("--collection", help="name or id: its own people")
        use = verbs.add_parser("use", help="make it the embedder of a collection")
        use.add_argument("name")
        use.add_argument("collection")
        take = verbs.add_parser(
            "use-curve", help="put the curve of the last evaluation of a model in use in force"
        )
        take.add_argument("name")
        take.add_argument("--dry-run", action="store_true", help="only say what would change")
        show = verbs.add_parser("show", help="the card of a model, as JSON")
        show.add_argument("name")
        verbs.add_parser("remove", help="remove a model of your own").add_argument("name")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb.replace('-', '_')}")(options)
        except (ServiceError, ModelFileError) as error:
            raise CommandError(error.message) from error
        except (ValueError, TypeError) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        known = {row.version for row in ModelVersion.objects.all()}
        for preset in PRESETS.values():
            if preset.version not in known:
                self.stdout.write(f"{preset.version}  {preset.role}  preset")
        for row in ModelVersion.objects.order_by("name", "created_at"):
            state = row.state if installed_version(row) == row.version else "missing"
            rate = row.figures.get("eer")
            told = [f"equal error rate {rate:.4f}" if rate is not None else "", row.licence]
            parts = [row.version, row.role, row.source, state, *filter(None, told)]
            self.stdout.write("  ".join(parts))

    def _inspect(self, options: dict[str, Any]) -> None:
        for title, value in inspect_file(options["file"], _wish(options)).items():
            if isinstance(value, dict):
                self._tell(title, [f"{count:6} {name}" for name, count in value.items()])
            elif isinstance(value, list):
                self._tell(title, [_row(each) for each in value])
            elif value:
                self.stdout.write(f"{title}: {value}")

    def _tell(self, title: str, lines: list[str]) -> None:
        self.stdout.write(f"{title}: {len(lines)}")
        for line in lines[:_LONGEST_LIST]:
            self.stdout.write(f"  {line}")
        if len(lines) > _LONGEST_LIST:
            self.stdout.write("  …")

    def _add(self, options: dict[str, Any]) -> None:
        version = model_add(
            path=options["file"],
            name=options["name"],
            wish=_wish(options),
            licence=options["licence"],
            training_data=options["training_data"],
            actor=SYSTEM,
        )
        told = version.report
        self.stdout.write(
            f"{version} was added: {version.dimension} numbers a face, {told['face_ms']} ms of CPU "
            f"a face. Evaluate it before it is used: manage.py models evaluate {version.name}"
        )

    def _pull(self, options: dict[str, Any]) -> None:
        for artefact in PRESETS[options["name"]].artefacts:
            for path in fetch(artefact, Path(settings.WEIGHTS_DIR)).values():
                self.stdout.write(f"{path.name} is there.")

    def _evaluate(self, options: dict[str, Any]) -> None:
        version = embedder_named(options["name"])
        if options["data"]:
            source, vectors = options["data"].name, folder_vectors(version, options["data"])
        else:
            collection = collection_named(options["collection"])
            source = OF_A_COLLECTION
            vectors = collection_vectors(version, collection)
        version = model_evaluate(version=version, vectors=vectors, source=source, actor=SYSTEM)
        figures = version.figures
        self.stdout.write(
            f"{version} is {version.state}: {figures['people']} people, {figures['templates']} "
            f"faces, equal error rate {figures['eer']:.4f}."
        )
        if version.evaluated_curves:
            self.stdout.write(
                "Collections use it: its state and its curve did not change. See what the new one "
                f"would do, and take it: manage.py models use-curve {version} --dry-run"
            )

    def _use_curve(self, options: dict[str, Any]) -> None:
        version = embedder_named(options["name"])
        for effect in curve_effects(version):
            now, then = (
                "no threshold" if value is None else f"{value:.3f}"
                for value in (effect.now, effect.then)
            )
            kept = "set by hand, " if effect.removes_fixed else ""
            again = "; it is measured again for its own curve" if effect.measures else ""
            self.stdout.write(f"{effect.collection.name}: {kept}{now}, then {then}{again}")
        if not options["dry_run"]:
            evaluated_curve_use(version=version, actor=SYSTEM)
            self.stdout.write("The curve is in force.")

    def _show(self, options: dict[str, Any]) -> None:
        payload = model_payload(embedder_named(options["name"]))
        self.stdout.write(json.dumps(payload, indent=1, sort_keys=True))

    def _use(self, options: dict[str, Any]) -> None:
        collection = collection_named(options["collection"])
        version = embedder_named(options["name"])
        change = model_use(version=version, collection=collection, actor=SYSTEM)
        if change is None:
            self.stdout.write(f"{collection.name} now uses {version}.")
        else:
            self.stdout.write(
                f"The faces of {collection.name} are embedded with {version} by a job. Compare and "
                "switch on the page of the collection, Change the model."
            )

    def _remove(self, options: dict[str, Any]) -> None:
        version = embedder_named(options["name"])
        model_remove(version=version, actor=SYSTEM)
        self.stdout.write(f"{options['name']} was removed.")


def _add_wish(parser: ArgumentParser) -> None:
    parser.add_argument("--input", default="", help="tensor, if it is not found")
    parser.add_argument("--output", default="", help="tensor or Keras layer with the embedding")
    parser.add_argument("--size", type=int, default=0, help="side of the input in pixels")
    parser.add_argument("--layout", choices=["nhwc", "nchw"], default="")
    parser.add_argument("--checkpoint", default="", help="prefix of its files, beside a .meta")
    parser.add_argument(
        "--network", default="", help="for weights without a network: inception_resnet_v1"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another placeholder"
    )
    parser.add_argument("--mean", type=float, nargs="+", default=[127.5])
    parser.add_argument("--scale", type=float, nargs="+", default=[128.0])
    parser.add_argument("--channels", choices=["rgb", "bgr", "grey"], default="rgb")
    parser.add_argument("--whitened", action="store_true", help="each picture by its own mean")
    parser.add_argument("--alignment", choices=["arcface", "dlib", "box"], default="arcface")
    parser.add_argument("--margin", type=float, default=0.0, help="of a box, in widths")


def _wish(options: dict[str, Any]) -> Wish:
    plain = ("input", "output", "size", "layout", "network", "checkpoint", "alignment", "margin")
    return Wish(
        values=placeholder_values(options["set"]),
        preprocessing=Preprocessing.from_dict(
            {
                "mean": _one_or_three(options["mean"]),
                "scale": _one_or_three(options["scale"]),
                "channels": options["channels"],
                "is_whitened": options["whitened"],
            }
        ),
        **{name: options[name] for name in plain},
    )


def _one_or_three(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values


def _row(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    shape = value.get("shape")
    told = "?" if shape is None else " x ".join("?" if side < 0 else str(side) for side in shape)
    return f"{value['name']}  {told or 'one'}  {value.get('dtype', '')}".rstrip()
