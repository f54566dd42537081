"""Figures that the processes count for `/metrics`. `metric_families` lists all of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from django.conf import settings
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    values,
)

from recognition.web.metric_families import FAMILIES, HELD, Family
from recognition.web.metric_files import MetricFiles
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

_Mode = Literal["livesum", "livemax", "livemin"]
_MODES: dict[str, _Mode] = {"sum": "livesum", "highest": "livemax", "lowest": "livemin"}
disable_created_metrics()


class Metrics(Part):
    """Processes with roles share their figures with the others of the machine; a command or a test
    counts for itself alone. Thread-safe."""

    def __init__(self) -> None:
        self._files = _shared_files() if process().roles else None
        # Each value is made at its first use, of the class that is set here.
        values.ValueClass = _shared_values(self._files) if self._files else values.MutexValue
        self._registry = CollectorRegistry()
        self.counters: dict[str, Counter] = {}
        self.histograms: dict[str, Histogram] = {}
        self.gauges: dict[str, Gauge] = {}
        for name, family in {**FAMILIES, **HELD}.items():
            self._make(name, family)

    def read(self) -> Iterable[Metric]:
        """The figures of all processes of this machine; none if their files are gone. TimeoutError
        if another process keeps them."""
        if self._files is None:
            return self._registry.collect()
        try:
            return self._files.read()
        except TimeoutError:
            raise
        except OSError as error:
            # The figures of this process alone would look like a restart of all others.
            logger.warning("/metrics has nothing that processes count: %s", error)
            return []

    def _make(self, name: str, family: Family) -> None:
        told = (name, family.says, family.labels)
        if family.kind == "counter":
            self.counters[name] = Counter(*told, registry=self._registry)
        elif family.kind == "histogram":
            buckets = family.buckets
            self.histograms[name] = Histogram(*told, registry=self._registry, buckets=buckets)
        elif family.kind != "row":
            mode = _MODES[family.kind]
            self.gauges[name] = Gauge(*told, registry=self._registry, multiprocess_mode=mode)


def _shared_files() -> MetricFiles | None:
    try:
        return MetricFiles(settings.VAR_DIR / "metrics")
    except OSError as error:
        logger.warning("/metrics of this machine does not show this process: %s", error)
        return None


def _shared_values(files: MetricFiles) -> Callable[..., Any]:
    """What makes values in the files. The first value of a kind opens its file: if it is gone, the
    process counts for itself, because no request may fail for that."""
    shared = values.MultiProcessValue(lambda: files.name)

    def made(*told: Any, **options: Any) -> Any:
        try:
            return shared(*told, **options)
        except OSError as error:
            logger.warning("/metrics does not show all figures of this process: %s", error)
            return values.MutexValue(*told, **options)

    return made


def count(name: str, *labels: str, by: float = 1) -> None:
    process().part(Metrics).counters[name].labels(*labels).inc(by)


def observe(name: str, value: float, *labels: str) -> None:
    found = process().part(Metrics).histograms[name]
    (found.labels(*labels) if labels else found).observe(value)


def put(name: str, value: float, *labels: str) -> None:
    process().part(Metrics).gauges[name].labels(*labels).set(value)


def observe_stages(timings: Mapping[str, float]) -> None:
    """timings: milliseconds of one picture or frame, by stage."""
    for stage, ms in timings.items():
        observe("facerec_stage_seconds", ms / 1000, stage)


@contextmanager
def stage_timed(stage: str) -> Iterator[None]:
    """Observe the time of what is within, unless it fails; also as a decorator."""
    began = time.perf_counter()
    yield
    observe("facerec_stage_seconds", time.perf_counter() - began, stage)
