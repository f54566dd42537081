"""The load of the benchmark of model changes: searches, enrolments, erasures and rejections, in
threads, over REST."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from benchmarks.model_change_gallery import Gallery

_TIMEOUT_S = 60.0
_ENROL_EVERY_S, _REJECT_EVERY_S = 2.0, 3.0
# Refusals of a picture, which are no failures.
_REFUSED = {"looks_like_another_person", "no_face", "several_faces", "low_quality"}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


@dataclass(frozen=True)
class Searched:
    """began, ended: by time.perf_counter."""

    began: float
    ended: float
    model: str

    @property
    def ms(self) -> float:
        return 1000 * (self.ended - self.began)


class Rest:
    """A connection for each call."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self.key = key
        self._host, self._port = host, port

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        """body: JSON, or the bytes of a picture."""
        is_picture = isinstance(body, bytes)
        data = body if is_picture or body is None else json.dumps(body).encode()
        kind = "image/jpeg" if is_picture else "application/json"
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return Answer(response.status, json.loads(text) if text else None)

    def get(self, path: str) -> Any:
        return self._good(self.send("GET", path))

    def post(self, path: str, body: Any = None) -> Any:
        return self._good(self.send("POST", path, body or {}))

    def _good(self, answer: Answer) -> Any:
        assert answer.status < 300, answer
        return answer.body


class Load:
    """Use with `with`. failures: requests that failed, but for refused pictures."""

    def __init__(self, rest: Rest, gallery: Gallery, clients: int) -> None:
        self.gallery = gallery
        self.searches: list[Searched] = []
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self._rest = rest
        self._stopped, self._resting = threading.Event(), threading.Event()
        self._numbers = itertools.count()
        self._searchers = [self._thread(self._search, self._stopped) for _ in range(clients)]
        self._writers: list[threading.Thread] = []
        self._enrolled: list[str] = []

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 120
        while not self._is_ready():
            assert time.monotonic() < deadline, "the site does not become ready"
            time.sleep(0.5)
        for thread in self._searchers:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        self._stopped.set()
        self._resting.set()
        for thread in (*self._searchers, *self._writers):
            thread.join(_TIMEOUT_S)

    def start_writing(self) -> None:
        """Enrol and erase people, and reject names."""
        self._resting.clear()
        self._writers = [self._thread(act, self._resting) for act in (self._enrol, self._reject)]
        for thread in self._writers:
            thread.start()

    def stop_writing(self) -> None:
        """The gallery is as before `start_writing` then."""
        self._resting.set()
        for thread in self._writers:
            thread.join(_TIMEOUT_S)
        while self._enrolled:
            self._erase(self._enrolled.pop())

    def await_searches(self, count: int) -> None:
        """Wait for so many more."""
        until = len(self.searches) + count
        while len(self.searches) < until:
            time.sleep(0.05)

    def answers(self) -> list[Any]:
        """What is said about each of the first probes: person and similarity."""
        found = []
        for probe in self.gallery.probes[:20]:
            faces = self._rest.send("POST", self._identify, probe).body["faces"]
            found.append([(f["decision"], f["person"], f["similarity"]) for f in faces])
        return found

    @property
    def _identify(self) -> str:
        return f"/api/v1/identify?collection={self.gallery.collection}"

    def _is_ready(self) -> bool:
        try:
            return self._rest.send("GET", "/health/ready").status == 200
        except OSError:
            return False

    def _thread(self, act: Callable[[int], None], stopped: threading.Event) -> threading.Thread:
        return threading.Thread(target=self._run, args=(act, stopped))

    def _run(self, act: Callable[[int], None], stopped: threading.Event) -> None:
        while not stopped.is_set():
            try:
                act(next(self._numbers))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))

    def _search(self, number: int) -> None:
        probes = self.gallery.probes
        began = time.perf_counter()
        answer = self._rest.send("POST", self._identify, probes[number % len(probes)])
        ended = time.perf_counter()
        if self._is_good(answer):
            self.searches.append(Searched(began, ended, answer.body["model"]))

    def _enrol(self, number: int) -> None:
        """Enrol somebody, and erase them again a while later."""
        fresh = self.gallery.fresh
        picture = base64.b64encode(fresh[number % len(fresh)]).decode()
        body = {"collection": self.gallery.collection, "name": f"New {number}", "image": picture}
        answer = self._rest.send("POST", "/api/v1/enrol", body)
        if self._is_good(answer):
            self.counts["enrol"] += 1
            self._enrolled.append(answer.body["person"]["id"])
            self._resting.wait(_ENROL_EVERY_S)
            if self.counts["enrol"] % 2:
                self._erase(self._enrolled.pop())
        self._resting.wait(_ENROL_EVERY_S / 2)

    def _erase(self, person: str) -> None:
        answer = self._rest.send("POST", f"/api/v1/persons/{person}/erase", {})
        self.counts["erase"] += self._is_good(answer)

    def _reject(self, number: int) -> None:
        event = self.gallery.events[number % len(self.gallery.events)]
        for review in ("rejected", "none"):
            answer = self._rest.send("PATCH", f"/api/v1/events/{event}", {"review": review})
            self.counts["reject"] += self._is_good(answer)
            self._resting.wait(_REJECT_EVERY_S / 2)

    def _is_good(self, answer: Answer) -> bool:
        if answer.status < 300:
            return True
        code = answer.body["error"]["code"] if answer.body else ""
        if code not in _REFUSED:
            self.failures.append(f"{answer.status} {code}")
        return False
