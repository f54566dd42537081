"""pytest plugin (`-p tests.plugins.parts`): runs one part of the tests.

`--only=SQLite` and `--only=MariaDB` run the tests that use the database, but for those that are
marked `only_on` the other one; `--only=browser` runs those that drive a browser, and
`--only=others` the rest.
"""

from __future__ import annotations

import pytest

from tests.kinds import uses_database


def pytest_addoption(parser: pytest.Parser) -> None:
    choices = ["SQLite", "MariaDB", "browser", "others"]
    parser.addoption("--only", choices=choices, help="Leave out other tests.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if (only := config.getoption("--only")) is None:
        return
    kept = [item for item in items if only in _parts(item)]
    left = [item for item in items if only not in _parts(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _parts(item: pytest.Item) -> tuple[str, ...]:
    if uses_database(item):
        alone = item.get_closest_marker("only_on")
        return alone.args if alone else ("SQLite", "MariaDB")
    return ("browser",) if item.get_closest_marker("browser") else ("others",)
