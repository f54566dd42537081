"""The relay: receivers in parallel, in one process and in several, which are killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from recognition.notices import relay
from recognition.notices.models import Attempt, Delivery, Receiver, Webhook
from recognition.notices.relay import Relay, due_receivers
from recognition.web.process import process
from tests.databases import database_url, pause
from tests.programs import Program
from tests.recognition.notices.receivers import Handler, answer, hang, late
from tests.recognition.notices.receivers import Receiver as Server
from tests.recognition.notices.rows import make_webhook, only_delivery, tell

pytestmark = pytest.mark.django_db(transaction=True)

_PROGRAM = "tests.recognition.notices.relay_until_killed"


@pytest.fixture(autouse=True)
def _quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "POLL_S", 0.05)
    settings.WEBHOOK_LIMIT_S = 2.0
    settings.DELIVERY_RETRIES_S = [0.2] * 20


@pytest.fixture
def _running() -> Iterator[None]:
    part = process().part(Relay)
    part.start()
    yield
    assert part.stop(15)


def wait_for(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.03)


def all_ids() -> list[str]:
    return [str(pk) for pk in Delivery.objects.values_list("pk", flat=True)]


def is_delivered(hook: Webhook, count: int = 1) -> bool:
    done = Delivery.objects.filter(receiver=hook.receiver_id, state=Delivery.State.DELIVERED)
    return done.count() == count


@pytest.mark.usefixtures("_running")
class TestRelay:
    def test_one_notice_reaches_every_webhook(self, receivers: Callable[..., Server]) -> None:
        servers = [receivers() for _ in range(3)]
        hooks = [make_webhook(server.url) for server in servers]
        tell()
        for hook in hooks:
            wait_for(lambda hook=hook: is_delivered(hook))  # type: ignore[misc]
        assert [len(server.received) for server in servers] == [1, 1, 1]

    def test_receiver_that_hangs_delays_no_other(
        self, receivers: Callable[..., Server], settings: Any
    ) -> None:
        """Not even if there are more of them than slots."""
        settings.WEBHOOK_LIMIT_S = 20.0
        quick = receivers()
        stuck = receivers(*[hang] * 100)
        hooks = [make_webhook(stuck.url) for _ in range(sum(relay.SLOTS.values()) + 4)]
        # They failed before, so they use the slots of failing receivers.
        Receiver.objects.update(failures=1)
        healthy = make_webhook(quick.url)
        for _ in hooks:
            tell()
        stuck.wait(relay.SLOTS[True])
        began_s = time.monotonic()
        tell("event.deleted")
        wait_for(lambda: is_delivered(healthy, len(hooks) + 1))
        assert time.monotonic() - began_s < 10.0, "half of what a receiver that hangs may take"

    def test_one_receiver_has_one_message_under_way(self, receivers: Callable[..., Server]) -> None:
        under_way: list[int] = []
        most: list[int] = []

        def slow(handler: Handler) -> None:
            under_way.append(1)
            most.append(len(under_way))
            late(0.05)(handler)
            under_way.pop()

        server = receivers(*[slow] * 10)
        hook = make_webhook(server.url)
        for _ in range(10):
            tell()
        wait_for(lambda: is_delivered(hook, 10))
        assert max(most) == 1

    def test_receiver_that_comes_back_gets_everything_once(
        self, receivers: Callable[..., Server]
    ) -> None:
        server = receivers(answer(500), hang, answer(302, Location="http://127.0.0.1:9/"))
        hook = make_webhook(server.url)
        for _ in range(3):
            tell()
        wait_for(lambda: is_delivered(hook, 3), 40)
        accepted = [request.id for request in server.received[3:]]
        assert sorted(accepted) == sorted(
            str(pk) for pk in Delivery.objects.values_list("pk", flat=True)
        )


def test_relay_separates_failing_receivers_from_others() -> None:
    failing, healthy = make_webhook(), make_webhook()
    Receiver.objects.filter(pk=failing.receiver_id).update(failures=3)
    assert due_receivers(9, is_failing=False, without=[]) == []
    tell()
    assert due_receivers(9, is_failing=False, without=[]) == [healthy.receiver_id]
    assert due_receivers(9, is_failing=True, without=[]) == [failing.receiver_id]
    assert due_receivers(9, is_failing=False, without=[healthy.receiver_id]) == []
    assert due_receivers(0, is_failing=False, without=[]) == []


def test_relay_stop_waits_for_deliveries_and_records_them(
    receivers: Callable[..., Server],
) -> None:
    server = receivers(late(0.5))
    hook = make_webhook(server.url)
    tell()
    tell()
    part = process().part(Relay)
    part.start()
    server.wait(1)
    assert part.stop(10)
    states = list(Delivery.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["delivered", "pending"]
    assert Receiver.objects.get(pk=hook.receiver_id).owner == ""


class TestKill:
    """Separate processes that are killed or paused while a message is being sent.

    The webhooks want no other kind, because the processes also tell of jobs that were lost.
    """

    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[[], Program]]:
        started: list[Program] = []

        def begin() -> Program:
            environment = {
                **os.environ,
                "DATABASE_URL": database_url(),
                "FACEREC_VAR": str(tmp_path / "var"),
                "LEASE_S": "1",
                "WEBHOOK_ALLOW_INTERNAL": "1",
                "WEBHOOK_LIMIT_S": "5",
            }
            sender = Program(_PROGRAM, environment=environment)
            started.append(sender)
            assert sender.stdout.readline() == "running\n"
            return sender

        yield begin
        for sender in started:
            sender.kill()
            sender.wait()
            sender.stdout.close()

    def test_message_of_a_killed_sender_is_sent_again_with_its_id(
        self, receivers: Callable[..., Server], start: Callable[[], Program]
    ) -> None:
        server = receivers(late(3))
        hook = make_webhook(server.url, kinds=["person.erased"])
        tell()
        first = start()
        server.wait(1)
        first.kill()
        start()
        wait_for(lambda: is_delivered(hook))
        assert [request.id for request in server.received] == [str(only_delivery(hook).pk)] * 2

    def test_nothing_is_lost_and_nothing_recorded_is_sent_again_over_many_kills(
        self, receivers: Callable[..., Server], start: Callable[[], Program]
    ) -> None:
        again: list[str] = []

        def check(handler: Handler) -> None:
            message = handler.headers["webhook-id"]
            if Delivery.objects.filter(pk=message, state=Delivery.State.DELIVERED).exists():
                again.append(message)
            connections.close_all()
            answer(204)(handler)

        server = receivers(*[check] * 1000)
        hook = make_webhook(server.url, kinds=["person.erased"])
        turns, per_turn = 3, 10
        for turn in range(turns):
            for _ in range(per_turn):
                tell()
            sender = start()
            server.wait(len(server.received) + 3)
            time.sleep(0.013 * turn)  # another place in the middle of the next one
            sender.kill()
            sender.wait()
        start()
        wait_for(lambda: is_delivered(hook, turns * per_turn), 40)
        assert not again, "a message came once more after its success was recorded"
        assert {request.id for request in server.received} == set(all_ids())
        # A kill may come between the answer and the record.
        assert len(server.received) <= turns * per_turn + turns
        assert Attempt.objects.filter(error="").count() == turns * per_turn

    def test_paused_sender_that_wakes_records_nothing_and_sends_nothing_more(
        self, receivers: Callable[..., Server], start: Callable[[], Program]
    ) -> None:
        server = receivers(late(0.5))
        hook = make_webhook(server.url, kinds=["person.erased"])
        tell()
        tell()
        paused = start()
        server.wait(1)
        pause(paused)
        start()
        wait_for(lambda: is_delivered(hook, 2))
        before = len(server.received)
        paused.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        assert len(server.received) == before == 3
        assert Attempt.objects.count() == 2

    def test_two_relays_send_each_message_once(
        self, receivers: Callable[..., Server], start: Callable[[], Program]
    ) -> None:
        servers = [receivers() for _ in range(3)]
        hooks = [make_webhook(server.url, kinds=["person.erased"]) for server in servers]
        start()
        start()
        for _ in range(20):
            tell()
        for hook in hooks:
            wait_for(lambda hook=hook: is_delivered(hook, 20))  # type: ignore[misc]
        for server in servers:
            ids = [request.id for request in server.received]
            assert len(ids) == len(set(ids)) == 20
