"""A served site whose MariaDB is killed and comes back."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from itertools import count
from typing import Any

import pytest

from tests.facerec_site.calls import Answer, ask, get, identify, new_connection, post_json, sign_in
from tests.facerec_site.site import (
    PATIENCE_S,
    Served,
    closed_with,
    hear,
    send_frame,
    start_session,
)
from tests.fakes import photo
from tools.private_mariadb import MariadbServer
from tools.system import find_program

pytest.importorskip("MySQLdb")
pytestmark = pytest.mark.skipif(
    find_program("mariadbd", "mysqld") is None, reason="MariaDB is not installed"
)
ANN = 11
UNAVAILABLE = 4503


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariadbServer]:
    """Not a disposable one, because acknowledged commits must survive."""
    server = MariadbServer(tmp_path_factory.mktemp("mariadb"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, mariadb: MariadbServer) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("site")
    served = Served(folder, "--", "--port", "0", DATABASE_URL=mariadb.url)
    yield served
    served.kill()


@pytest.fixture
def cookie(site: Served) -> str:
    """The client of a signed-in user."""
    sent = SimpleCookie(sign_in(site).headers["set-cookie"])
    return f"sessionid={sent['sessionid'].value}"


@pytest.fixture
def away(site: Served, mariadb: MariadbServer, cookie: str) -> Iterator[None]:
    mariadb.kill()
    yield
    mariadb.start()
    until_ready(site)


def until_ready(site: Served) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while get(site, "/health/ready").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_unavailable(answer: Answer) -> bool:
    code = json.loads(answer.body)["error"]["code"]
    return (
        answer.status == 503 and code == "database_unavailable" and "retry-after" in answer.headers
    )


@pytest.mark.usefixtures("away")
def test_rest_is_answered_503_without_the_database(site: Served, cookie: str) -> None:
    answers = [
        ask(site, new_connection(site), "GET", "/api/v1/me"),
        identify(site),
        get(site, "/api/v1/me", Cookie=cookie),
        post_json(site, "/api/v1/persons", {"name": "Nobody"}),
    ]
    assert all(is_unavailable(answer) for answer in answers)


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("path", ["/live/", "/try/", "/admin/", "/admin/accounts/user/"])
def test_page_is_answered_503_without_the_database(site: Served, cookie: str, path: str) -> None:
    answer = get(site, path, Cookie=cookie)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["content-type"].startswith("text/html")
    assert "Back in a moment" in answer.body


@pytest.mark.usefixtures("away")
def test_sign_in_is_answered_503_without_the_database(site: Served) -> None:
    answer = sign_in(site)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.usefixtures("away")
def test_health_says_that_the_database_is_away(site: Served) -> None:
    answer = get(site, "/health/ready")
    assert answer.status == 503
    assert json.loads(answer.body)["missing"] == ["database"]
    assert get(site, "/health/live").status == 200


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("path", ["/ws/live/", "/ws/events/"])
async def test_handshake_is_closed_with_a_code_without_the_database(
    site: Served, cookie: str, path: str
) -> None:
    by_session: dict[str, Any] = {"headers": {"Cookie": cookie}, "origin": site.url}
    for caller in ({"key": "key"}, by_session):
        async with site.socket(path, **caller) as client:
            assert await closed_with(client) == (UNAVAILABLE, "The database does not answer.")
    async with site.socket(path) as stranger:
        assert (await closed_with(stranger))[0] == 4401


def _at_once(site: Served) -> list[Answer]:
    """Answers to several requests at the same time, so that each has a connection of its own."""
    with ThreadPoolExecutor(6) as pool:
        return list(
            pool.map(lambda _: ask(site, new_connection(site), "GET", "/api/v1/me"), range(6))
        )


def test_no_request_notices_that_the_database_was_restarted_before_it(
    site: Served, mariadb: MariadbServer
) -> None:
    assert {answer.status for answer in _at_once(site)} == {200}
    mariadb.kill()
    mariadb.start()
    assert {answer.status for answer in _at_once(site)} == {200}


def test_request_is_answered_503_while_the_database_is_paused(
    site: Served, mariadb: MariadbServer
) -> None:
    """A kept connection still looks open."""
    assert {answer.status for answer in _at_once(site)} == {200}
    assert mariadb.process is not None
    mariadb.process.send_signal(signal.SIGSTOP)
    try:
        assert all(is_unavailable(answer) for answer in _at_once(site))
        assert get(site, "/health/live").status == 200
    finally:
        mariadb.process.send_signal(signal.SIGCONT)
    until_ready(site)


async def test_open_sockets_outlive_the_database(site: Served, mariadb: MariadbServer) -> None:
    async with (
        site.socket("/ws/live/", key="key") as live,
        site.socket("/ws/events/", key="key") as feed,
    ):
        await start_session(live, site)
        await asyncio.to_thread(mariadb.kill)
        for _ in range(10):
            assert (await send_frame(live, photo(ANN, looks=1)))["type"] == "faces"
            await asyncio.sleep(0.1)  # a face is unknown after 0.7 s
        await asyncio.to_thread(mariadb.start)
        assert (await hear(feed))["event"]["kind"] == "opened"


def test_acknowledged_writes_survive_a_killed_database(
    site: Served, mariadb: MariadbServer
) -> None:
    """New people are added without a pause while the database is killed twice."""
    acknowledged: list[str] = []
    others: list[Answer] = []
    is_over = threading.Event()
    numbers = count()

    def make() -> None:
        while not is_over.is_set():
            answer = post_json(site, "/api/v1/persons", {"name": f"Person {next(numbers)}"})
            if answer.status == 201:
                acknowledged.append(json.loads(answer.body)["id"])
            else:
                others.append(answer)

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for _ in range(2):
        time.sleep(1.5)
        mariadb.kill()
        time.sleep(0.5)
        mariadb.start()
        until_ready(site)
    time.sleep(1)
    is_over.set()
    for maker in makers:
        maker.join(PATIENCE_S)
    assert others
    assert all(is_unavailable(answer) for answer in others)
    assert len(acknowledged) > 20
    assert set(acknowledged) <= persons(site)
    assert not site.tracebacks, site.tracebacks


def persons(site: Served) -> set[str]:
    found: set[str] = set()
    path: str | None = "/api/v1/persons?page_size=500"
    while path:
        page = json.loads(ask(site, new_connection(site), "GET", path).body)
        found |= {person["id"] for person in page["results"]}
        path = page["next"] and "/api" + page["next"].split("/api", 1)[1]
    return found
