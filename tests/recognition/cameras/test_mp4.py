"""MP4 files of clips: as the camera sent its packets, or encoded again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import av
import pytest

from recognition.cameras.mp4 import Unplayable, mp4_of, playable_mp4
from recognition.cameras.sources.packets import (
    TICKS_PER_S,
    PacketReader,
    VideoFormat,
    VideoPacket,
)
from tests.recognition.clips import FPS, played, video_packets


@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
def test_file_holds_every_picture_from_zero_on(codec: str) -> None:
    packets = video_packets(codec)
    video = mp4_of(packets)
    shown = played(video.content)
    assert (shown.codec, video.codec) == (codec, codec)
    assert shown.times_s == [number / FPS for number in range(len(packets))]
    assert shown.begins_with_key
    assert shown.size == (160, 96)
    assert video.seconds == pytest.approx(len(packets) / FPS, abs=0.05)


@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
def test_packets_are_not_encoded_again(codec: str) -> None:
    packets = video_packets(codec)
    sent = sum(len(packet.data) for packet in packets)
    assert len(mp4_of(packets).content) < sent + 16_384 + 100 * len(packets)


def test_index_is_in_front_of_the_pictures() -> None:
    content = mp4_of(video_packets()).content
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_times_that_do_not_rise_are_put_right() -> None:
    packets = video_packets(seconds=2)
    packets[5] = replace(packets[5], dts=packets[4].dts, pts=packets[4].pts)
    times_s = played(mp4_of(packets).content).times_s
    assert times_s == sorted(times_s)
    assert len(times_s) == len(packets)


@pytest.mark.parametrize("ticks", [0, 1, 20 * TICKS_PER_S])
def test_camera_whose_clock_is_wrong_plays_in_real_time(ticks: int) -> None:
    packets = [
        replace(packet, dts=number * ticks, pts=number * ticks)
        for number, packet in enumerate(video_packets())
    ]
    times_s = played(mp4_of(packets).content).times_s
    assert times_s == pytest.approx([number / FPS for number in range(len(packets))], abs=0.002)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_packets_with_lengths_are_read_like_those_with_start_codes(codec: str) -> None:
    """As in files and segments, which hold the parameter sets apart."""
    source = BytesIO(mp4_of(video_packets(codec)).content)
    with av.open(source, "r") as container:
        reader = PacketReader(container, container.streams.video[0])
        read = [found for packet in container.demux() if (found := reader.read(packet))]
    assert len(read) == 4 * FPS
    assert len(played(mp4_of(read).content).times_s) == 4 * FPS


def test_parameter_sets_that_come_apart_are_put_in_front_of_key_frames() -> None:
    packets = video_packets()
    sets = packets[0].format.parameter_sets

    class Context:
        name, extradata = "h264", sets

    class Stream:
        index, codec_context = 0, Context

    class Container:
        format = type("Format", (), {"name": "rtsp"})

    reader = PacketReader(Container, Stream)  # type: ignore[arg-type]
    read: list[VideoPacket] = []
    for packet in packets:
        made = av.Packet(_without_sets(packet.data))
        made.pts = made.dts = packet.dts
        made.time_base = Fraction(1, TICKS_PER_S)
        made.is_keyframe = packet.is_key
        if found := reader.read(made):
            read.append(found)
    assert all(packet.data.startswith(sets) for packet in read if packet.is_key)
    assert len(played(mp4_of(read).content).times_s) == len(packets)


def _without_sets(data: bytes) -> bytes:
    units = [unit for unit in data.split(b"\0\0\1")[1:] if unit and unit[0] & 31 not in (7, 8)]
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def test_packets_that_are_no_video_are_refused_in_words() -> None:
    with pytest.raises(Unplayable, match="No picture"):
        mp4_of([])
    broken = VideoPacket(b"\0\0\0\1garbage", 0, 0, True, 0.0, VideoFormat("h264", b""))
    with pytest.raises(Unplayable):
        mp4_of([broken])


@pytest.mark.parametrize("codec", ["hevc", "mjpeg"])
def test_clip_is_encoded_again_with_the_same_pictures_at_the_same_times(codec: str) -> None:
    first = mp4_of(video_packets(codec))
    done: list[float] = []
    second = playable_mp4(first.content, done.append)
    before, after = played(first.content), played(second.content)
    assert (second.codec, after.codec) == ("h264", "h264")
    assert after.times_s == before.times_s
    differences = [abs(a - b) for a, b in zip(before.brightness, after.brightness, strict=True)]
    assert max(differences) < 4
    assert done == sorted(done)
    assert done[-1] <= 1.0
    assert second.content.index(b"moov") < second.content.index(b"mdat")


def test_damaged_picture_is_left_out_when_a_clip_is_encoded_again() -> None:
    packets = video_packets("mjpeg", seconds=2)
    packets[5] = replace(packets[5], data=b"lost on the way")
    video = playable_mp4(mp4_of(packets).content, lambda done: None)
    times_s = played(video.content).times_s
    assert len(times_s) == len(packets) - 1
    assert times_s[-1] == pytest.approx((len(packets) - 1) / FPS)


def test_file_that_is_no_video_is_refused() -> None:
    with pytest.raises(Unplayable):
        playable_mp4(b"nothing" * 100, lambda done: None)
