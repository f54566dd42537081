"""The whole site as users run it: a process with its own database and folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from ml_engine.zoo.own import OWN_DIR

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a-long-one-for-tests-7"
ADMINISTRATOR = "admin"
_READY_WITHIN_S = 180
_STOPS_WITHIN_S = 40
# What a machine may have set for a site of its own.
_NOT_OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "ALLOWED_HOSTS",
    "HTTPS",
    "SECRET_KEY",
    "FIELD_KEYS",
    "DEBUG",
)
_MAKE_VIEWER = """
from accounts.models import User
User.objects.create_user("viewer", password="{password}", role="viewer")
"""
_MAKE_EVENT = """
from django.utils import timezone
from recognition.events.models import Event
from recognition.people.models import Person
person, now = Person.objects.get(pk="{person}"), timezone.now()
event = Event.objects.create(collection=person.collection, person=person, decision="match",
    similarity=0.73, threshold=0.4, started_at=now, ended_at=now, is_open=False)
print(event.pk)
"""
_MAKE_CLIP = """
from pathlib import Path
from django.core.files.base import ContentFile
from recognition.events.models import Clip, Event
event, content = Event.objects.get(pk="{event}"), Path("{path}").read_bytes()
clip = Clip.objects.create(state="ready", codec="{codec}", seconds=4, bytes=len(content),
    begins_at=event.started_at, ends_at=event.ended_at)
clip.file.save("clip.mp4", ContentFile(content))
Event.objects.filter(pk=event.pk).update(clip=clip)
"""
# People as the preset sees them, and as a network of the colours of 4 x 4 parts does.
_MAKE_CROWD = """
import hashlib
import cv2, numpy as np
from django.core.files.base import ContentFile
from django.db import transaction
from ml_engine.align import TEMPLATE_112
from ml_engine.images import encode_jpeg
from recognition.people.index import note_changes
from recognition.people.models import Collection, FaceImage, Person, Template
collection, draw, made = Collection.objects.get(pk="{collection}"), np.random.default_rng(0), []
length = collection.embedder.dimension
with transaction.atomic():
    for number in range({people}):
        person = Person.objects.create(collection=collection, name=f"Person {{number}}")
        colours, middle = draw.integers(40, 216, (4, 4, 3)), draw.normal(size=length)
        for _ in range(2):
            blocks = np.clip(colours + draw.normal(scale=15, size=colours.shape), 0, 255)
            face = cv2.resize(blocks.astype(np.uint8), (112, 112), interpolation=cv2.INTER_NEAREST)
            jpeg = encode_jpeg(face)
            image = FaceImage(collection=collection, person=person, box=[0, 0, 112, 112],
                landmarks=TEMPLATE_112.tolist(), quality=0.9, source="import",
                sha256=hashlib.sha256(jpeg).hexdigest())
            image.file.save("face.jpg", ContentFile(jpeg), save=False)
            image.save()
            vector = middle + 0.5 * draw.normal(size=length)
            vector = (vector / np.linalg.norm(vector)).astype(np.float32)
            made.append(Template.objects.create(image=image, collection=collection,
                model=collection.embedder, vector=Template.pack(vector), dimension=length).pk)
    note_changes(collection, made)
"""
_MAKE_MINUTES = """
from datetime import timedelta
from django.utils import timezone
from recognition.cameras.models import CameraMinute
now = timezone.now()
for number in range(170):
    wave = 1 + (number * 7 % 13) / 20
    stages = {{"queue": 1.2, "decode": 2.1, "detect": 10.2, "align": 0.6, "embed": 3.1,
              "search": 0.2, "total": 17.4}}
    timing = {{name: {{"p50": round(ms * (wave if number < 169 else 1), 1),
                     "p95": round(ms * 1.8 * (wave if number < 169 else 1), 1)}}
              for name, ms in stages.items()}}
    CameraMinute.objects.create(camera_id="{camera}", at=now - timedelta(minutes=169 - number),
        frames=294, fps=4.9 if not 80 < number < 90 else 3.2, dropped=0 if number % 40 else 12,
        timing_ms=timing)
"""


_MAKE_TRAINING_RUN = """
from recognition.training.models import TrainingRun
from recognition.training.options import complete
curve = [{{"step": 10 * step, "loss": 3 / step, "rate": 1e-3, "auc": 1 - .4 / step,
          "accuracy": 1 - .5 / step}} for step in range(1, 20)]
camera = {{"auc": .81, "accuracy": .74, "threshold": .3, "tmr": .43}}
clean = {{"auc": .99, "accuracy": .98, "threshold": .4, "tmr": .97}}
rows = [{{"name": name, "camera": camera, "clean": clean}}
        for name in ("unchanged", "mean_shift", "ridge", "adapted")]
figures = {{"others": camera, "compared": rows, "tested": {{"people": 6, "pictures": 24}}}}
run = TrainingRun.objects.create(task="train", name="ours", collection_id="{collection}",
    settings=complete("train", {{}}), state="done", created_by="user:admin", curve=curve,
    figures=figures, people=24, pictures=96, step=190, steps=300)
