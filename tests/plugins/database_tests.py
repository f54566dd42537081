"""pytest plugin (`-p tests.plugins.database_tests`): runs a part of the tests.

`--only=database` runs the tests that use the database, `--only=every-database` those of them whose
result may depend on its kind, and `--only=others` the rest.
"""

from __future__ import annotations

import pytest

from tests.kinds import uses_database


def pytest_addoption(parser: pytest.Parser) -> None:
    choices = ["database", "every-database", "others"]
    parser.addoption("--only", choices=choices, help="Leave out other tests.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if (only := config.getoption("--only")) is None:
        return
    kept = [item for item in items if _belongs(item, only)]
    left = [item for item in items if not _belongs(item, only)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _belongs(item: pytest.Item, only: str) -> bool:
    if only == "every-database" and item.get_closest_marker("one_database"):
        return False
    return uses_database(item) == (only != "others")
