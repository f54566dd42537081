"""How cameras are shared among the processes that can play them."""

from __future__ import annotations

import pytest

from recognition.cameras.models import Camera, CameraHost
from recognition.cameras.services.hosts import host_gone, host_seen, hosts_up, share_of
from recognition.web.leases import DatabaseTime
from recognition.web.process import Process


def _cameras(*nodes: str) -> list[Camera]:
    return [Camera(node=node) for node in nodes]


def test_cameras_are_spread_evenly_over_processes() -> None:
    processes = [Process(node="gate") for _ in range(3)]
    hosts = {process.id: process.node for process in processes}
    for process in processes:
        assert share_of(process, hosts, _cameras(*[""] * 8)) == {"": 3, "gate": 0}


def test_cameras_of_a_node_are_shared_there_alone() -> None:
    gate, door = Process(node="gate"), Process(node="door")
    hosts = {gate.id: "gate", door.id: "door"}
    cameras = _cameras("gate", "gate", "gate", "", "")
    assert share_of(gate, hosts, cameras) == {"": 1, "gate": 3}
    assert share_of(door, hosts, cameras) == {"": 1, "door": 0}


def test_process_that_is_not_able_takes_cameras_if_no_other_is() -> None:
    warming_up, ready = Process(node="gate"), Process(node="door")
    cameras = _cameras("", "", "gate")
    assert share_of(warming_up, {}, cameras) == {"": 2, "gate": 1}
    assert share_of(warming_up, {ready.id: "door"}, cameras) == {"": 0, "gate": 1}


@pytest.mark.django_db
def test_host_is_up_while_it_is_seen() -> None:
    gate, door = Process(node="gate"), Process(node="door")
    for process in (gate, door, gate):
        host_seen(process)
    assert hosts_up() == {gate.id: "gate", door.id: "door"}
    CameraHost.objects.filter(pk=gate.id).update(seen_at=DatabaseTime(-60))
    assert hosts_up() == {door.id: "door"}
    host_seen(gate)
    host_gone(door)
    assert hosts_up() == {gate.id: "gate"}


@pytest.mark.django_db
def test_host_that_is_long_gone_is_forgotten() -> None:
    CameraHost.objects.create(process="old", node="gate", seen_at=DatabaseTime(-86_400))
    host_seen(Process(node="gate"))
    assert not CameraHost.objects.filter(pk="old").exists()
