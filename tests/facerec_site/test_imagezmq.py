"""Senders of ImageZMQ at a served site that is stopped, killed and started again."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.facerec_site.site import PATIENCE_S, Served
from tests.recognition.cameras.sources.imagezmq_peer import sending
from tools.ports import free_port

NODE = "gate"


@pytest.fixture
def address() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


def _add_camera(site: Served, name: str) -> None:
    body = {"name": name, "kind": "imagezmq", "address": name, "node": NODE}
    request = urllib.request.Request(
        f"{site.url}/api/v1/cameras",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "X-Api-Key": site.made["manage_key"]},
    )
    assert urllib.request.urlopen(request).status == 201


def _owner(site: Served) -> str:
    """The process that holds the hub and plays all cameras; empty if they are not all of one."""
    tables = ("cameras_camerahub", "cameras_camera")
    try:
        owners = {row for table in tables for row in site.rows(f"SELECT owner FROM {table}")}
    except sqlite3.OperationalError:  # it is being written
        return ""
    return owners.pop()[0] if len(owners) == 1 else ""


def _until(is_so: Callable[[], object]) -> float:
    began_s = time.monotonic()
    while not is_so():
        assert time.monotonic() - began_s < PATIENCE_S
        time.sleep(0.05)
    return time.monotonic() - began_s


def test_ten_plain_senders_go_on_after_the_site_was_stopped_and_started(
    start: Callable[..., Served], address: str
) -> None:
    arguments = ("--", "--port", "0", "--node", NODE)
    names = [f"door {number}" for number in range(10)]
    site = start(*arguments, IMAGEZMQ_BIND=address)
    for name in names:
        _add_camera(site, name)
    with sending(address, names, "--fps", "10") as peers:
        for peer in peers:
            peer.await_answers(5)
        assert site.terminate() == 0
        start("--join", *arguments, IMAGEZMQ_BIND=address)
        for peer in peers:
            peer.await_answers(5)
            assert set(peer.answers) == {"OK"}


def test_hub_of_a_killed_process_is_taken_over_with_all_its_cameras(
    start: Callable[..., Served], address: str
) -> None:
    environment = {"IMAGEZMQ_BIND": address, "LEASE_S": "3"}
    web = start("--", "--port", "0", "--roles", "web", **environment)
    names = ["door", "hall"]
    for name in names:
        _add_camera(web, name)
    workers = [
        start("--join", "--", "--roles", "cameras", "--node", NODE, **environment) for _ in range(2)
    ]
    with sending(address, names, "--limit-ms", "500") as peers:
        for peer in peers:
            peer.await_answers(3)
        _until(lambda: _owner(web))
        owner = _owner(web)
        victim = next(w for w in workers if f":{w.process.pid}:" in owner)
        victim.kill()
        assert _until(lambda: _owner(web) not in ("", owner)) < 30
        for peer in peers:
            peer.await_answers(3)
