"""Scores that are normalised, for a fake engine."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from accounts.audit import SYSTEM
from ml_engine.matching import ImpostorCurve
from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.matching.crowd import Crowd, fitted_crowd
from recognition.people.model_versions import curve_in_use, curve_store
from recognition.people.models import ModelVersion
from tests.fakes import embedding_of

# Usual values of `scaled_crowd`.
_CENTRE, _SPREAD = 0.1, 0.07


@cache
def usual_crowd() -> Crowd:
    made = fitted_crowd(np.stack([embedding_of(n) for n in range(300)]), np.arange(300))
    return replace(made, centre=_CENTRE, spread=_SPREAD)


def normalised(curve: ImpostorCurve, cohort: Cohort) -> ImpostorCurve:
    return replace(curve, cohort=cohort, normalisation=cohort.normalisation)


def normalise(*, centre: float = _CENTRE) -> Cohort:
    """Give the curves in force a normalisation by the usual crowd with this centre, and no kind of
    poor picture; returns what makes the scores then."""
    cohort = replace(PLAIN, crowd=replace(usual_crowd(), centre=centre))
    for version in ModelVersion.objects.filter(role="embedder", dimension=len(usual_crowd().mean)):
        curve = curve_in_use(version)
        assert curve is not None
        curve_store(version, normalised(curve, cohort), SYSTEM)
    return cohort
