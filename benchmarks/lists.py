"""`python -m benchmarks.lists`: how long each list, search, filter and page of the admin takes.

Fills a private MariaDB with 100,000 people, 300,000 images with templates and 100,000 events, and
requests each address in this process, without a network. Run it by hand, on a machine that does
nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.document import table
from benchmarks.list_addresses import NO_PAGE, page_addresses, rest_addresses
from benchmarks.list_rows import Amounts, fill
from benchmarks.machine import stamp
from benchmarks.own_site import new_key, set_up
from ml_engine.zoo import default_weights_dir
from tools.private_mariadb import private_mariadb

_LIMIT_MS = 500.0
_SLOWEST_TOLD = 12

Get = Callable[[str], Any]


def main() -> int:
    options = _parser().parse_args()
    command = stamp("python -m benchmarks.lists")
    with tempfile.TemporaryDirectory(prefix="facerec-lists-") as name:
        folder = options.folder or Path(name)
        with private_mariadb(folder / "mariadb", is_disposable=True) as url:
            set_up(
                folder,
                options.weights,
                DATABASE_URL=url,
                ALLOWED_HOSTS="localhost",
                LOG_LEVEL="ERROR",
            )
            _collect_static()
            _fill_once(Amounts(options.people, 3, options.people))
            status = _told(dict(_measured(options.rounds)))
    print(f"\n{command}")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists")
    parser.add_argument("--people", type=int, default=Amounts().people)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keeps the database for another run")
    parser.add_argument("--weights", type=Path, default=default_weights_dir())
    return parser


def _collect_static() -> None:
    """Collect static files, because pages refer to them by their hash."""
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)


def _fill_once(amounts: Amounts) -> None:
    from recognition.people.models import Person

    if not Person.objects.exists():
        started = time.monotonic()
        fill(amounts)
        print(f"filled in {time.monotonic() - started:.0f} s", flush=True)


def _measured(rounds: int) -> Iterator[tuple[str, list[float]]]:
    """The milliseconds of each address."""
    program, user = _program(), _user()
    administrator = _signed_in(user)
    for address in rest_addresses():
        yield from _pages(program, f"/api/v1/{address}", rounds)
    for address in dict.fromkeys(page_addresses(user)):
        if administrator(address).status_code not in NO_PAGE:
            yield address, _times_ms(administrator, address, rounds)


def _pages(get: Get, address: str, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """The first page of a list and the one after it."""
    yield address, _times_ms(get, address, rounds)
    following = get(address).json().get("next")
    if following:
        yield f"{address} (next)", _times_ms(get, following, rounds)


def _times_ms(get: Get, address: str, rounds: int) -> list[float]:
    get(address)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        answer = get(address)
        times.append(1000 * (time.perf_counter() - started))
        assert answer.status_code in (200, 302), (address, answer.status_code)
    return times


def _program() -> Get:
    from django.test import Client

    key = new_key("identify", "enrol", "events", "manage")
    return Client(headers={"authorization": f"Bearer {key}"}, SERVER_NAME="localhost").get


def _user() -> Any:
    from accounts.models import User

    there = User.objects.filter(username="bench").first()
    return there or User.objects.create_superuser("bench")


def _signed_in(user: Any) -> Get:
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    return client.get


def _told(times: dict[str, list[float]]) -> int:
    """Prints the slowest addresses; returns 1 if one is over the limit."""
    p95 = {address: _p95(each) for address, each in times.items()}
    slowest = sorted(p95, key=lambda address: -p95[address])
    rows = [
        [address, f"{statistics.median(times[address]):.0f}", f"{p95[address]:.0f}"]
        for address in slowest[:_SLOWEST_TOLD]
    ]
    print(f"\n{len(p95)} addresses; the slowest, in ms:\n")
    print(table(["address", "median", "p95"], rows))
    return int(p95[slowest[0]] > _LIMIT_MS)


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


if __name__ == "__main__":
    sys.exit(main())
