"""MariaDB reads one page of each list from an index, and never sorts all rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks.list_addresses import NO_PAGE, page_addresses, rest_addresses
from benchmarks.list_rows import Amounts, fill
from recognition.people.models import Collection
from tests.callers import Caller, with_key
from tests.factories import make_user

ROWS = 2000
# More than a page, less than a table.
_MANY = 600
# The page that deletes a collection looks into each table that refers to it.
_MOST_QUERIES = 26
# By name: MariaDB sorts a table that is as small as here, and reads 50 rows along the index of
# names where there are 100,000.
_SORTED_WHILE_SMALL = ("/admin/people/person/?o=2", "/admin/people/person/?o=-2")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("MariaDB")]


@pytest.fixture
def _rows() -> None:
    if connection.vendor != "mysql":
        pytest.skip("the plans are MariaDB's")
    fill(Amounts(people=ROWS, images_each=1, events=ROWS, others=ROWS))
    with connection.cursor() as cursor:
        # Without it the database guesses how many rows there are.
        cursor.execute(f"ANALYZE TABLE {', '.join(connection.introspection.table_names(cursor))}")
        cursor.fetchall()


def _parts(node: Any, name: str) -> Iterator[Any]:
    """All values with this name, anywhere in a plan."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield value
            yield from _parts(value, name)
    elif isinstance(node, list):
        for item in node:
            yield from _parts(item, name)


def _wholly_sorted(sql: str) -> list[str]:
    """Tables of which the query sorts more than a page, or copies more to a temporary table."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN FORMAT=JSON {sql.replace('%', '%%')}", [])
        plan = json.loads(cursor.fetchone()[0], strict=False)  # a tab in a condition
    sorts = [*_parts(plan, "filesort"), *_parts(plan, "temporary_table")]
    tables = [table for sort in sorts for table in _parts(sort, "table")]
    return [table["table_name"] for table in tables if table.get("rows", 0) > _MANY]


def _faults(get: Any, address: str) -> Iterator[str]:
    with CaptureQueriesContext(connection) as queries:
        answer = get(address)
    if answer.status_code in NO_PAGE:
        return
    if answer.status_code not in (200, 302):
        yield f"{address}: {answer.status_code}"
    if len(queries) > _MOST_QUERIES:
        yield f"{address}: {len(queries)} queries"
    for query in queries.captured_queries:
        if query["sql"].startswith("SELECT") and (tables := _wholly_sorted(query["sql"])):
            yield f"{address}: sorts {tables} for {query['sql'][:2000]}"


def _faults_of_rest(get: Any, addresses: Iterable[str]) -> Iterator[str]:
    """The plans of the first and the second page of each list."""
    for address in addresses:
        yield from _faults(get, f"/api/v1/{address}")
        if following := get(f"/api/v1/{address}").json().get("next"):
            yield from _faults(get, following)


def _faults_of_a_limited_key() -> Iterator[str]:
    program = with_key(collection=Collection.objects.get(name="Large")).get
    names = ("persons", "persons?query=anna", "images", "events", "events?decision=match")
    yield from _faults_of_rest(program, (*names, "jobs", "cameras", "webhooks", "api-keys"))


def _faults_of_the_admin() -> Iterator[str]:
    user = make_user()
    client = Caller()
    client.force_login(user)
    for address in set(page_addresses(user)) - set(_SORTED_WHILE_SMALL):
        yield from _faults(client.get, address)


def test_no_list_sorts_a_whole_table(_rows: None) -> None:
    """In REST, for a key of one collection, and in the admin: one test, because it takes long to
    make the rows."""
    of_rest = _faults_of_rest(with_key().get, rest_addresses())
    faults = [*of_rest, *_faults_of_a_limited_key(), *_faults_of_the_admin()]
    assert faults == [], "\n".join(faults)
