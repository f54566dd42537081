"""What an import may bring along: neither TensorFlow nor Django where they do not belong."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "ai_edge_litert")


def _loaded_after(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `statement`."""
    code = f"{statement}\nimport sys\nprint(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import ml_engine",
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'facerec_site.settings_test'; "
        "import facerec_site.asgi",
    ],
    ids=["ml_engine", "asgi"],
)
def test_import_does_not_load_tensorflow(statement: str) -> None:
    assert _loaded_after(statement).isdisjoint(HEAVY)


def test_engine_does_not_load_django() -> None:
    loaded = _loaded_after("import ml_engine, ml_engine.engine, ml_engine.matching")
    assert "django" not in loaded
