"""Figures that are read from the database when `/metrics` is asked: the same on every machine."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from recognition.cameras.selectors import cameras_by_status, streams_by_state
from recognition.jobs.selectors import open_jobs
from recognition.notices.selectors import receivers_by_state, waiting_deliveries
from recognition.people.index import oldest_change_s
from recognition.people.selectors import gallery_revisions
from recognition.web.metric_families import FAMILIES, HELD

logger = logging.getLogger(__name__)

# Labels and value.
Sample = tuple[tuple[str, ...], float]
Samples = Iterable[Sample]


def with_rows(counted: Iterable[Metric]) -> Iterator[Metric]:
    """What processes counted, and what the rows say. `counted` has what processes hold of each
    gallery; that is told of the model in force."""
    held: dict[str, Metric] = {}
    for metric in counted:
        if metric.name in HELD:
            held[metric.name] = metric
        else:
            yield metric
    try:
        told = {**_rows(), **_galleries(held)}
        is_up = 1
    except (DatabaseError, InterfaceError) as error:
        logger.warning("/metrics has no rows: the database does not answer: %s", error)
        connection.close()
        told, is_up = {}, 0
    for name, samples in {**told, "facerec_database_up": [((), is_up)]}.items():
        yield _family(name, samples)


def _family(name: str, samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, FAMILIES[name].says, labels=FAMILIES[name].labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _galleries(held: Mapping[str, Metric]) -> dict[str, Samples]:
    templates, revisions = (
        {(one.labels["collection"], one.labels["model"]): one.value for one in metric.samples}
        for metric in (held[name] if name in held else Metric(name, "", "gauge") for name in HELD)
    )
    now = {
        (str(collection), str(model)): revision
        for (collection, model), revision in gallery_revisions().items()
    }
    # A process may have set only one of the two yet.
    in_memory = now.keys() & templates.keys() & revisions.keys()
    return {
        "facerec_gallery_templates": [((key[0],), templates[key]) for key in in_memory],
        "facerec_gallery_late_seconds": [
            ((key[0],), _late_s(key[0], int(revisions[key]), now[key])) for key in in_memory
        ],
    }


def _late_s(collection: str, held: int, now: int) -> float:
    return oldest_change_s(UUID(collection), after=held) if held < now else 0.0


def _rows() -> dict[str, Samples]:
    jobs, deliveries = open_jobs(), waiting_deliveries()
    return {
        "facerec_jobs": [((one.kind, one.state), one.count) for one in jobs],
        "facerec_oldest_job_seconds": [((one.kind, one.state), one.oldest_s) for one in jobs],
        "facerec_cameras": [((status,), count) for status, count in cameras_by_status().items()],
        "facerec_streams": [((state,), count) for state, count in streams_by_state().items()],
        "facerec_receivers": list(receivers_by_state().items()),
        "facerec_deliveries_waiting": [((one.sink,), one.count) for one in deliveries],
        "facerec_deliveries_late_seconds": [((one.sink,), one.late_s) for one in deliveries],
        "facerec_database_connections": _connections(),
    }


def _connections() -> Samples:
    if connection.vendor != "mysql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
        return [((), float(cursor.fetchone()[1]))]
