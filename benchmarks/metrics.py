"""What `/metrics` costs a request: CPU time of the site with and without it, in turns.

One process of the site, `manage.py serve` with SQLite, on pictures of one to five people (see
`rest`). Everything that counts is taken out and put back between turns, so that both kinds of turns
have the same process, gallery and caches. The cheapest request of all, `/health/live`, shows the
cost itself.
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
_PROBES = 1000


@dataclass(slots=True)
class Kind:
    """A kind of request. cpu_ms: of one request in each turn, without (False) and with."""

    name: str
    run: Callable[[], int]  # returns the number of requests that it made
    cpu_ms: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})

    def row(self) -> list[str]:
        without, with_ = (np.array(self.cpu_ms[is_on]) for is_on in (False, True))
        added = with_ - without
        error = 1.96 * added.std(ddof=1) / np.sqrt(len(added))
        share = 100 / np.median(without)
        return [
            self.name,
            f"{np.median(without):.3f}",
            f"{np.median(with_):.3f}",
            f"{np.mean(added):+.3f} ± {error:.3f}",
            f"{np.mean(added) * share:+.2f} ± {error * share:.2f} %",
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
    """Each round has both turns, the other one first each time. The first round does not count."""
    for number in tqdm(range(rounds + 1), "metrics", unit="round"):
        for kind in kinds:
            for is_on in (number % 2 == 0, number % 2 == 1):
                before = site.ask(metrics=is_on)["cpu_s"]
                count = kind.run()
                if number:
                    kind.cpu_ms[is_on].append((site.ask(about=1)["cpu_s"] - before) * 1000 / count)


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
    head = ["CPU ms a request", "without", "with", "added", "of a request"]
    return "\n\n".join(
        [
            "## What /metrics costs",
            table(head, [kind.row() for kind in kinds]),
            f"Medians of {rounds} turns without and {rounds} with, in turns in one process; added: "
            "the mean of the differences, with its interval of 95 %. One client.",
        ]
    )
