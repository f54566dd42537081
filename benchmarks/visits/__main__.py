"""`python -m benchmarks.visits`: people in front of a camera, with known truth.

Photos of LFW, turned, covered, blurred and moved, go through the recogniser and the log of visits
as frames with their times, at 5, 10, 15 and 25 frames a second; events are written into a database.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks.peers import ROOT
from benchmarks.visits.figures import Seen, by_fps, by_scene, clopper_pearson, share
from benchmarks.visits.pictures import View, wall
from benchmarks.visits.replay import MIN_FACE_PX, Bank, ReplayEngine
from benchmarks.visits.scenes import Appearance, Person, Placed, Scene, all_scenes, stranger_visit
from ml_engine.tracking import LEAST_QUALITY
from ml_engine.types import Image
from ml_engine.zoo import default_weights_dir

if TYPE_CHECKING:
    from benchmarks.visits.gallery import PhotoRulebook
    from recognition.cameras.services.streams import OwnStream
    from recognition.live.visits import Visit
    from recognition.people.models import Collection

_START = datetime(2026, 1, 1, tzinfo=UTC)
_STRANGER_FPS = 10.0


class Stage:
    """Plays scenes to a stream of its own each, and counts. names: of people, by id."""

    def __init__(
        self,
        collection: Collection,
        names: dict[Any, str],
        bank: Bank,
        rulebook: PhotoRulebook,
        *,
        is_real: bool,
    ) -> None:
        self.names = names
        self._collection = collection
        self._bank = bank
        self._rulebook = rulebook
        self._is_real = is_real

    def play(self, scene: Scene, fps: float) -> list[Seen]:
        from recognition.cameras.services.streams import stream_begin
        from recognition.events.services.streams import stream_end
        from recognition.web.identifiers import uuid7

        stream = stream_begin(stream_id=uuid7(), collection=self._collection, camera=None)
        counted = {id(a): Seen(scene.name, fps, a.who, a.is_visit) for a in scene.appearances}
        shown = self._show(scene, fps, stream, counted)
        self._count_events(scene, stream, counted, shown)
        stream_end(stream_id=stream.id, lease=stream.lease)
        return list(counted.values())

    def _show(
        self, scene: Scene, fps: float, stream: OwnStream, counted: dict[int, Seen]
    ) -> dict[Visit, Counter[int]]:
        """All frames; returns in how many of them each visit showed each appearance."""
        from ml_engine.request import Ask
        from recognition.live.recogniser import Recogniser
        from recognition.live.slot import Load
        from recognition.live.view import View
        from recognition.live.visit_log import VisitLog

        rulebook = cast("Any", self._rulebook)
        engine = cast("Any", ReplayEngine(self._bank, is_real=self._is_real))
        recogniser = Recogniser(rulebook, ask=Ask(caller=str(stream.id)), min_face_px=MIN_FACE_PX)
        log = VisitLog(rulebook, stream, lambda payload, kind: None)
        shown: dict[Visit, Counter[int]] = {}
        for at_s, here in scene.frames(fps):
            image = self._picture([placed for _, placed in here])
            engine.show([placed for _, placed in here])
            seen, left = recogniser.recognise(engine, View(image), at_s, {}, Load())
            log.see(seen, left, at_s, _START + timedelta(seconds=at_s))
            for one in seen:
                appearance = _nearest(one.face.box, here)
                decision = one.identity.decision
                name = self.names.get(decision.person) if decision else None
                counted[id(appearance)].hear(name, at_s - appearance.seen_well_s)
                if visit := log._book.visit_of(one.identity.track):
                    shown.setdefault(visit, Counter())[id(appearance)] += 1
            log.keep_pictures(image, seen)
            log.close_gone(at_s)
        log.close()
        return shown

    def _picture(self, people: Sequence[Placed]) -> Image:
        image = wall()
        for placed in people:
            self._bank.sprite(placed.view).paste(image, placed.x, placed.y)
        return image

    def _count_events(
        self,
        scene: Scene,
        stream: OwnStream,
        counted: dict[int, Seen],
        shown: dict[Visit, Counter[int]],
    ) -> None:
        from recognition.events.models import Event
        from recognition.live.writer import visit_writer

        visit_writer().flush(60)
        of_event = {visit.event_id: counts for visit, counts in shown.items()}
        for event in Event.objects.filter(stream=stream.id).order_by("started_at"):
            told = self.names[event.person_id] if event.person_id else "?"
            counted[_owner(of_event.get(event.pk), event, scene)].events.append(told)


def _nearest(box: Any, here: Sequence[tuple[Appearance, Placed]]) -> Appearance:
    x, y = (box[:2] + box[2:]) / 2
    seen = [pair for n, pair in enumerate(here) if not _is_behind(pair[1], here[n + 1 :])]
    return min(seen, key=lambda pair: (pair[1].x - x) ** 2 + (pair[1].y - y) ** 2)[0]


def _is_behind(placed: Placed, in_front: Sequence[tuple[Appearance, Placed]]) -> bool:
    return any(abs(placed.x - other.x) < 0.6 * other.view.width_px for _, other in in_front)


def _owner(counts: Counter[int] | None, event: Any, scene: Scene) -> int:
    """Whose event it is: of the person whom it showed most, or who was there when it began."""
    if counts:
        return counts.most_common(1)[0][0]
    began_s = (event.started_at - _START).total_seconds()
    return id(min(scene.appearances, key=lambda a: abs(a.start_s - began_s)))


def _people(photos: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Photos of each person with two or more, and the photos of all others."""
    files: dict[str, list[str]] = {}
    for path in sorted(photos.glob("*/*.jpg")):
        files.setdefault(path.parent.name, []).append(f"{path.parent.name}/{path.name}")
    known = {name: each for name, each in files.items() if len(each) > 1}
    return known, [each[0] for each in files.values() if len(each) == 1]


