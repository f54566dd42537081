"""What is known of a model, for people: its figures, and what its file was made into."""

from __future__ import annotations

from collections.abc import Iterator

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from recognition.people.models import ModelVersion
from recognition.web.boundaries import JsonDict

# A label, and its text.
Fact = tuple[str, str]


def figures_shown(version: ModelVersion) -> SafeString | None:
    """None before a measurement."""
    figures = version.figures
    if not figures:
        return None
    return _table(_of_evaluation(figures) if "eer" in figures else _of_zoo(figures))


def report_shown(version: ModelVersion) -> SafeString | None:
    """None for a preset."""
    return _table(_of_report(version.report)) if "card" in version.report else None


def _table(facts: Iterator[Fact]) -> SafeString:
    return render_to_string("people/model_facts.html", {"facts": list(facts)})


def _of_evaluation(figures: JsonDict) -> Iterator[Fact]:
    yield "People", f"{figures['people']:,} with {figures['templates']:,} photos"
    yield (
        "Pairs",
        f"{figures['impostor_pairs']:,} of strangers, {figures['genuine_pairs']:,} of one person",
    )
    yield "Equal error rate", f"{100 * figures['eer']:.2f} %"
    for point in figures["points"]:
        missed = "not known" if point["fnmr"] is None else f"{100 * point['fnmr']:.1f} %"
        few = "" if point["has_enough_pairs"] else " (from few pairs of strangers)"
        yield (
            f"One stranger in {round(1 / point['fmr']):,}",
            f"threshold {point['threshold']:.3f}; missed: {missed} of the pairs of one person{few}",
        )


def _of_zoo(figures: JsonDict) -> Iterator[Fact]:
    for name, value in figures.items():
        yield name.replace("_", " "), f"{100 * value:.2f} %"


def _of_report(report: JsonDict) -> Iterator[Fact]:
    card = report["card"]
    yield "File", f"{card['source']}, SHA-256 {card['source_sha256'][:12]}…"
    yield "Network", f"from {card['input']} to {card['output']}, run by {card['runtime']}"
    yield "Input", f"{card['size']} x {card['size']} pixels, {_preprocessing(card)}"
    margin = f" with a margin of {card['margin']:g}" if card["alignment"] == "box" else ""
    yield "Alignment", f"{card['alignment']}{margin}"
    if "face_ms" in report:
        yield "CPU time for a face", f"{report['face_ms']} ms"
    counts = sorted(report.get("operations", {}).items(), key=lambda each: -each[1])
    yield "Operations", ", ".join(f"{count} {name}" for name, count in counts)
    if "limits" in report:
        yield "Limits that held", ", ".join(report["limits"])


def _preprocessing(card: JsonDict) -> str:
    made = card["preprocessing"]
    if made["is_whitened"]:
        return f"{made['channels']}, each picture by its own mean and deviation"
    mean, scale = (_numbers(made[name]) for name in ("mean", "scale"))
    return f"{made['channels']}, (pixel - {mean}) / {scale}"


def _numbers(value: float | list[float]) -> str:
    return (
        f"({', '.join(f'{each:g}' for each in value)})" if isinstance(value, list) else f"{value:g}"
    )
