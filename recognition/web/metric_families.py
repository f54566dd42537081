"""Every figure of `/metrics`: its kind, its labels and what it says. There are no others.

A label has few values, all of them from code: routes (with the names of their parts, never a path),
codes, states, kinds. The only label with a value from a row is `collection`: the id of a row, which
says nothing about a person, and without which nobody could tell which gallery is late. A name is
never a label, not even that of a collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# counter, histogram: counted by each process, summed over all of them. sum, highest, lowest: of the
# values that the living processes set. row: made of rows of the database when `/metrics` is asked.
Kind = Literal["counter", "histogram", "sum", "highest", "lowest", "row"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Family:
    kind: Kind
    labels: tuple[str, ...]
    says: str
    buckets: tuple[float, ...] = _SECONDS


FAMILIES: dict[str, Family] = {
    "facerec_requests_total": Family(
        "counter", ("route", "method", "status"), "HTTP requests; status: 2xx to 5xx."
    ),
    "facerec_request_seconds": Family(
        "histogram", ("route",), "Time of an HTTP request, without the arrival of its body."
    ),
    "facerec_refusals_total": Family(
        "counter", ("code", "status"), "HTTP requests that were answered with an error."
    ),
    "facerec_stage_seconds": Family(
        "histogram",
        ("stage",),
        "Time of one picture or frame in one stage, and of all queries of a request (database).",
    ),
    "facerec_engine_batch_items": Family(
        "histogram", ("queue",), "Pictures (detect) or faces (embed) in a batch.", _ITEMS
    ),
    "facerec_engine_busy_seconds_total": Family("counter", ("queue",), "Time that batches took."),
    "facerec_engine_calls_total": Family(
        "counter", ("queue", "result"), "Calls that were done, refused (queue full) or expired."
    ),
    "facerec_engine_waiting": Family("sum", ("queue",), "Calls in the queue of the engine."),
    "facerec_engines": Family("sum", ("state",), "Processes by the state of their engine."),
    "facerec_frames_total": Family(
        "counter",
        ("result",),
        "Frames of streams that were answered, refused, or dropped because a newer one had come.",
    ),
    "facerec_frame_seconds": Family(
        "histogram", (), "Time from the arrival of a frame of a stream to its answer."
    ),
    "facerec_notices_total": Family(
        "counter", ("kind",), "What happened: events opened and closed, people enrolled and erased."
    ),
    "facerec_jobs_ended_total": Family("counter", ("kind", "state"), "Jobs that ended."),
    "facerec_processes": Family("sum", ("role",), "Processes of this machine that run."),
    "facerec_jobs": Family("row", ("kind", "state"), "Jobs that wait or run."),
    "facerec_oldest_job_seconds": Family(
        "row", ("kind", "state"), "Since the oldest one was due (queued) or started (running)."
    ),
    "facerec_gallery_templates": Family(
        "row", ("collection",), "Templates of a collection in memory."
    ),
    "facerec_gallery_late_seconds": Family(
        "row",
        ("collection",),
        "Since the oldest change that the gallery furthest behind has not applied yet.",
    ),
    "facerec_cameras": Family("row", ("status",), "Cameras."),
    "facerec_streams": Family(
        "row",
        ("state",),
        "Streams that run, or whose process was lost and which nobody closed yet.",
    ),
    "facerec_receivers": Family("row", ("sink", "state"), "Receivers of notices."),
    "facerec_deliveries_waiting": Family("row", ("sink",), "Deliveries that are not done yet."),
    "facerec_deliveries_late_seconds": Family(
        "row", ("sink",), "Since the oldest delivery was due, of receivers that are switched on."
    ),
    "facerec_database_up": Family("row", (), "1 if the database answers; 0: no rows are told."),
    "facerec_database_connections": Family("row", (), "Open connections of a MySQL or MariaDB."),
}

# What processes hold of each collection and model. `/metrics` tells it of the model in force, as
# `facerec_gallery_...`: what was set for a collection that is gone can only be left out.
HELD: dict[str, Family] = {
    "held_templates": Family("highest", ("collection", "model"), ""),
    "held_revision": Family("lowest", ("collection", "model"), ""),
}
