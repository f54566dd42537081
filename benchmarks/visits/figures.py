"""What is counted, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.document import table

NAMED_WITHIN_S = 1.0
# A face that was away for longer may need a moment for its name.
_AWAY_S = 1.0
_HEAD = ["visits", "one right event", "recall", "precision", "named within 1 s",
         "first name s: median", "p95", "wrong answers", "names taken back"]  # fmt: skip


@dataclass(slots=True)
class Seen:
    """What was said about one appearance. who: its name; None for a stranger. events: the names of
    its events, "?" for an unknown one."""

    scene: str
    fps: float
    who: str | None
    is_visit: bool
    frames: int = 0
    named_after_s: float | None = None
    wrong: int = 0
    taken_back: int = 0
    last: str | None = None
    last_s: float = -np.inf
    events: list[str] = field(default_factory=list)

    def hear(self, name: str | None, since_well_s: float) -> None:
        """The name in one answer."""
        self.frames += 1
        self.wrong += name not in (None, self.who)
        if since_well_s >= 0 and name == self.who and self.named_after_s is None:
            self.named_after_s = since_well_s
        was_named = self.who is not None and self.last == self.who
        is_lost = since_well_s - self.last_s > _AWAY_S
        self.taken_back += was_named and name != self.who and not is_lost
        self.last, self.last_s = name, since_well_s

    @property
    def is_right(self) -> bool:
        """One event, with the right person; of a stranger one unknown; without a visit none."""
        wanted = [self.who or "?"] if self.is_visit else []
        return self.events == wanted


def clopper_pearson(count: int, of: int, level: float = 0.95) -> tuple[float, float]:
    from scipy.stats import beta

    half = (1 - level) / 2
    low = beta.ppf(half, count, of - count + 1) if count else 0.0
    high = beta.ppf(1 - half, count + 1, of - count) if count < of else 1.0
    return float(low), float(high)


def share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "-"


def by_fps(seen: Sequence[Seen]) -> str:
    """People of the gallery, by frames a second."""
    rates = sorted({one.fps for one in seen})
    head = ["frames a second", *_HEAD]
    return table(head, [_row(f"{fps:g}", [one for one in seen if one.fps == fps]) for fps in rates])


def by_scene(seen: Sequence[Seen]) -> str:
    """The same, by what happens."""
    head = ["scene", *_HEAD]
    scenes = list(dict.fromkeys(one.scene for one in seen))
    return table(head, [_row(name, [one for one in seen if one.scene == name]) for name in scenes])


def _row(name: str, seen: Sequence[Seen]) -> list[str]:
    visits = [one for one in seen if one.is_visit]
    events = [(one, event) for one in seen for event in one.events]
    right = sum(event == (one.who or "?") and one.is_visit for one, event in events)
    after = [np.inf if one.named_after_s is None else one.named_after_s for one in visits]
    prompt = sum(s <= NAMED_WITHIN_S for s in after)
    return [
        name,
        str(len(visits)),
        share(sum(one.is_right for one in visits), len(visits)),
        share(sum((one.who or "?") in one.events for one in visits), len(visits)),
        share(right, len(events)),
        share(prompt, len(visits)),
        f"{np.percentile(after, 50, method='lower'):.2f}" if after else "-",
        f"{np.percentile(after, 95, method='lower'):.2f}" if after else "-",
        str(sum(one.wrong for one in seen)),
        str(sum(one.taken_back for one in seen)),
    ]
