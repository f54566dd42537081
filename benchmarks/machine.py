"""Describes the machine that a figure was measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "tensorflow-cpu", "tensorflow", "ai-edge-litert", "opencv-python-headless")


def describe_machine() -> str:
    """The processor, the usable cores, and the memory."""
    cores = len(os.sched_getaffinity(0))
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{_processor()}, {cores} cores, {memory_gb:.0f} GB"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def stamp(command: str) -> str:
    """The last line of a block: command, date, machine, versions."""
    packages = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}; {describe_machine()}; "
        f"Python {platform.python_version()}, {packages}; load before {os.getloadavg()[0]:.1f}"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
