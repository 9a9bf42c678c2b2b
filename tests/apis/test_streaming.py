"""Streaming gives the frames that the random-access reader gives, in any container."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from encoding import CODECS, cut_at_keyframe, encode, write_texture

from f4d_mmaction.apis import average_fps, stream_frames
from f4d_mmaction.datasets import streaming
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError

MANIFEST = """<?xml version="1.0"?><!--\u00a0-->
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">
<BaseURL>file://{file}</BaseURL></Representation></AdaptationSet></Period></MPD>
"""


@pytest.mark.parametrize("suffix", CODECS)
def test_frames_are_those_of_the_reader(tmp_path, suffix):
    path = encode(tmp_path / f"video{suffix}")
    streamed = [frame.image for frame in stream_frames(path)]
    read = VideoReader(str(path)).read(np.arange(24))
    assert np.array_equal(streamed, read)
    assert average_fps(path) == pytest.approx(12)


def test_only_wanted_frames_are_converted(tmp_path):
    path = encode(tmp_path / "video.mp4")
    frames = list(stream_frames(path, lambda index: index % 5 == 0))
    assert [frame.number for frame in frames if frame.image is not None] == [0, 5, 10, 15, 20]


def test_times_of_a_variable_frame_rate_are_the_files_own(tmp_path):
    times = [0, 1, 2, 6, 7, 20]
    path = encode(tmp_path / "video.mkv", times)
    found = [frame.time for frame in stream_frames(path)]
    assert found == pytest.approx([time / 12 for time in times], abs=2e-3)


def test_a_recording_begins_at_0_as_players_show_it(tmp_path: Path) -> None:
    """A transport stream, as of a television, whose clock began long before."""
    path = encode(tmp_path / "video.mp4")
    options = {"output_ts_offset": "40000"}
    with av.open(str(path)) as whole, av.open(str(tmp_path / "tv.ts"), "w", options=options) as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                cut.mux(packet)
    with av.open(str(tmp_path / "tv.ts")) as video:
        assert video.start_time >= 40_000 * av.time_base
    found = [frame.time for frame in stream_frames(tmp_path / "tv.ts")]
    assert found == pytest.approx([number / 12 for number in range(24)], abs=2e-3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_times_of_avi_with_b_frames_are_those_of_showing(
    tmp_path: Path, codec: str, threads: int
) -> None:
    """AVI says when each frame was stored, and has an empty chunk for each that is left out."""
    times = [*range(12), *range(72, 96)]
    path = encode(tmp_path / "b.avi", times, codec=codec, options={"bf": "2"})
    found = [frame.time for frame in stream_frames(path, threads=threads)]
    assert found == pytest.approx([time / 12 for time in times], abs=1e-3)


def test_a_frame_without_a_time_follows_the_one_before(tmp_path: Path) -> None:
    """As of streams with several pictures in a packet; after a pause, and a clock that is late."""
    path = encode(tmp_path / "a.ts", [*range(24), *range(144, 180)], codec="libx264")
    whole = [frame.time for frame in stream_frames(path)]
    frames = streaming.decode_all

    def every_other(*args: object) -> Iterator:
        for number, frame in enumerate(frames(*args)):
            frame.pts = frame.pts if number % 2 == 0 else None
            yield frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "decode_all", every_other)
        found = [frame.time for frame in stream_frames(path)]
    assert found[::2] == whole[::2]
    assert np.abs(np.subtract(found, whole)).max() < 1e-3


def test_a_clock_that_begins_anew_goes_on(tmp_path: Path) -> None:
    path = write_texture(tmp_path / "a.ts", 50, (64, 48))
    data, counts = bytearray(2 * path.read_bytes()), Counter()
    for at in range(0, len(data), 188):  # packets of a stream are numbered, by which losses show
        stream = int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF
        data[at + 3] = data[at + 3] & 0xF0 | counts[stream] % 16
        counts[stream] += data[at + 3] >> 4 & 1
    (tmp_path / "joined.ts").write_bytes(data)
    found = np.array([frame.time for frame in stream_frames(tmp_path / "joined.ts")])
    assert len(found) == 100
    assert np.diff(found) == pytest.approx(1 / average_fps(path), abs=2e-3)


@pytest.mark.parametrize("text", ["ffconcat version 1.0\n#\u00a0\nfile real.mp4\n", MANIFEST])
def test_a_playlist_is_no_video(tmp_path: Path, text: str) -> None:
    """It would show other files of the machine; with a no-break space it is no plain text."""
    encode(tmp_path / "real.mp4")
    (tmp_path / "list.mp4").write_text(text.format(file=tmp_path / "real.mp4"))
    with pytest.raises(BadVideoError):
        list(stream_frames(tmp_path / "list.mp4"))
    with pytest.raises(BadVideoError):
        VideoReader(str(tmp_path / "list.mp4"))


def test_bad_files_are_told(tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(BadVideoError, match="text"):
        average_fps(tmp_path / "text.mp4")
    path = encode(tmp_path / "video.mp4", times=range(200), size=(128, 96))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(BadVideoError, match="bytes are missing"):
        list(stream_frames(path))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_video_cut_at_an_open_group_of_pictures(tmp_path, number):
    """Its leading frames, which refer to others before the cut, are dropped as by players."""
    options = {"x264-params": "open-gop=1:bframes=3:scenecut=0:keyint=12:min-keyint=12"}
    write_texture(tmp_path / "whole.mp4", 48, (96, 64), options=options)
    cut_at_keyframe(tmp_path / "whole.mp4", tmp_path / "cut.mp4", number)
    whole = VideoReader(str(tmp_path / "whole.mp4")).read(range(12 * number, 48))
    assert np.array_equal(VideoReader(str(tmp_path / "cut.mp4")).read(range(len(whole))), whole)
    assert np.array_equal([frame.image for frame in stream_frames(tmp_path / "cut.mp4")], whole)