print(run.pk)
"""


class Site:
    """`start`, `stop` and `kill` may be called again and again; port and data stay the same."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://localhost:{self.port}"
        self._log = folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in _NOT_OURS},
            "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
            "ENV_FILE": os.devnull,
            "FACEREC_VAR": str(folder),
            "WEIGHTS_DIR": str(_linked(weights, folder / "weights")),
            "ADMIN_PASSWORD": PASSWORD,
            "API_RATE": "100000/min",
            "CAMERA_ALLOW_LOCAL": "True",
        }

    def prepare(self) -> None:
        self._manage("bootstrap")

    def add_viewer(self) -> None:
        self._manage("shell", "-c", _MAKE_VIEWER.format(password=PASSWORD))

    def add_event(self, person: str) -> str:
        """A past visit of a person, without pictures; its id."""
        return self._manage("shell", "-c", _MAKE_EVENT.format(person=person)).split()[-1]

    def add_clip(self, event: str, path: Path, codec: str) -> None:
        """Give a visit this MP4 as its clip."""
        script = _MAKE_CLIP.format(event=event, path=path, codec=codec)
        self._manage("shell", "-c", script)

    def add_crowd(self, collection: str, people: int) -> None:
        """People with two pictures each, without a look at them."""
        self._manage("shell", "-c", _MAKE_CROWD.format(collection=collection, people=people))

    def add_minutes(self, camera: str) -> None:
        """Figures of a camera for nearly three hours, until now."""
        self._manage("shell", "-c", _MAKE_MINUTES.format(camera=camera))

    def add_training_run(self, collection: str) -> str:
        """A run that has ended, with its curve; its id."""
        script = _MAKE_TRAINING_RUN.format(collection=collection)
        return self._manage("shell", "-c", script).split()[-1]

    def start(self) -> None:
        command = [sys.executable, "manage.py", "serve", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    def await_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            with suppress(requests.RequestException):
                if requests.get(f"{self.url}/health/ready", timeout=10).status_code == 200:
                    return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.3)
        raise AssertionError(f"the site did not become ready:\n{self.log_tail()}")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process like a crash."""
        self._end(signal.SIGKILL)

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def _manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Api:
    """REST as the signed-in administrator, to prepare a test and to check its results."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._session = requests.Session()
        login = f"{site.url}/accounts/login/"
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', self._session.get(login).text)
        assert token is not None
        form = {
            "csrfmiddlewaretoken": token[1],
            "username": ADMINISTRATOR,
            "password": PASSWORD,
            "next": "",
        }
        assert self._session.post(login, data=form).url.endswith("/live/")

    def get(self, path: str) -> Any:
        return self._answer(self._session.get(self._url(path), timeout=60))

    def rows(self, path: str) -> list[dict[str, Any]]:
        return self.get(path)["results"]

    def post(self, path: str, **options: Any) -> Any:
        return self._answer(self._write("POST", path, **options))

    def patch(self, path: str, **options: Any) -> Any:
        return self._answer(self._write("PATCH", path, **options))

    def delete(self, path: str) -> None:
        self._write("DELETE", path).raise_for_status()

    def file(self, path: str) -> bytes:
        """The content at an address from an answer."""
        response = self._session.get(self._site.url + path, timeout=60)
        response.raise_for_status()
        return response.content

    def enrol(self, name: str, *photos: bytes) -> dict[str, Any]:
        person = self.post("persons", json={"name": name})
        files = [("images", (f"{n}.jpg", photo)) for n, photo in enumerate(photos)]
        answer = self.post(f"persons/{person['id']}/images", files=files)
        assert answer["refused"] == 0, answer
        return person

    def forget_everything(self) -> None:
        """Delete people, cameras and events, after the visits of the test before have ended."""
        for camera in self.rows("cameras"):
            self.delete(f"cameras/{camera['id']}")
        deadline = time.monotonic() + 20
        while self.rows("events?is_open=true") and time.monotonic() < deadline:
            time.sleep(0.2)
        for event in self.rows("events?page_size=500"):
            self.delete(f"events/{event['id']}")
        for person in self.rows("persons?page_size=500"):
            self.delete(f"persons/{person['id']}")

    def _write(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"X-CSRFToken": self._session.cookies["csrftoken"]}
        return self._session.request(
            method, self._url(path), headers=headers, timeout=120, **options
        )

    def _url(self, path: str) -> str:
        return f"{self._site.url}/api/v1/{path}"

    def _answer(self, response: requests.Response) -> Any:
        assert response.ok, f"{response.request.method} {response.url}: {response.text}"
        return response.json()


def _linked(weights: Path, folder: Path) -> Path:
    """A folder of weights with what is in another one, but for models that users added."""
    folder.mkdir(exist_ok=True)
    for path in weights.iterdir() if weights.is_dir() else ():
        link = folder / path.name
        if path.name != OWN_DIR and not link.exists():
            link.symlink_to(path.resolve())
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