def _cast(
    known: dict[str, list[str]], stage: Stage, bank: Bank, rulebook: PhotoRulebook, wanted: slice
) -> tuple[list[Person], int]:
    """People whose other photo is recognised, as it is: the model's misses are not what is
    measured. Also how many were tried."""
    cast: list[Person] = []
    tried = 0
    for name, photos in known.items():
        if len(cast) == wanted.stop:
            break
        tried += 1
        face = bank.face(View(photos[1], 100))
        if face is not None and face.embedding is not None:
            decision = rulebook.decide(rulebook.search(face.embedding[None])[0])
            if stage.names.get(decision.person) == name:
                cast.append(Person(name, photos[1]))
        bank.forget()
    return cast[wanted], tried


def _enrolled(names: Sequence[str]) -> tuple[Collection, dict[Any, str]]:
    """Rows for events to point to; their vectors are in a `PhotoRulebook`."""
    from accounts.audit import SYSTEM
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import Person as PersonRow
    from recognition.people.services.collections import collection_create

    model = ensure_model_version("mobilefacenet")
    collection = collection_create(actor=SYSTEM, name="Visits", embedder=model)
    rows = [PersonRow(collection=collection, name=name) for name in names]
    PersonRow.objects.bulk_create(rows)
    return collection, {row.pk: row.name for row in rows}


def _strangers(
    stage: Stage, bank: Bank, rulebook: PhotoRulebook, photos: list[str]
) -> dict[str, Any]:
    """Visits of strangers, and the rate for each distinct look beside it."""
    looks = matches = named = shown = events = 0
    for photo in photos:
        scene = stranger_visit(photo)
        (seen,) = stage.play(scene, _STRANGER_FPS)
        named += any(event != "?" for event in seen.events)
        shown += seen.wrong > 0
        events += len(seen.events)
        views = {placed.view for _, here in scene.frames(_STRANGER_FPS) for _, placed in here}
        for face in map(bank.face, views):
            if face is None or face.embedding is None or not face.quality:
                continue
            if face.quality.score < LEAST_QUALITY:
                continue
            looks += 1
            decision = rulebook.decide(rulebook.search(face.embedding[None])[0])
            matches += decision.kind == "match"
        bank.forget()
    return {"strangers": len(photos), "named": named, "shown": shown, "events": events,
            "looks": looks, "matches": matches}  # fmt: skip


