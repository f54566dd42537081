"""The limit on decoded pictures in one process."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest

from accounts.models import AuditEntry
from ml_engine import EngineBusy
from ml_engine.images import decode_image
from recognition.people.models import Collection, Person
from recognition.people.services import pictures
from recognition.people.services.identification import detect, identify, verify
from recognition.people.services.pictures import decoded
from recognition.web.process import process
from tests.factories import ACTOR, enrol
from tests.fakes import FakeEngine, photo
from tests.pictures import saved
from tests.recognition.live.streams import until


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Limits for four pictures of a million pixels and short waits."""
    settings.MAX_IMAGE_MEGAPIXELS = 1
    monkeypatch.setattr(pictures, "_WAIT_S", 0.05)


@pytest.fixture
def large() -> bytes:
    from PIL import Image

    return saved(Image.new("1", (1000, 1000)), "PNG")


def _held() -> int:
    return process().part(pictures.PixelBudget)._held


def test_picture_beyond_the_memory_limit_is_refused_before_decoding(
    large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = []

    def counted(*args: Any, **options: Any) -> Any:
        count.append(1)
        return decode_image(*args, **options)

    monkeypatch.setattr(pictures, "decode_image", counted)
    with decoded(large), decoded(large), decoded(large), decoded(large):
        with pytest.raises(EngineBusy) as refused, decoded(large):
            pass
        assert refused.value.retry_after_s >= 1
        assert len(count) == 4
    with decoded(large) as image:
        assert image.shape == (1000, 1000, 3)
    assert _held() == 0


def test_decoding_waits_for_room_in_memory(large: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_WAIT_S", 20.0)
    done: list[tuple[int, ...]] = []

    def work() -> None:
        with decoded(large) as image:
            done.append(image.shape)

    with decoded(large), decoded(large), decoded(large):
        with decoded(large):
            waiting = threading.Thread(target=work)
            waiting.start()
            waiting.join(0.1)
            assert not done
        until(lambda: bool(done))
        waiting.join(5)


def test_room_is_released_after_a_failed_picture(large: bytes) -> None:
    with pytest.raises(RuntimeError), decoded(large):
        raise RuntimeError
    with pytest.raises(Exception, match="broken"), decoded(large[:-30]):
        pass
    assert _held() == 0


@pytest.mark.django_db
def test_room_is_held_until_the_engine_is_done(
    engine: FakeEngine, person: Person, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    find = engine.find

    def watched(images: Any, *args: Any) -> Any:
        held.append(_held() - sum(i.shape[0] * i.shape[1] for i in images))
        return find(images, *args)

    monkeypatch.setattr(engine, "find", watched)
    enrol(person, 1, 2)
    detect(data=photo(1), actor=ACTOR)
    identify(collection=collection, data=photo(1), actor=ACTOR)
    verify(data_a=photo(1), data_b=photo(1), actor=ACTOR)
    assert held == [0] * 6
    assert _held() == 0
    assert AuditEntry.objects.exists()


def test_memory_of_a_large_picture_goes_back_to_the_system(
    large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[int] = []
    monkeypatch.setattr(pictures, "give_back", lambda: given_back.append(_held()))
    with decoded(photo(1)):
        pass
    assert given_back == []
    monkeypatch.setattr(pictures, "_LARGE_PIXELS", 1_000_000)
    with decoded(large):
        assert given_back == []
    assert given_back == [0], "once the picture is let go of"


def test_large_pictures_leave_a_core_to_frames_while_they_are_decoded(
    large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is decoded in a thread of its own: ten of them would take every core."""
    monkeypatch.setattr(pictures, "_LARGE_PIXELS", 1_000_000)
    monkeypatch.setattr(pictures, "_WAIT_S", 20.0)
    monkeypatch.setattr(pictures, "cpu_threads", lambda: 3)
    running: list[int] = []
    counts: list[int] = []

    def slow(*args: Any, **options: Any) -> Any:
        running.append(1)
        counts.append(len(running))
        time.sleep(0.02)
        running.pop()
        return decode_image(*args, **options)

    monkeypatch.setattr(pictures, "decode_image", slow)
    threads = [threading.Thread(target=_decode, args=(large,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(counts), max(counts)) == (10, 2)


def test_small_picture_waits_for_no_large_one() -> None:
    budget = process().part(pictures.PixelBudget)
    with ExitStack() as turns:
        for _ in range(budget._turns._value):
            turns.enter_context(budget.turn(pictures._LARGE_PIXELS))
        _decode(photo(1))


def test_large_picture_without_a_turn_in_time_is_refused(settings: Any) -> None:
    settings.ENGINE_DEADLINE_S = 0.01
    budget, large = process().part(pictures.PixelBudget), pictures._LARGE_PIXELS
    with ExitStack() as turns:
        for _ in range(budget._turns._value):
            turns.enter_context(budget.turn(large))
        with pytest.raises(EngineBusy), budget.turn(large):
            pass
    with budget.turn(large):
        pass


def _decode(picture: bytes) -> None:
    with decoded(picture):
        pass
