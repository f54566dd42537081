"""Which tests are unit tests: those that need nothing beside Python."""

from __future__ import annotations

import pytest

from tests.plugins.database_tests import uses_database

# A test with one of these is no unit test.
_MARKERS = ("weights", "data", "peers", "browser", "redis")
# Most tests of these folders start processes.
_FOLDERS = ("benchmarks", "e2e", "facerec_site", "tools")


def is_unit_test(item: pytest.Item) -> bool:
    """Neither database nor weights, processes or a browser."""
    if uses_database(item) or any(map(item.get_closest_marker, _MARKERS)):
        return False
    module = getattr(item, "module", None)
    return not hasattr(module, "subprocess") and not set(_FOLDERS) & set(item.path.parts)
