"""pytest plugin (`-p tests.plugins.parts`): runs one part of the tests.

`--only=SQLite` and `--only=MariaDB` run the tests that use the database, but for those that are
marked `only_on` the other one; `--only=browser` runs those that drive a browser, and
`--only=others` the rest. A part does not import the files of folders that belong to another one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kinds import uses_database

_TESTS = Path(__file__).resolve().parent.parent
# The part of all tests of a folder.
_PART_OF = {"benchmarks": "others", "e2e": "browser", "ml_engine": "others", "tools": "others"}


def pytest_addoption(parser: pytest.Parser) -> None:
    choices = ["SQLite", "MariaDB", "browser", "others"]
    parser.addoption("--only", choices=choices, help="Leave out other tests.")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    only = config.getoption("--only")
    part = _part_of_folder(collection_path)
    is_other = part != only and (part is not None or only == "browser")
    return True if only and collection_path != _TESTS and is_other else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if (only := config.getoption("--only")) is None:
        return
    if misplaced := [item.nodeid for item in items if _is_misplaced(item)]:
        raise pytest.UsageError(f"another folder is the place of {', '.join(misplaced)}")
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


def _part_of_folder(path: Path) -> str | None:
    """None: tests of several parts are mixed there."""
    is_inside = path.is_relative_to(_TESTS) and path != _TESTS
    return _PART_OF.get(path.relative_to(_TESTS).parts[0]) if is_inside else None


def _is_misplaced(item: pytest.Item) -> bool:
    """True for a test that not every part would find that runs it."""
    part = _part_of_folder(item.path)
    return _parts(item) != (part,) if part else "browser" in _parts(item)
