"""Where MTCNN's cascade draws its lines."""

from __future__ import annotations

from dataclasses import dataclass
from math import log


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores 0..1 that a box must pass, and overlaps above which two boxes mean one face.

    Set on the 366 photos of WIDER FACE. The published 0.6 for P-Net and 0.7 for R-Net gave an AP of
    .864/.846/.641 (easy, medium, hard) from 461 proposals a photo at smallest face 20; 0.7 and 0.5
    give .873/.854/.648 from a quarter fewer: P-Net's doubtful boxes are not worth their R-Net, and
    R-Net's are worth their O-Net. At `score` 0.7 and smallest face 40, 85 % of the easy faces are
    found with one false alarm in eight photos; at 0.8, 83 % with one in twenty; at 0.9, 80 % with
    one in sixty. 0.7 also keeps one large face of the celebrities at every smallest face from 20 to
    80 that was tried, which O-Net rates at 0.76 in the worst place that a pyramid puts it.
    Averaging boxes of an IoU above 0.75 is better for WIDER than above 0.6 (.871/.852/.648).
    """

    proposal: float = 0.7
    refinement: float = 0.5
    score: float = 0.7
    overlap_in_level: float = 0.5
    overlap_of_proposals: float = 0.7
    overlap_of_refinements: float = 0.7
    first_look: float = 0.1
    hopeless: float = 0.4
    overlap_of_looks: float = 0.7
    overlap_of_same: float = 0.75
    overlap_of_faces: float = 0.5

    @property
    def proposal_log_odds(self) -> float:
        """`proposal` as P-Net gives it."""
        return log(self.proposal / (1 - self.proposal))

    def least_first_look(self, score: float) -> float:
        """Where a first look lets the mean of the three looks reach `score`. One that is
        `hopeless` below hardly ever does (0.4: one easy face of WIDER in 800)."""
        return max(self.first_look, score - self.hopeless, 3 * score - 2)
