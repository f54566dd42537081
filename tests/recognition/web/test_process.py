"""The object with the state of a process."""

from __future__ import annotations

import threading

import pytest
from django.utils.module_loading import import_string

from recognition.web import process as process_module
from recognition.web.process import PARTS, ROLES, Part, Process, process, use_process


class Recorder(Part):
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("start")

    def stop(self, timeout_s: float) -> bool:
        self.told.append("stop")
        return True


class Slow(Recorder):
    def stop(self, timeout_s: float) -> bool:
        super().stop(timeout_s)
        return False


class Failing(Recorder):
    def stop(self, timeout_s: float) -> bool:
        raise OSError("no room")


def test_process_without_roles_is_made_at_first_use() -> None:
    use_process(None)
    first = process()
    assert first is process()
    assert first.roles == frozenset()
    first.start()
    assert first._parts == {}


def test_two_starts_have_two_ids() -> None:
    one, other = Process(node="door"), Process(node="door")
    assert one.id != other.id
    assert one.id.startswith("door:")


def test_process_with_a_long_host_name_fits_the_column_of_owners() -> None:
    assert len(Process(node="n" * 300).id) <= 128


def test_process_with_an_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="cooks"):
        Process(roles=["web", "cooks"])


def test_threads_of_a_process_share_one_part() -> None:
    Recorder.made = 0
    found: list[Recorder] = []
    barrier = threading.Barrier(8)

    def use() -> None:
        barrier.wait()
        found.append(process().part(Recorder))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Recorder.made == 1
    assert len({id(part) for part in found}) == 1


def test_only_parts_of_the_roles_start(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"Recorder": frozenset({"web"}), "Slow": frozenset({"jobs"})}
    table = {f"{__name__}.{name}": roles for name, roles in names.items()}
    monkeypatch.setattr(process_module, "PARTS", table)
    made = Process(roles=["jobs"])
    made.start()
    assert list(made._parts) == [Slow]
    assert made.part(Slow).told == ["start"]


def test_parts_stop_in_opposite_order_even_after_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Process()
    first = made.part(Recorder)
    made.part(Failing)
    assert not made.stop(1)
    assert first.told == ["stop"]
    assert "no room" in caplog.text


def test_stop_says_if_time_ran_out() -> None:
    made = Process()
    made.part(Recorder)
    assert made.stop(1)
    made.part(Slow)
    assert not made.stop(1)


@pytest.mark.parametrize("name", PARTS)
def test_every_listed_part_can_be_imported(name: str) -> None:
    assert issubclass(import_string(name), Part)
    assert PARTS[name] <= set(ROLES)
