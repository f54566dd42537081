"""How old a picture is when its names come: from the clock of the sensor to a client."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from websockets.asyncio.client import connect

from benchmarks.cameras.answers import Answer, in_order, recorded_between
from benchmarks.cameras.clock import ms_since, read_clock
from benchmarks.cameras.figures import percentile
from benchmarks.cameras.page import drawn_on_page
from benchmarks.cameras.rig import Options, Rig, rigged
from benchmarks.cameras.streams import SENSOR_FPS, SENSOR_SIZE
from benchmarks.document import table
from ml_engine.images import decode_image

OTHERS = 8
_SENSOR = "sensor"
_SETTLES_S = 10.0
_WRITTEN_S = 3.0
_SILENT_S = 20.0
TO_DECODER = "sensor to decoder"
TO_MESSAGE, TO_CLIENT = "answer to message", "decoder to message"
WHOLE = "sensor to message"
TO_PAGE = "decoder to page"
_BOLD = (TO_CLIENT, TO_PAGE, WHOLE)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message with the faces of a frame, and the picture that came before it."""

    at_s: float
    frame: int
    jpeg: bytes


def benchmark(options: Options, *, seconds: float, with_page: bool = True) -> str:
    """The block as Markdown."""
    runs: dict[str, dict[str, list[float]]] = {}
    with rigged(options, faces=OTHERS, stills=0, has_sensor=True) as rig:
        others = [f"other {number}" for number in range(OTHERS)]
        for number, name in enumerate(others):
            rig.add_camera(name, f"face-{number}")
        camera = rig.add_camera(_SENSOR, _SENSOR, max_fps=SENSOR_FPS)
        for title, beside in (("alone", []), (f"{OTHERS} more", others)):
            print(title, file=sys.stderr, flush=True)
            rig.play([_SENSOR, *beside])
            time.sleep(_SETTLES_S)
            runs[title] = _watched(rig, camera, seconds)
            if with_page:
                runs[title] |= _on_page(rig, camera, seconds)
    return markdown(runs, seconds)


def _watched(rig: Rig, camera: str, seconds: float) -> dict[str, list[float]]:
    start_s = time.monotonic()
    heard = asyncio.run(hear(rig, camera, seconds))
    return stages_of(heard, _answers(rig, start_s))


def _on_page(rig: Rig, camera: str, seconds: float) -> dict[str, list[float]]:
    start_s = time.monotonic()
    drawn = drawn_on_page(rig.url, camera, seconds)
    answers = _answers(rig, start_s)
    pairs = [(at_s, answers[frame]) for frame, at_s in drawn if frame in answers]
    return {TO_PAGE: [(at_s - answer.decoded_s) * 1000 for at_s, answer in pairs]}


def _answers(rig: Rig, start_s: float) -> dict[int, Answer]:
    """Since then, by the number of the frame."""
    time.sleep(_WRITTEN_S)
    answers = recorded_between(rig.record, start_s - 1, time.monotonic()).answers
    return {answer.frame: answer for answer in answers if answer.camera == _SENSOR}


async def hear(rig: Rig, camera: str, seconds: float) -> list[Heard]:
    """As a client that watches the camera."""
    heard: list[Heard] = []
    url = f"{rig.url.replace('http', 'ws')}/ws/cameras/{camera}/"
    headers = {"Authorization": f"Bearer {rig.key}"}
    async with connect(url, additional_headers=headers, max_size=None) as socket:
        size = {"type": "preview.size", "side_px": SENSOR_SIZE[0]}
        await socket.send(json.dumps(size))
        jpeg, until_s = b"", time.monotonic() + seconds
        while time.monotonic() < until_s:
            message = await asyncio.wait_for(socket.recv(), _SILENT_S)
            now_s = time.monotonic()
            if isinstance(message, bytes):
                jpeg = message
            elif (told := json.loads(message))["type"] == "faces":
                heard.append(Heard(now_s, told["frame"], jpeg))
    return heard


def stages_of(heard: Sequence[Heard], answers: Mapping[int, Answer]) -> dict[str, list[float]]:
    """Milliseconds by stage, in the order of the way."""
    times: dict[str, list[float]] = defaultdict(list, {TO_DECODER: []})
    for one in heard:
        answer, clock_ms = answers.get(one.frame), read_clock(decode_image(one.jpeg))
        if answer is None or clock_ms is None:
            continue
        times[TO_DECODER].append(ms_since(clock_ms, answer.decoded_s))
        for stage, ms in answer.timing_ms.items():
            if stage != "total":
                times[stage].append(ms)
        times[TO_MESSAGE].append((one.at_s - answer.at_s) * 1000)
        times[TO_CLIENT].append((one.at_s - answer.decoded_s) * 1000)
        times[WHOLE].append(ms_since(clock_ms, one.at_s))
    return times


def markdown(runs: Mapping[str, Mapping[str, Sequence[float]]], seconds: float) -> str:
    stages = dict.fromkeys(stage for times in runs.values() for stage in times)
    ends = (TO_DECODER, TO_MESSAGE, *_BOLD)
    ordered = [TO_DECODER, *in_order(stage for stage in stages if stage not in ends)]
    ordered += [stage for stage in (TO_MESSAGE, *_BOLD) if stage in stages]
    head = ["ms", *(f"{title}: {what}" for title in runs for what in ("p50", "p95"))]
    frames = ", ".join(f"{len(times.get(WHOLE, ()))}" for times in runs.values())
    return "\n\n".join(
        [
            "## From a camera to a client",
            table(head, [_row(stage, runs) for stage in ordered]),
            f"One camera of {SENSOR_SIZE[0]}x{SENSOR_SIZE[1]} at {SENSOR_FPS} frames a second, all "
            f"used, alone and while {OTHERS} more of 1280x720 with a face in view run at 5; "
            f"{seconds:g} seconds each, {frames} frames. The sensor draws its clock into each "
            "picture, and encodes it on the same cores. `sensor to decoder` has the encoder, the "
            "RTSP server, and the wait for the next frame, whose beginning is the end of this "
            "one; `decode` is the conversion to RGB. The message is heard by another process. The "
            "page is measured apart, for Chromium draws on the same cores: to the frame of the "
            "browser in which picture and boxes are drawn.",
        ]
    )


def _row(stage: str, runs: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    name = f"**{stage}**" if stage in _BOLD else stage
    found = [times.get(stage, ()) for times in runs.values()]
    return [name, *(f"{percentile(ms, percent):.1f}" for ms in found for percent in (50, 95))]
