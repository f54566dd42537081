"""Imports do not load TensorFlow or Django where these are not allowed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "ai_edge_litert")
NOT_FOR_SERVING = (
    "ml_engine.evaluation",
    "ml_engine.training",
    "benchmarks",
    "matplotlib",
    "plotly",
    "seaborn",
)
_SETTINGS = "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'facerec_site.settings_test'"
_EVERY_MODULE_OF_THE_SITE = f"""
{_SETTINGS}
import django; django.setup()
import importlib, pkgutil
for name in ("accounts", "facerec_site", "recognition"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
import ml_engine.engine
"""


def _loaded_after(statement: str) -> set[str]:
    """The loaded modules in a new interpreter after `statement`."""
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return set(done.stdout.split())


def _top_level(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize(
    "statement",
    ["import ml_engine", f"{_SETTINGS}; import facerec_site.asgi"],
    ids=["ml_engine", "asgi"],
)
def test_import_does_not_load_tensorflow(statement: str) -> None:
    assert _top_level(_loaded_after(statement)).isdisjoint(HEAVY)


def test_commands_and_workers_do_not_load_the_web_server() -> None:
    """It takes a fifth of their start."""
    loaded = _loaded_after(f"{_SETTINGS}; import django; django.setup(); import facerec_site.urls")
    assert _top_level(loaded).isdisjoint({"daphne", "twisted", "autobahn"})


def test_engine_does_not_load_django() -> None:
    loaded = _loaded_after("import ml_engine, ml_engine.engine, ml_engine.matching")
    assert "django" not in loaded


def test_serving_loads_neither_evaluation_nor_a_plotting_library() -> None:
    loaded = _loaded_after(_EVERY_MODULE_OF_THE_SITE)
    assert {"recognition", "ml_engine.engine", "facerec_site.asgi"} <= loaded
    unwanted = [m for m in loaded for name in NOT_FOR_SERVING if f"{m}.".startswith(f"{name}.")]
    assert unwanted == []
