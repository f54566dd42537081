"""How long a change through one web process takes to be in force in another one."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.fakes import photo

_FIRST_PERSON = 100
_POLL_S = 0.01
_PATIENCE_S = 30.0


@dataclass(slots=True)
class Delays:
    """Seconds from the answer to the change until the other process gives that name."""

    enrol: list[float] = field(default_factory=list)
    rename: list[float] = field(default_factory=list)
    erase: list[float] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        return [*self.enrol, *self.rename, *self.erase]


class Site:
    """REST of one process."""

    def __init__(self, url: str, key: str) -> None:
        self._url = f"{url}/api/v1/"
        self._key = key

    def call(self, method: str, path: str, body: object = None) -> Any:
        """body: JSON, or a JPEG as bytes."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "image/jpeg" if isinstance(body, bytes) else "application/json",
        }
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            return json.loads(answer.read() or b"null")

    def name_of(self, picture: bytes, collection: UUID) -> str | None:
        """The name that the process gives to the first face in the picture, if any."""
        answer = self.call("POST", f"identify?collection={collection}", picture)
        person = answer["faces"][0]["person"]
        return person["name"] if person else None


def measure_delays(here: Site, there: Site, collection: UUID, times: int) -> Delays:
    delays = Delays()
    for number in range(_FIRST_PERSON, _FIRST_PERSON + times):
        _change(here, there, collection, number, delays)
    return delays


def _change(here: Site, there: Site, collection: UUID, number: int, delays: Delays) -> None:
    """Enrol a person, rename and erase them."""
    probe, before, after = photo(number, looks=1), f"Person {number}", f"Renamed {number}"

    def until_named(name: str | None) -> float:
        return _until(lambda: there.name_of(probe, collection) == name)

    body = {"name": before, "collection": str(collection)}
    person = here.call("POST", "persons", body)["id"]
    here.call("POST", f"persons/{person}/images", photo(number))
    delays.enrol.append(until_named(before))
    here.call("PATCH", f"persons/{person}", {"name": after})
    delays.rename.append(until_named(after))
    here.call("POST", f"persons/{person}/erase")
    delays.erase.append(until_named(None))


def _until(is_so: Callable[[], bool]) -> float:
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < _PATIENCE_S, "a change did not reach another process"
        time.sleep(_POLL_S)
    return time.monotonic() - started
