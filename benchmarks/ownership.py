"""`python -m benchmarks.ownership`: four processes on one MariaDB and one Redis, which are killed
and paused at random.

Two processes serve pages; two play cameras and run jobs with a fake engine. In each round one of
them is killed, or paused for twice the lease time and woken. The benchmark fails as soon as a visit
stays open, a camera has two open visits, no process takes over a camera, a late write succeeds, or
a web process does not show a camera. At the end it measures how long a change through one web
process takes to be in force in the other.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import stamp
from tools.private_mariadb import private_mariadb
from tools.private_redis import private_redis

if TYPE_CHECKING:
    from tests.facerec_site.house import House, Round
    from tests.facerec_site.in_force import Delays

LEASE_S = 2.0


def main() -> int:
    options = _parser().parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="facerec-ownership-") as name,
        private_mariadb(Path(name) / "mariadb", is_disposable=True) as database_url,
        private_redis(Path(name) / "redis") as redis_url,
    ):
        folder = Path(name) / "var"
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "facerec_site.settings_test",
            "ENV_FILE": os.devnull,
            "FACEREC_VAR": str(folder),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DATABASE_URL": database_url,
            "LEASE_S": str(options.lease),
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        print(_measured(folder, database_url, redis_url, options))
    print(f"\n{stamp('python -m benchmarks.ownership ' + ' '.join(sys.argv[1:]))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ownership", description=(__doc__ or "").split("\n\n", 1)[1]
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--lease", type=float, default=LEASE_S, metavar="S", help="LEASE_S")
    parser.add_argument("--pause", type=float, metavar="S", help="default: twice the lease")
    parser.add_argument("--changes", type=int, default=20, help="people enrolled, renamed, erased")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def _measured(folder: Path, database_url: str, redis_url: str, options: argparse.Namespace) -> str:
    from accounts.access import Scope
    from accounts.models import ApiKey
    from tests.facerec_site.house import House
    from tests.facerec_site.in_force import Site, measure_delays
    from tests.factories import make_collection

    scopes: list[str] = [Scope.IDENTIFY, Scope.EVENTS, Scope.ENROL]
    house = House(
        folder,
        make_collection(name="Main"),
        key=ApiKey.issue(name="all", scopes=scopes)[1],
        redis_url=redis_url,
        DATABASE_URL=database_url,
        API_RATE="1000000/min",
    )
    with house.standing():
        done = _rounds(house, options)
        here, there = (Site(house.members[name].url, house.key) for name in ("web1", "web2"))
        delays = measure_delays(here, there, house.collection, times=options.changes)
    return _summary(done, delays)


def _rounds(house: House, options: argparse.Namespace) -> list[Round]:
    from tests.facerec_site.house import Rounds, nothing_doubled

    rounds = Rounds(house, options.seed, pause_s=options.pause)
    done = []
    started = time.monotonic()
    with nothing_doubled():
        for number in range(1, options.rounds + 1):
            done.append(rounds.run())
            minutes = (time.monotonic() - started) / 60
            print(f"{number:4} {minutes:6.1f} min {done[-1]}", flush=True)
        house.settle()
    return done


def _summary(done: list[Round], delays: Delays) -> str:
    from recognition.events.models import Event
    from recognition.jobs.models import Job

    actions = Counter(one.action for one in done)
    taken_over = [one.taken_over_s for one in done if one.taken_over_s is not None]
    previews = [seconds for one in done for seconds in one.previews_s]
    upkeep = Job.objects.filter(kind="upkeep").exclude(started_at=None)
    return "\n".join(
        [
            f"rounds: {len(done)} ({actions['kill']} kills, {actions['pause']} pauses)",
            f"cameras taken over: {sum(one.cameras for one in done)}",
            f"s until they ran: {_figures(taken_over)}",
            f"open visits closed: {sum(one.open_visits for one in done)}",
            f"s until they were: {_figures([one.closed_s for one in done])}",
            f"late visits refused: {sum(one.refused for one in done)}, written: 0",
            f"visits: {Event.objects.count()}, two of one camera at a time: 0",
            f"s until a viewer saw a camera: {_figures(previews)}",
            f"runs of upkeep: {upkeep.count()}",
            f"s until enrolled: {_figures(delays.enrol)}",
            f"s until renamed: {_figures(delays.rename)}",
            f"s until erased: {_figures(delays.erase)}",
        ]
    )


def _figures(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return ", ".join(f"{s:.2f}" for s in seconds) or "none"
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return (
        f"median {statistics.median(seconds):.2f}, p95 {p95:.2f}, most {max(seconds):.2f}"
        f" (n = {len(seconds)})"
    )


if __name__ == "__main__":
    sys.exit(main())
