"""pytest plugin: `--only=database` runs the tests that use the database, `--only=others` the rest
(`-p tests.plugins.database_tests`).

Only what uses a database can come out differently on another one.
"""

from __future__ import annotations

import pytest

from tests.kinds import uses_database


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only", choices=["database", "others"], help="Leave out other tests.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if (only := config.getoption("--only")) is None:
        return
    kept = [item for item in items if uses_database(item) == (only == "database")]
    left = [item for item in items if uses_database(item) != (only == "database")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
