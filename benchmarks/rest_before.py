"""`python -m benchmarks.rest_before --before CHECKOUT`: a site against an earlier one, over HTTP.

Both serve on this machine beside what a careful user writes in fifty lines, and take turns of a few
seconds each. The CPU time of a picture is told by stage: the threads of the engine, of requests and
of the event loop, and what is left when the same pictures go to the engine without a request. The
callers' own CPU time is told, too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks import rest
from benchmarks.document import table, write_block
from benchmarks.machine import stamp
from benchmarks.peers import Process
from benchmarks.rest_site import PEOPLE
from ml_engine.zoo import default_weights_dir, ensure

FOLDER = rest.FOLDER
CLIENTS = (1, 8)
_STAGES = ("requests", "event loop", "engine", "native threads", "others")
_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Served:
    """One server. Figures by number of clients, one for each round."""

    name: str
    process: Process
    question: dict[str, Any]
    sent: int = 0
    per_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    caller_ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    bare_ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    stages: dict[tuple[int, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    right: int = 0
    named: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        return "headers" in self.question


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rest_before")
    parser.add_argument("--before", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    measured_on = stamp("python -m benchmarks.rest_before --before CHECKOUT --data DIR")
    text = benchmark(options)
    print(f"\n{text}\n\n{measured_on}\n")
    if not options.dry_run:
        write_block("rest-before", f"{text}\n\n{measured_on}")
    return 0


def benchmark(options: argparse.Namespace) -> str:
    """The block as Markdown."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    rest.lay_out(options.weights, options.data)
    with ExitStack() as stack:
        here = Path(__file__).parent
        servers = [
            _site("before", options.before.resolve(), options.weights),
            _site("now", here.parent, options.weights),
            _fifty_lines(options),
        ]
        callers = Process(sys.executable, here / "rest_load.py", FOLDER / "pictures.json")
        for process in (callers, *(served.process for served in servers)):
            stack.enter_context(rest.closing(process))
        for turn in tqdm(range(options.rounds + 1), "rest-before", unit="round"):
            for clients in CLIENTS:
                for served in servers if turn % 2 else servers[::-1]:
                    _take_turn(served, callers, clients, options.seconds, counts=turn > 0)
    return _text(servers, options)


def _site(name: str, root: Path, weights: Path) -> Served:
    port = rest.free_port()
    os.environ["SITE_ROOT"] = str(root)
    script = Path(__file__).parent / "rest_site.py"
    people = FOLDER / "people"
    process = Process(
        sys.executable, script, FOLDER / f"site-{name}", weights.resolve(), people, str(port)
    )
    about = process.ask(about=1)
    path = f"/api/v1/identify?collection={about['collections']['mobilefacenet']}"
    headers = {"Authorization": f"Bearer {about['key']}"}
    return Served(name, process, {"host": f"127.0.0.1:{port}", "path": path, "headers": headers})


def _fifty_lines(options: argparse.Namespace) -> Served:
    port = rest.free_port()
    yunet = next(iter(sorted((options.data / "models").glob("face_detection_yunet*.onnx"))))
    (network,) = ensure("mobilefacenet", options.weights).values()
    script = Path(__file__).parent / "peer_scripts" / "fifty_lines.py"
    process = Process(
        sys.executable, script, FOLDER / "people", str(PEOPLE), str(port), yunet, network
    )
    return Served("fifty lines", process, {"host": f"127.0.0.1:{port}", "path": "/identify"})


def _take_turn(
    served: Served, callers: Process, clients: int, seconds: float, *, counts: bool
) -> None:
    question = {**served.question, "clients": clients, "group": len(rest.FACES)}
    before, callers_before = _cpu_ms(served.process.pid), _cpu_ms(callers.pid)
    answer = callers.ask(**question, seconds=seconds, first=served.sent)
    used, threads = _since(before, served.process.pid)
    names = served.process.ask(about=1)["threads"] if served.is_ours else {}
    callers_used, _ = _since(callers_before, callers.pid)
    pictures = max(1, len(answer["ms"]))
    served.sent += len(answer["ms"]) + len(answer["errors"])
    served.errors += answer["errors"]
    bare = (
        served.process.ask(bare=clients, seconds=seconds / 2, pictures=_files())
        if (served.is_ours)
        else None
    )
    if not counts:
        return
    served.per_s[clients].append(len(answer["ms"]) / answer["elapsed_s"])
    served.ms[clients] += answer["ms"]
    served.cpu_ms[clients].append(used / pictures)
    served.caller_ms[clients].append(callers_used / pictures)
    served.named += answer["named"]
    served.right += answer["right"]
    for stage, ms in _by_stage(used, threads, names, served.process.pid).items():
        served.stages[clients, stage].append(ms / pictures)
    if bare:
        served.bare_ms[clients].append(1000 * bare["cpu_s"] / bare["pictures"])