def _prepared() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.visits.gallery import PhotoRulebook
    from recognition.live.writer import visit_writer

    photos = options.data / "lfw"
    bank = Bank(options.weights, photos, options.out / "visits.pickle")
    known, singles = _people(photos)
    known = dict(list(known.items())[: options.gallery])
    collection, names = _enrolled(list(known))
    templates = {pk: bank.face(View(known[name][0], 100)) for pk, name in names.items()}
    bank.save()
    rulebook = PhotoRulebook(collection, templates)
    stage = Stage(collection, names, bank, rulebook, is_real=options.real)
    cast, tried = _cast(known, stage, bank, rulebook, _slice(options.people))
    seen: list[Seen] = []
    for scene in _progress(all_scenes(cast), "scenes"):
        if not options.scenes or scene.name in options.scenes:
            for fps in options.fps:
                seen += stage.play(scene, fps)
        bank.forget()
    bank.save()
    strangers = _strangers(stage, bank, rulebook, singles[_slice(options.strangers)])
    bank.save()
    visit_writer().stop(30)
    return {"people": len(cast), "tried": tried, "gallery": len(names),
            "seen": [asdict(one) for one in seen], **strangers}  # fmt: skip


def _progress(items: Sequence[Any], name: str) -> Iterator[Any]:
    began = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if number % 20 == 0:
            took = time.monotonic() - began
            print(f"{number} of {len(items)} {name}, {took:.0f} s", file=sys.stderr, flush=True)


def markdown(figures: dict[str, Any]) -> str:
    seen = [Seen(**one) for one in figures["seen"]]
    people = [one for one in seen if one.who]
    text = [by_fps(people), by_scene(people)] if people else []
    nothing = [one for one in seen if not one.is_visit]
    if nothing:
        text.append(f"No usable face: {sum(len(one.events) for one in nothing)} events in "
                    f"{len(nothing)} scenes.")  # fmt: skip
    if count := figures["strangers"]:
        low, high = clopper_pearson(figures["named"], count)
        text.append(
            f"Strangers: {figures['named']} of {count} named in their event "
            f"({share(figures['named'], count)}, 95 % interval {low:.2%} to {high:.2%}), "
            f"{figures['shown']} in an answer, {figures['events']} events; of {figures['looks']} "
            f"different looks {figures['matches']} ({share(figures['matches'], figures['looks'])}) "
            "match alone."
        )
    return "\n\n".join(text)


def _slice(text: str) -> slice:
    """ "3:9", as in a list."""
    first, _, last = text.partition(":")
    return slice(int(first or 0), int(last) if last else None)


def _parse() -> argparse.Namespace:
    data = Path(os.environ.get("FACEREC_DATA", ROOT.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[1])
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument("--data", type=Path, default=data, metavar="DIR")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench", metavar="DIR",
                        help="for visits.json, and for what the networks found")  # fmt: skip
    parser.add_argument(
        "--people", default="16:28", metavar="FROM:TO", help="of the gallery, in the scenes"
    )
    parser.add_argument("--gallery", type=int, default=10**6, help="people enrolled, at most")
    parser.add_argument("--strangers", default=":", metavar="FROM:TO", help="all by default")
    parser.add_argument("--fps", type=float, nargs="+", default=[5.0, 10.0, 15.0, 25.0])
    parser.add_argument("--scenes", nargs="*", default=[], help="by name; all if none is named")
    parser.add_argument("--real", action="store_true",
                        help="each frame goes through the networks")  # fmt: skip
    return parser.parse_args()


def main() -> None:
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="facerec-bench-") as var:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
            # No .env: what is set on this machine is not what is measured.
            "ENV_FILE": os.devnull,
            "FACEREC_VAR": var,
            "WEIGHTS_DIR": str(options.weights),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DATABASE_URL": "",
            "REDIS_URL": "",
        }
        _prepared()
        figures = _measured(options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "visits.json").write_text(json.dumps(figures))
    print(markdown(figures))


if __name__ == "__main__":
    main()
