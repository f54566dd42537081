"""What `/metrics` costs a request: CPU time of the site with and without it, in turns.

One process of the site, `manage.py serve` with SQLite, on pictures of one to five people (see
`rest`). Everything that counts is taken out and put back between turns, so that all turns have
the same process, gallery and caches. On a busy machine the difference of a request with a picture
is lost in the noise; so the time of the calls that count is added up, too.
"""

from __future__ import annotations

import http.client
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks import rest
from benchmarks.document import table
from benchmarks.peers import Process

_IDENTIFY_S = 3.0
_MODES = ("without", "with", "added_up")
_PROBES = 300


@dataclass(slots=True)
class Kind:
    """A kind of request. run: makes some and returns how many. cpu_ms: of one request in each turn.
    calls, counting_ms: of what one request counts, and the CPU time of that alone."""

    name: str
    run: Callable[[], int]
    cpu_ms: dict[str, list[float]] = field(default_factory=lambda: {mode: [] for mode in _MODES})
    calls: list[float] = field(default_factory=list)
    counting_ms: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        without, with_ = (np.array(self.cpu_ms[mode]) for mode in ("without", "with"))
        added = with_ - without
        error = 1.96 * added.std(ddof=1) / np.sqrt(len(added))
        cpu_ms, counting_ms = np.median(without), np.median(self.counting_ms)
        return [
            self.name,
            f"{cpu_ms:.2f}",
            f"{np.median(with_):.2f}",
            f"{np.mean(added):+.2f} ± {error:.2f}",
            f"{np.median(self.calls):.0f}",
            f"{counting_ms:.3f}",
            f"{100 * counting_ms / cpu_ms:.2f} %",
        ]


def benchmark(weights: Path, data: Path, rounds: int = 40) -> str:
    """The block as Markdown."""
    shutil.rmtree(rest.FOLDER, ignore_errors=True)
    rest.lay_out(weights, data)
    with ExitStack() as stack:
        port = rest.free_port()
        site = stack.enter_context(rest.closing(rest._site(weights, port)))
        load = rest._HERE / "rest_load.py"
        callers = Process(sys.executable, load, rest.FOLDER / "pictures.json")
        stack.enter_context(rest.closing(callers))
        setting = next(s for s in rest._ours(site.ask(about=1), port) if rest._OURS in s.name)
        kinds = [
            Kind("identify, 640x480, 10,000 people", lambda: _identify(callers, setting.question)),
            Kind("/health/live", lambda: _probe(port)),
        ]
        _take_turns(kinds, site, rounds)
    return _text(kinds, rounds)


def _take_turns(kinds: list[Kind], site: Process, rounds: int) -> None:
    """Each round has all three turns, in another order each time. The first does not count."""
    for number in tqdm(range(rounds + 1), "metrics", unit="round"):
        for kind in kinds:
            for mode in _MODES[number % 3 :] + _MODES[: number % 3]:
                before = site.ask(metrics=mode)
                count = kind.run()
                after = site.ask(about=1)
                if not number:
                    continue
                kind.cpu_ms[mode].append((after["cpu_s"] - before["cpu_s"]) * 1000 / count)
                if mode == "added_up":
                    spent = {
                        n: after["counting"][n] - before["counting"][n] for n in ("calls", "ms")
                    }
                    kind.calls.append(spent["calls"] / count)
                    kind.counting_ms.append(spent["ms"] / count)


def _identify(callers: Process, question: dict[str, Any]) -> int:
    answer = callers.ask(**question, seconds=_IDENTIFY_S, first=0)
    assert not answer["errors"], answer["errors"][0]
    return len(answer["ms"])


def _probe(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(_PROBES):
        connection.request("GET", "/health/live")
        assert connection.getresponse().read()
    connection.close()
    return _PROBES


def _text(kinds: list[Kind], rounds: int) -> str:
    head = ["CPU ms a request", "without", "with", "difference", "figures counted"]
    head += ["counting alone", "of a request"]
    return "\n\n".join(
        [
            "## What /metrics costs",
            table(head, [kind.row() for kind in kinds]),
            f"Medians of {rounds} turns each, in one process, one client. `difference`: the mean "
            "of the paired differences, with its interval of 95 %. `counting alone`: the CPU time "
            "of the calls that count, with a clock around each of them.",
        ]
    )