def _by_stage(
    used: float, threads: dict[int, float], names: dict[str, str], main: int
) -> dict[str, float]:
    """Milliseconds of CPU by stage. A thread that has ended was a request's."""
    stages = dict.fromkeys(_STAGES, 0.0)
    for thread, ms in threads.items():
        stages[_stage(names.get(str(thread)), is_main=thread == main)] += ms
    stages["requests"] += used - sum(threads.values())
    return stages


def _stage(name: str | None, *, is_main: bool) -> str:
    if is_main:
        return "event loop"
    if name is None:
        return "native threads"
    if name.startswith("engine-"):
        return "engine"
    return "requests" if name.startswith("request") else "others"


def _cpu_ms(pid: int) -> tuple[float, dict[int, float]]:
    """Milliseconds of CPU that a process has used, with its threads that ended, and each thread."""
    threads = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended just now
            threads[int(task.name)] = _ticks(task / "stat")
    return _ticks(Path(f"/proc/{pid}/stat")), threads


def _since(before: tuple[float, dict[int, float]], pid: int) -> tuple[float, dict[int, float]]:
    all_of_it, threads = _cpu_ms(pid)
    used = {each: ms - before[1].get(each, 0.0) for each, ms in threads.items()}
    return all_of_it - before[0], used


def _ticks(stat: Path) -> float:
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_MS


def _files() -> list[str]:
    return [one["file"] for one in json.loads((FOLDER / "pictures.json").read_text())]


def _text(servers: list[Served], options: argparse.Namespace) -> str:
    rows = [
        [
            f"{served.name}, {clients} client{'s' if clients > 1 else ''}",
            f"{np.median(served.per_s[clients]):.1f}",
            f"{np.percentile(served.ms[clients], 50):.0f}",
            f"{np.percentile(served.ms[clients], 95):.0f}",
            f"{np.median(served.cpu_ms[clients]):.1f}",
            _median(served.bare_ms[clients]),
            f"{np.median(served.caller_ms[clients]):.1f}",
        ]
        for clients in CLIENTS
        for served in servers
    ]
    head = ["640x480 JPEG", "pictures a second", "p50 ms", "p95 ms", "CPU ms a picture"]
    head += ["in the bare engine", "of the caller"]
    before, now, _ = servers
    stages = [
        [f"{served.name}, {clients}", *(_median(served.stages[clients, s]) for s in _STAGES)]
        for clients in CLIENTS
        for served in (before, now)
    ]
    return "\n\n".join(
        [
            "## What a request costs, before and after",
            table(head, rows),
            table(["CPU ms a picture by threads", *_STAGES], stages),
            "\n".join(_compared(before, now, clients) for clients in CLIENTS),
            f"{PEOPLE:,} people, pictures of 1 to 5 people (3 on average), mobilefacenet, smallest "
            "face 40. Ours is `manage.py serve` with SQLite, an API key and the audit log; `bare` "
            "gives the same pictures to the engine of the same process, without a request. The "
            "fifty lines have no keys, log, quality or limits. The callers run on the same cores. "
            f"Turns of {options.seconds:g} s, {options.rounds} rounds; medians.",
            *sorted({f"An error of {s.name}: {s.errors[0][:160]}" for s in servers if s.errors}),
        ]
    )


def _compared(before: Served, now: Served, clients: int) -> str:
    def ratio(of: Callable[[Served], list[float]]) -> float:
        return float(np.median(np.divide(of(now), of(before))))

    def outside(served: Served) -> float:
        return float(np.median(np.subtract(served.cpu_ms[clients], served.bare_ms[clients])))

    return (
        f"{clients} client{'s' if clients > 1 else ''}: "
        f"{ratio(lambda s: s.per_s[clients]):.2f} times the pictures a second, "
        f"{ratio(lambda s: s.cpu_ms[clients]):.2f} times the CPU; outside of the engine "
        f"{outside(before):.1f} ms before and {outside(now):.1f} now."
    )


def _median(values: list[float]) -> str:
    return f"{np.median(values):.1f}" if values else ""


if __name__ == "__main__":
    sys.exit(main())
