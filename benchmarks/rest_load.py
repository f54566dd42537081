"""Clients of a REST API, in a separate process. The argument PICTURES.json lists files and the
names of the people in them.

A question {"host": "127.0.0.1:8000", "path": "/…", "clients": 8, "seconds": 5, "group": 5, …} sends
the pictures in order, beginning with number "first". Each client has one connection and sends one
picture after the other. They send for "seconds" and then to the end of a group, so that slow and
fast servers get the same mix of pictures. The answer has the milliseconds, and the number of faces,
of named faces and of correctly named faces. A picture is sent as the raw body with "headers". If
there is a "form", it is sent as the file "img" beside the fields of the form.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_TIMEOUT_S = 60.0
_BOUNDARY = "a-boundary-that-no-jpeg-holds-by-chance"


@dataclass
class Answers:
    """right: named as somebody who is in the picture. elapsed_s: from the first picture to the
    last answer."""

    ms: list[float] = field(default_factory=list)
    faces: int = 0
    named: int = 0
    right: int = 0
    errors: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0


class Round:
    """The calls of one question."""

    def __init__(
        self, pictures: Sequence[bytes], people: Sequence[set[str]], question: dict[str, Any]
    ) -> None:
        self._question = question
        self._people = people
        form = question.get("form")
        self._headers = dict(question.get("headers", {}))
        kind = f"multipart/form-data; boundary={_BOUNDARY}" if form else "image/jpeg"
        self._headers["Content-Type"] = kind
        self._bodies = [_multipart(picture, form) if form else picture for picture in pictures]
        self._sent = 0
        self._lock = threading.Lock()
        self._answers = Answers()

    def run(self) -> Answers:
        began = time.perf_counter()
        until = began + self._question["seconds"]
        threads = [
            threading.Thread(target=self._client, args=(until,))
            for _ in range(self._question["clients"])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._answers.elapsed_s = time.perf_counter() - began
        return self._answers

    def _client(self, until: float) -> None:
        connection = http.client.HTTPConnection(self._question["host"], timeout=_TIMEOUT_S)
        while (number := self._next(until)) is not None:
            started = time.perf_counter()
            try:
                body = self._bodies[number]
                connection.request("POST", self._question["path"], body, self._headers)
                response = connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._failed(repr(error))
                connection.close()
                continue
            ms = 1000 * (time.perf_counter() - started)
            if response.status == 200:
                self._answered(number, ms, json.loads(text))
            else:
                self._failed(f"{response.status} {text[:300].decode(errors='replace')}")
        connection.close()

    def _next(self, until: float) -> int | None:
        """The number of the next picture; None at the end."""
        with self._lock:
            if time.perf_counter() >= until and self._sent % self._question["group"] == 0:
                return None
            self._sent += 1
            return (self._question["first"] + self._sent - 1) % len(self._bodies)

    def _answered(self, number: int, ms: float, answer: dict[str, Any]) -> None:
        names = _names(answer)
        found = [name for name in names if name is not None]
        with self._lock:
            self._answers.ms.append(ms)
            self._answers.faces += len(names)
            self._answers.named += len(found)
            self._answers.right += sum(name in self._people[number] for name in found)

    def _failed(self, error: str) -> None:
        with self._lock:
            self._answers.errors.append(error)


def _names(answer: dict[str, Any]) -> list[str | None]:
    """Of each face its name, or None: of our answer, or of DeepFace's, people for each face."""
    if "faces" in answer:
        return [face["person"]["name"] if face["person"] else None for face in answer["faces"]]
    return [people[0]["img_name"] if people else None for people in answer["results"]]


def _multipart(picture: bytes, form: dict[str, str]) -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form.items()
    ]
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="img"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    end = f"\r\n--{_BOUNDARY}--\r\n"
    return "".join(parts).encode() + head.encode() + picture + end.encode()


def main() -> None:
    listed = json.loads(Path(sys.argv[1]).read_text())
    pictures = [Path(one["file"]).read_bytes() for one in listed]
    people = [set(one["people"]) for one in listed]
    for line in sys.stdin:
        question = json.loads(line)
        answer = asdict(Round(pictures, people, question).run()) if question else {}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
