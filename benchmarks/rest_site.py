"""Our site with a large gallery, for a measurement: VAR WEIGHTS PEOPLE PORT as arguments.

VAR is a new folder. PEOPLE has one photo of each person to enrol, with the person's name as its
file name. The other people of the gallery have one random template each. `manage.py serve` serves
the site. Answers when the engine is ready and the site listens. The answer to {"about": 1} has the
counters of the engine, the key, the collections by preset, the names of the threads, and the
process's CPU time so far. {"metrics": "without"} makes the site count nothing for `/metrics` from
then on; "with" undoes that, "added_up" adds up the CPU time of counting as well. The answer to
{"bare": 8, "seconds": 5, "pictures": […]} has the CPU seconds of so many callers who give the files
to the engine alone.

SITE_ROOT in the environment: the checkout whose site it is, if not this one.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(os.environ.get("SITE_ROOT") or Path(__file__).resolve().parent.parent)
PEOPLE = 10_000
PRESETS = ("dlib_resnet", "mobilefacenet")
_SEED = 1


def main() -> None:
    sys.path.insert(0, str(ROOT))  # Python adds only the folder of the script to the path
    var, weights, people, port = sys.argv[1:]
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
        # Ignore .env, so that the settings of this machine do not change the result.
        "ENV_FILE": os.devnull,
        "FACEREC_VAR": var,
        "WEIGHTS_DIR": weights,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "API_RATE": "1000000/min",
        "ENGINE_DEVICE": "cpu",
    }
    Path(var).mkdir(parents=True)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    ready = _filled(Path(people))
    threading.Thread(target=_answer, args=(ready, int(port)), daemon=True).start()
    call_command("serve", port=int(port))


def _answer(ready: dict[str, Any], port: int) -> None:
    from recognition.engine import engine_state, get_engine

    # Enrolment started the engine already, so that it may be ready before anything listens.
    while engine_state()["state"] != "ready" or not _listens(port):
        time.sleep(0.1)
    for preset in PRESETS:
        get_engine().embedder(preset)
    spent: Any = None
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any] = {}
        if "bare" in question:
            answer = _bare(question["bare"], question["seconds"], question["pictures"])
        elif question:
            if "metrics" in question:
                # Only now, because an older checkout has no such module.
                from benchmarks import metrics_switch

                metrics_switch.set_metrics(question["metrics"])
                spent = metrics_switch.Spent
            answer = {**ready, "engine": get_engine().stats(), "threads": _threads()}
            answer["cpu_s"] = time.process_time()
            if spent:
                answer["counting"] = {"calls": spent.calls, "ms": spent.total_ns / 1e6}
        print(json.dumps(answer), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _threads() -> dict[int, str]:
    """By the system's number of each thread its name."""
    return {thread.native_id or 0: thread.name for thread in threading.enumerate()}


def _bare(callers: int, seconds: float, files: list[str]) -> dict[str, Any]:
    """Decode, find, measure and embed, without a request: pictures done, and CPU seconds."""
    from ml_engine.images import decode_image
    from ml_engine.request import PHOTO
    from recognition.engine import get_engine

    pictures = [Path(file).read_bytes() for file in files]
    until, used, done = time.perf_counter() + seconds, time.process_time(), [0] * callers

    def call(number: int) -> None:
        while time.perf_counter() < until:
            for picture in pictures:
                get_engine().analyze([decode_image(picture)], PHOTO, embedder="mobilefacenet")
                done[number] += 1

    threads = [threading.Thread(target=call, args=(n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"pictures": sum(done), "cpu_s": time.process_time() - used}


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _filled(people: Path) -> dict[str, Any]:
    """The collections by preset, and a key for them."""
    from accounts.access import Scope
    from accounts.audit import SYSTEM
    from accounts.services import key_issue

    photos = {path.stem: path.read_bytes() for path in sorted(people.glob("*.jpg"))}
    collections = {preset: _collection(preset, photos) for preset in PRESETS}
    _, secret = key_issue(name="bench", scopes=[Scope.IDENTIFY], actor=SYSTEM)
    return {"collections": collections, "key": secret}


def _collection(preset: str, photos: dict[str, bytes]) -> str:
    from accounts.audit import SYSTEM
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import Collection
    from recognition.people.services.collections import collection_create
    from recognition.people.services.enrolment import images_enrol
    from recognition.people.services.persons import person_create
    from recognition.web.uploads import Upload

    collection = collection_create(
        actor=SYSTEM,
        name=preset,
        embedder=ensure_model_version(preset),
        quality_policy=Collection.QualityPolicy.OFF,
    )
    add_strangers(collection, PEOPLE - len(photos))
    for name, photo in photos.items():
        person = person_create(collection=collection, actor=SYSTEM, name=name)
        images_enrol(person=person, uploads=[Upload(name, photo)], source="import", actor=SYSTEM)
    return str(collection.pk)


def add_strangers(collection: Any, count: int, *, first: int = 0) -> None:
    """Straight into the database, past the services: one random template each. They are numbered
    from `first` on."""
    from recognition.people.models import FaceImage, Person, Template

    model = collection.embedder
    vectors = np.random.default_rng([_SEED, first]).normal(size=(count, model.dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    numbers = range(first, first + count)
    people = [Person(collection=collection, name=f"Stranger {n}") for n in numbers]
    images = [
        FaceImage(
            person=person, collection=collection, sha256=f"{n:064x}", box=[0, 0, 1, 1],
            landmarks=[], quality=1.0, source="import",
        )
        for n, person in zip(numbers, people, strict=True)
    ]  # fmt: skip
    templates = [
        Template(
            image=image, collection=collection, model=model, dimension=model.dimension,
            vector=Template.pack(vector.astype(np.float32)),
        )
        for image, vector in zip(images, vectors, strict=True)
    ]  # fmt: skip
    Person.objects.bulk_create(people, batch_size=1000)
    FaceImage.objects.bulk_create(images, batch_size=1000)
    Template.objects.bulk_create(templates, batch_size=1000)


if __name__ == "__main__":
    main()
