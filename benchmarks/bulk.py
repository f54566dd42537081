"""`python -m benchmarks.bulk`: import thousands of photos as a ZIP while the worker is killed.

The photos are those of LFW. Some are sent a second time with other bytes, and one in ten is
enlarged to 12 megapixels. A worker on a private MariaDB imports them, and is killed with SIGKILL
several times. The benchmark fails unless each photo is enrolled or refused exactly once, the report
is complete, and no file is left over. Then one caller enrols the first photos one by one through
REST.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from PIL import Image

from benchmarks.machine import stamp
from benchmarks.peers import ROOT
from ml_engine.zoo import default_weights_dir
from tools.private_mariadb import private_mariadb

if TYPE_CHECKING:
    from recognition.bulk.models import ImportRun
    from recognition.people.models import Collection

_DATA = ROOT.parent / "shared" / "data"
_LARGE_PX = 3464  # 12 megapixels
_LEASE_S = 5
_POLL_S = 0.2
_PATIENCE_S = 7200


def main() -> int:
    options = _parser().parse_args()
    command = stamp("python -m benchmarks.bulk " + " ".join(sys.argv[1:]))
    with (
        tempfile.TemporaryDirectory(prefix="facerec-bulk-") as name,
        private_mariadb(Path(name) / "mariadb", is_disposable=True) as database_url,
    ):
        folder = Path(name) / "var"
        folder.mkdir()
        os.environ |= _environment(folder, options.weights, database_url)
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        path = folder / "photos.zip"
        large = _write_zip(path, options.data / "lfw", options.photos, options.seed)
        told = f"{options.photos:,} photos, {large:,} of them of 12 megapixels"
        print(f"{told}, {path.stat().st_size / 2**30:.2f} GB", flush=True)
        print(_measured(path, options), flush=True)
    print(f"\n{command}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bulk", description=(__doc__ or "").split("\n\n", 1)[1]
    )
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--rest", type=int, default=500, help="photos through REST")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument("--data", type=Path, default=_DATA, metavar="DIR")
    return parser


def _environment(folder: Path, weights: Path, database_url: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
        "ENV_FILE": os.devnull,
        "FACEREC_VAR": str(folder),
        "WEIGHTS_DIR": str(weights.resolve()),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": database_url,
        "REDIS_URL": "",
        "LEASE_S": str(_LEASE_S),
        "API_RATE": "1000000/min",
        "ENGINE_DEVICE": "cpu",
        "LOG_LEVEL": "ERROR",
    }


def _write_zip(path: Path, lfw: Path, count: int, seed: int) -> int:
    """Returns the number of large photos."""
    dice = random.Random(seed)
    photos = sorted(lfw.rglob("*.jpg"))
    chosen = [(photo, False) for photo in photos[:count]]
    chosen += [(photo, True) for photo in dice.sample(photos, count - len(chosen))]
    chosen.sort()
    large = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, (photo, is_double) in enumerate(chosen):
            data = photo.read_bytes()
            if number % 10 == 0:
                data, large = _saved(data, quality=100, size=_LARGE_PX), large + 1
            elif is_double:
                data = _saved(data, quality=90)
            name = f"{photo.stem}-again.jpg" if is_double else photo.name
            archive.writestr(f"lfw/{photo.parent.name}/{name}", data)
    return large


def _saved(data: bytes, *, quality: int, size: int | None = None) -> bytes:
    picture: Image.Image = Image.open(io.BytesIO(data))
    if size is not None:
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _measured(path: Path, options: argparse.Namespace) -> str:
    from accounts.audit import SYSTEM
    from recognition.bulk.services.folders import folder_import

    collection = _collection("Import")
    run = folder_import(collection=collection, path=path, actor=SYSTEM)
    seconds, done_at = _work(run, options)
    counts = _check(run, options.photos)
    outcomes = ", ".join(f"{count:,} {code}" for code, count in counts.most_common())
    rate = options.photos / seconds
    lines = [
        f"killed {len(done_at)} times, after {', '.join(f'{done:,}' for done in done_at)} photos",
        f"each photo once: {outcomes}; report complete, no file left over",
        f"import: {seconds:,.0f} s, {rate:.1f} photos/s, kills and restarts included",
    ]
    if options.rest:
        rest = _rest_rate(path, options.rest)
        lines.append(f"REST, one by one: {rest:.1f} photos/s, of the first {options.rest:,}")
    return "\n".join(lines)


def _collection(name: str) -> Collection:
    from accounts.audit import SYSTEM
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.services.collections import collection_create
    from recognition.people.services.identification import default_embedder

    embedder = ensure_model_version(default_embedder())
    return collection_create(actor=SYSTEM, name=name, embedder=embedder)


def _work(run: ImportRun, options: argparse.Namespace) -> tuple[float, list[int]]:
    """Seconds from the start of the first worker to the end, and the photos done at each kill."""
    kills = [options.photos * (n + 1) // (options.kills + 1) for n in range(options.kills)]
    done_at: list[int] = []
    started = time.monotonic()
    worker = _start("work")
    try:
        while (done := _done(run)) < options.photos or not _is_over(run):
            if kills and done >= kills[0]:
                worker.kill()
                worker.wait()
                done_at.append(_done(run))
                print(f"killed after {done_at[-1]} photos", flush=True)
                kills.pop(0)
                worker = _start("work")
            assert worker.poll() is None, "the worker ended by itself"
            assert time.monotonic() - started < _PATIENCE_S
            time.sleep(_POLL_S)
        return time.monotonic() - started, done_at
    finally:
        worker.terminate()
        worker.wait()


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT)


def _done(run: ImportRun) -> int:
    return run.items.exclude(state="pending").count()


def _is_over(run: ImportRun) -> bool:
    run.refresh_from_db()
    return run.state == run.State.OVER


def _check(run: ImportRun, photos: int) -> Counter[str]:
    """AssertionError unless rows, files and report agree and have each photo exactly once."""
    from recognition.bulk.models import Archive
    from recognition.bulk.services.report import report_rows
    from recognition.people.models import FaceImage
    from tests.recognition.storage import named_files, stored_files

    items = list(run.items.values_list("path", "state", "code", "image_id"))
    assert len(items) == len({path for path, *_ in items}) == photos
    assert all(state in ("enrolled", "refused") and code for _, state, code, _ in items)
    enrolled = [image for _, state, _, image in items if state == "enrolled"]
    assert len(enrolled) == len(set(enrolled))
    assert set(enrolled) == set(FaceImage.objects.values_list("pk", flat=True))
    assert stored_files() == named_files()
    assert not Archive.objects.exists()
    buffer = io.StringIO()
    csv.writer(buffer).writerows(report_rows(run))
    rows = list(csv.reader(io.StringIO(buffer.getvalue())))
    assert len(rows) == photos
    assert all(row[4] for row in rows if row[2] == "refused"), "a reason for each"
    return Counter(code for _, _, code, _ in items)


def _rest_rate(path: Path, count: int) -> float:
    """Photos per second of one caller who sends one request after the other: a person, then
    photos."""
    from accounts.access import Scope
    from accounts.audit import SYSTEM
    from accounts.services import key_issue

    collection = _collection("REST")
    _, secret = key_issue(name="bench", scopes=[Scope.ENROL, Scope.IDENTIFY], actor=SYSTEM)
    with _served() as url, zipfile.ZipFile(path) as archive, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {secret}"
        names = archive.namelist()[:count]
        people: dict[str, str] = {}
        started = time.monotonic()
        for name in names:
            person = name.split("/")[1]
            if person not in people:
                body = {"name": person, "collection": str(collection.pk)}
                people[person] = session.post(f"{url}/persons", json=body).json()["id"]
            answer = session.post(
                f"{url}/persons/{people[person]}/images",
                data=archive.read(name),
                headers={"Content-Type": "image/jpeg"},
            )
            assert answer.status_code in (201, 422), answer.text
        return count / (time.monotonic() - started)


@contextmanager
def _served() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = _start("serve", "--port", str(port), "--roles", "web")
    try:
        while not _is_ready(port):
            assert served.poll() is None
            time.sleep(_POLL_S)
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        served.terminate()
        served.wait()


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    sys.exit(main())
