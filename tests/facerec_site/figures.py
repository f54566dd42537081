"""Figures of `/metrics` for tests."""

from __future__ import annotations

import urllib.request

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from recognition.web.metrics import Metrics
from recognition.web.process import process

TOKEN = "a-token-of-prometheus"


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(found: dict[str, Metric], sample: str, **labels: str) -> float:
    """The sum of all samples with this name and these labels; 0 if there are none."""
    return sum(
        each.value
        for family in found.values()
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    )


def figure(sample: str, **labels: str) -> float:
    """What this process has counted."""
    return value({each.name: each for each in process().part(Metrics).read()}, sample, **labels)


def fetched(url: str) -> dict[str, Metric]:
    """/metrics of a site that runs with TOKEN."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}/metrics", headers=headers)
    ) as answer:
        return families(answer.read().decode())
