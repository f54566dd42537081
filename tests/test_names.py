"""Each name of a test is used only once, so that a failure tells which test it is."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from pathlib import Path

_TESTS = Path(__file__).parent
_LEAST_WORDS = 4


@cache
def _names() -> dict[str, list[str]]:
    """The files of each name of a test, once for each definition."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(_TESTS.rglob("*.py")):
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text("utf-8"), re.M):
            found[name].append(str(path.relative_to(_TESTS)))
    return found


def test_two_tests_never_share_a_name() -> None:
    names = _names()
    assert len(names) > 1000
    assert {name: files for name, files in names.items() if len(files) > 1} == {}


def test_every_test_name_has_at_least_four_words() -> None:
    """A name with fewer words cannot say both the thing and the expectation."""
    assert [name for name in _names() if len(name.split("_")) - 1 < _LEAST_WORDS] == []
