"""Which face belongs to which track if motion alone is not enough: the looks decide.

Two people who cross may change tracks, and a person who walks by a slow camera has another track in
every frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml_engine.types import Float32
from recognition.live.identity import Identity

# A face leaves its track only if it is more like the other one by this much.
_CLEARLY = 0.15


def find_exchanges(
    looked: Sequence[tuple[Identity, Float32]], lost: Sequence[Identity], likely_from: float
) -> list[tuple[int, int]]:
    """Pairs of track numbers to exchange.

    looked: the faces of a frame that have a usable look, each with the identity of its track and
    its embedding (d,). lost: identities with looks whose faces are not in this frame. likely_from:
    from this similarity on, a look and an identity count as one face.
    """
    others = [identity for identity, _ in looked if identity.has_looks] + list(lost)
    if not looked or not others:
        return []
    likeness = np.stack([e for _, e in looked]) @ np.stack([o.vector for o in others]).T
    pairs: list[tuple[int, int]] = []
    moved: set[int] = set()
    for flat in np.argsort(-likeness, axis=None):
        row, column = np.unravel_index(flat, likeness.shape)
        if likeness[row, column] < likely_from:
            break
        own, other = looked[row][0], others[column]
        if own is other or moved & {own.track, other.track}:
            continue
        if _is_better(likeness, looked, others, int(row), int(column), likely_from):
            pairs.append((own.track, other.track))
            moved |= {own.track, other.track}
    return pairs


def _is_better(
    likeness: Float32,
    looked: Sequence[tuple[Identity, Float32]],
    others: Sequence[Identity],
    row: int,
    column: int,
    likely_from: float,
) -> bool:
    """True if the face of this row rather belongs to the identity of this column, and the face
    there, if there is one, to the identity of this row."""
    own, other = looked[row][0], others[column]
    faces = [identity.track for identity, _ in looked]
    if not own.has_looks:
        # A new track goes on with a lost one. A name needs more likeness to go with it.
        least = likely_from if other.decision is None else likely_from + _CLEARLY
        return bool(other.track not in faces and likeness[row, column] >= least)
    mine = others.index(own)
    if likeness[row, mine] >= min(likely_from, likeness[row, column] - _CLEARLY):
        return False
    if other.track not in faces:
        return True
    there = faces.index(other.track)
    return bool(likeness[there, mine] >= max(likely_from, likeness[there, column] + _CLEARLY))
