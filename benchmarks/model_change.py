"""`python -m benchmarks.model_change --templates 20000`: change a collection's model under load.

On a private MariaDB and Redis, with `manage.py serve` (web), and a worker that is killed by SIGKILL
at a quarter, a half and three quarters of the faces. Meanwhile clients identify, enrol and erase,
reject names, and one live stream shows a person. The benchmark fails if a request fails, if an
answer comes from another model than the one in force, if the stream opens a second event, if the
slowest of the first 20 searches after the switch is above the p99 of the 1,000 before, or if the
rollback does not give the old answers: they are compared while nobody is enrolled or rejected, and
after everyone who was enrolled meanwhile is erased.

A few hundred photos of LFW are enrolled; the other templates are copies of their rows, so that each
is embedded from a real face.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live import Client, panned
from benchmarks.machine import stamp
from benchmarks.model_change_load import Load, Rest, Searched
from benchmarks.own_site import new_key, served, set_up
from benchmarks.peers import ROOT
from ml_engine.zoo import default_weights_dir
from tools.private_mariadb import private_mariadb
from tools.private_redis import private_redis

_SOURCE, _TARGET = "dlib_resnet", "mobilefacenet"
_KILLED_AT = (0.25, 0.5, 0.75)
_FPS = 5.0
_AFTER = 20
_PATIENCE_S = 7200.0


def main() -> int:
    options = _parser().parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="facerec-change-") as name,
        private_mariadb(Path(name) / "mariadb", is_disposable=True) as database_url,
        private_redis(Path(name) / "redis") as redis_url,
    ):
        urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "LEASE_S": "5"}
        set_up(Path(name) / "var", options.weights, **urls)
        from benchmarks.model_change_gallery import filled

        gallery = filled(options.data / "lfw", options.templates, options.photos, _SOURCE)
        key = new_key("identify", "enrol", "manage", "events")
        rest = Rest("127.0.0.1", options.port, key)
        web = ("manage.py", "serve", "--roles", "web")
        with served(options.port, *web), Load(rest, gallery, options.clients) as load:
            figures = _measured(load, rest, gallery.collection, options)
    print("\n".join(f"| {name} | {value} |" for name, value in figures.items()))
    print(f"\n{stamp('python -m benchmarks.model_change ' + ' '.join(sys.argv[1:]))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.model_change", description=(__doc__ or "").split("\n\n", 1)[1]
    )
    parser.add_argument("--templates", type=int, default=20_000)
    parser.add_argument("--photos", type=int, default=400, help="that are really enrolled")
    parser.add_argument("--clients", type=int, default=1, help="that identify all the time")
    parser.add_argument("--before", type=int, default=1000, help="searches before the switch")
    parser.add_argument("--weights", type=Path, default=default_weights_dir())
    data = os.environ.get("FACEREC_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(data))
    parser.add_argument("--port", type=int, default=8331)
    return parser


def _measured(
    load: Load, rest: Rest, collection: str, options: argparse.Namespace
) -> dict[str, str]:
    address = f"/api/v1/collections/{collection}/model-change"
    load.await_searches(50)
    with _live(load, rest, options.port) as stream:
        answers = load.answers()
        load.start_writing()
        began = time.monotonic()
        change = rest.post(address, {"embedder": _TARGET})
        source, target = change["source"], change["target"]
        kills = _run_job(rest, address)
        embedded_s = time.monotonic() - began
        with _worker():
            _until(lambda: rest.get(address)["waiting_for"] == 0, "every process loads it")
            load.await_searches(options.before)
            told = {"switch": _timed(load, rest, f"{address}/switch")}
            load.await_searches(4 * _AFTER)
            told["roll back"] = _timed(load, rest, f"{address}/roll-back")
            load.await_searches(_AFTER)
            load.stop_writing()
            old = load.answers()
            load.start_writing()
            _timed(load, rest, f"{address}/switch")
            rest.post(f"{address}/let-go")
            _until(lambda: rest.get(address)["ended_at"], "old data are removed")
        load.stop_writing()
    switched, back = told["switch"], told["roll back"]
    before = [each for each in load.searches if each.began < switched[0]][-options.before :]
    after = [each for each in load.searches if each.began > switched[1]]
    p50, p99 = np.percentile([each.ms for each in before], (50, 99))
    slowest = max(each.ms for each in after[:_AFTER])
    _check_models(load.searches, source, target, switched, back)
    checks = {
        "no failed request": not load.failures,
        "rollback gives the old answers": old == answers,
        "one event of the stream": stream["events"] == 1,
        "first searches after the switch": slowest <= p99,
        "kills": kills == len(_KILLED_AT),
    }
    figures = {
        "templates": f"{options.templates:,}, {_SOURCE} to {_TARGET}, under load",
        "embedded, measured and ready in": f"{embedded_s:.0f} s, {kills} workers killed",
        "searches": f"{len(load.searches):,}, enrolments {load.counts['enrol']}, "
        f"erasures {load.counts['erase']}, rejections {load.counts['reject']}",
        "failed requests": f"{len(load.failures)} {load.failures[:3] or ''}",
        "events of the stream": str(stream["events"]),
        f"p50, p99 of the {options.before:,} before": f"{p50:.0f}, {p99:.0f} ms",
        "slowest of the 20 after": f"{slowest:.0f} ms",
        "the switch itself": f"{1000 * (switched[1] - switched[0]):.0f} ms",
        "answers that differ after the rollback": f"{_differing(answers, old)} of {len(old)}",
        "not met": ", ".join(name for name, is_met in checks.items() if not is_met) or "nothing",
    }
    return figures


def _differing(before: list[Any], after: list[Any]) -> int:
    return sum(one != other for one, other in zip(before, after, strict=True))


def _check_models(
    searches: list[Searched],
    source: str,
    target: str,
    switched: tuple[float, float],
    back: tuple[float, float],
) -> None:
    """Each answer comes from the model in force when it was asked for."""
    for each in searches:
        if each.ended < switched[0] or back[1] < each.began < each.ended < back[1] + 1:
            assert each.model == source, each
        elif switched[1] < each.began and each.ended < back[0]:
            assert each.model == target, each


def _timed(load: Load, rest: Rest, address: str) -> tuple[float, float]:
    """When the call began and ended."""
    while True:
        began = time.perf_counter()
        answer = rest.send("POST", address, {})
        if answer.status == 200:
            return began, time.perf_counter()
        # Something was stored a moment ago that the candidate has not seen.
        assert answer.status == 409, answer
        time.sleep(0.5)


def _run_job(rest: Rest, address: str) -> int:
    """Run the job to its end, by workers of which three are killed; returns how many were."""
    kills = 0
    for share in (*_KILLED_AT, 2.0):
        with _worker() as worker:

            def is_reached(share: float = share) -> bool:
                change = rest.get(address)
                done = change["images_done"] / max(1, change["images_total"])
                return change["state"] == "ready" or done >= share

            _until(is_reached, f"share {share}")
            if share < 1 and rest.get(address)["state"] == "embedding":
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                kills += 1
    return kills


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    worker = subprocess.Popen([sys.executable, "manage.py", "work"], cwd=ROOT)
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(60)


@contextmanager
def _live(load: Load, rest: Rest, port: int) -> Iterator[dict[str, int]]:
    """One person stands in front of a camera all the time."""
    client = Client([panned(load.gallery.watched, 1)[0]], _FPS, _PATIENCE_S)
    found: dict[str, int] = {}

    async def run() -> None:
        start = {"collection": load.gallery.collection}
        task = asyncio.create_task(client.run(f"ws://127.0.0.1:{port}", rest.key, start, None))
        while not load.is_stopped:
            await asyncio.sleep(0.2)
        task.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    _until(lambda: client.measured.events, "the stream opens an event", 60)
    try:
        yield found
    finally:
        load.stop()
        thread.join(30)
        found["events"] = client.measured.events


def _until(is_so: Callable[[], Any], what: str, patience_s: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"not in time: {what}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
