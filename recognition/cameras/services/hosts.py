"""Processes that play cameras, and how many cameras are whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from django.conf import settings

from recognition.cameras.models import Camera, CameraHost
from recognition.web.leases import DatabaseTime
from recognition.web.process import Process, process

# Of LEASE_S: a process that was not seen for so long is forgotten.
_FORGOTTEN_AFTER = 100


def host_seen(host: Process) -> None:
    """This process can play cameras now. To be said again within LEASE_S."""
    mine = CameraHost.objects.filter(pk=host.id)
    if not mine.update(seen_at=DatabaseTime()):
        CameraHost.objects.create(process=host.id, node=host.node)
    long_ago = DatabaseTime(-_FORGOTTEN_AFTER * settings.LEASE_S)
    CameraHost.objects.filter(seen_at__lt=long_ago).delete()


def host_gone(host: Process) -> None:
    """It plays no more."""
    CameraHost.objects.filter(pk=host.id).delete()


def hosts_up() -> dict[str, str]:
    """The node of each process that can play cameras now, by the id of the process."""
    lately = CameraHost.objects.filter(seen_at__gt=DatabaseTime(-settings.LEASE_S))
    return dict(lately.values_list("process", "node"))


def default_node() -> str:
    """The machine of a camera that hangs on one and names none: the only one with a process that
    plays cameras, or else this one."""
    nodes = set(hosts_up().values())
    return nodes.pop() if len(nodes) == 1 else process().node


def share_of(host: Process, hosts: Mapping[str, str], cameras: Sequence[Camera]) -> dict[str, int]:
    """How many of the cameras `host` plays at most: of those without a node (""), and of those
    on its own node. Cameras are spread evenly over the hosts that can play them; if there is no
    host, it takes all."""
    shares = {}
    for node in {"", host.node}:
        count = sum(camera.node == node for camera in cameras)
        able = [name for name, on in hosts.items() if node in ("", on)]
        is_able = host.id in able or not able
        shares[node] = ceil(count / max(1, len(able))) if is_able else 0
    return shares
