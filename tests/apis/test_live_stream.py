"""Live streams: the same scores as of the file, in bounded memory, from nowhere else."""

import os
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path
from threading import Event

import av
import live_stream
import numpy as np
import pytest
from encoding import copy_streams, write_texture
from live_stream import Reader, StreamError, score_live
from serving import give, served

from f4d_mmaction.apis import SlidingWindow

FRAMES, SECTION, UNITS = 83, 8, 4


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("live") / "video.ts"
    write_texture(path, FRAMES, (64, 64), gop=8)
    return path


@pytest.fixture(scope="module")
def expected(model, video) -> np.ndarray:
    """Scores of every window of the file."""
    return SlidingWindow(model, 25).timeline(video).scores


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(live_stream, "PAUSE", 0.01)


@pytest.fixture
def reader(model):
    """Makes readers and stops them."""
    made = []

    def make(source: str, timeout: float = 60, tries: int = 0, **options: bool) -> Reader:
        made.append(
            Reader(source, lambda fps: SlidingWindow(model, fps), timeout, tries, **options)
        )
        return made[-1]

    yield make
    for one in made:
        one.stop()


def assert_breaks_off(reader: Reader, told: str = ".") -> None:
    """Read to the end before the network takes anything; it then hears why there is no more."""
    reader.run()
    with pytest.raises(StreamError, match=told):
        list(score_live(reader))


def scores_of(reader: Reader) -> np.ndarray:
    """Scores until the source is at its end or broken."""
    found = []
    with suppress(StreamError):
        found.extend(result["scores"] for result in score_live(reader, 60))
    return np.stack(found)


def test_a_source_that_waits_gives_the_scores_of_the_file(reader, video, expected):
    with served(give(video.read_bytes())) as (address, _):
        one = reader(address, keep_all=True)
        one.start()
        assert scores_of(one) == pytest.approx(expected, abs=1e-5)
    assert (one.frames, one.dropped, one.reopened) == (FRAMES, 0, 0)


def test_a_source_slower_than_the_network_loses_nothing(reader, video, expected):
    wanted, data = Event(), video.read_bytes()

    def trickle(handler):
        handler.send_response(200)
        handler.end_headers()
        for start in range(0, len(data), 1024):
            wanted.wait(60)
            wanted.clear()
            handler.wfile.write(data[start : start + 1024])

    with served(trickle) as (address, _):
        one, found = reader(address), []
        one.start()
        with suppress(StreamError):
            for result in score_live(one, 0.01):
                if result is None:
                    wanted.set()  # the network waits
                else:
                    found.append(result)
    assert one.dropped == 0
    starts = np.array([result["start"] for result in found])
    ends = np.array([result["end"] for result in found])
    assert ends - starts == pytest.approx(np.full(len(found), UNITS * SECTION / 25))
    # Where FFmpeg hands on at once what it read to learn the format, only the latest is scored.
    windows = len(expected) - 1 - ((starts[-1] - starts) * 25 / SECTION).round().astype(int)
    assert len(found) > 3
    assert np.stack([r["scores"] for r in found]) == pytest.approx(expected[windows], abs=1e-5)


def test_a_pipe_faster_than_the_network_gives_its_latest_window(reader, video, expected):
    one, kept = reader("-"), os.dup(0)
    with subprocess.Popen(["cat", video], stdout=subprocess.PIPE) as cat:
        os.dup2(cat.stdout.fileno(), 0)
        try:
            one.run()  # here: to the end before the network takes anything
        finally:
            os.dup2(kept, 0)
            os.close(kept)
    assert (one.frames, one.dropped) == (FRAMES, (FRAMES // SECTION - UNITS) * SECTION)
    assert scores_of(one) == pytest.approx(expected[-1:], abs=1e-5)


def test_what_waits_does_not_grow(reader, tmp_path):
    frames, side = 200, 256
    write_texture(tmp_path / "long.ts", frames, (side, side))
    data = (tmp_path / "long.ts").read_bytes()
    with served(give(data)) as (address, _):
        tracemalloc.start()
        reader(address).run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < frames * side * side * 3 / 4 + len(data)


def test_a_source_that_breaks_off_is_opened_again(reader, video, expected, capsys):
    data = video.read_bytes()
    with served(give(data[: len(data) // 2], len(data)), give(data)) as (address, asked):
        one = reader(address, tries=2, keep_all=True)
        one.start()
        found = scores_of(one)
        assert len(asked) == 2, "a file that was read to its end is not opened again"
    first = len(found) - len(expected)
    assert 0 < first < len(expected)
    assert found == pytest.approx(np.concatenate((expected[:first], expected)), abs=1e-5)
    assert one.reopened == 1
    assert "opening it again" in capsys.readouterr().err


def test_an_mp4_that_cannot_be_streamed_says_why(reader, tmp_path):
    texture = write_texture(tmp_path / "index_first.mp4", FRAMES, (512, 512))
    data = copy_streams([texture], tmp_path / "index_last.mp4").read_bytes()
    with served(give(data)) as (address, _):
        assert_breaks_off(reader(address), "only with its index first")


def test_a_file_without_a_frame_is_told(reader, video):
    with served(give(video.read_bytes()[: 4 * 188])) as (address, _):  # tables alone
        assert_breaks_off(reader(address))


def test_tries_are_counted_from_the_last_frame(reader, video):
    data = video.read_bytes()
    with served(give(data[: len(data) // 2], len(data))) as (address, asked):
        assert_breaks_off(reader(address, tries=3), "404")
        assert len(asked) == 4


@pytest.mark.parametrize(("suffix", "breaks"), [(".ts", True), (".mkv", True), (".mkv", False)])
def test_a_file_that_never_comes_whole_is_told(reader, tmp_path, suffix, breaks):
    path = write_texture(tmp_path / f"a{suffix}", FRAMES, (64, 64), gop=8)
    data = path.read_bytes()
    half = data[: len(data) // 2]
    with served(*[give(half, len(data) if breaks else len(half))] * 9) as (address, asked):
        assert_breaks_off(reader(address, tries=2))
        assert len(asked) == (3 if breaks else 1)


def test_half_a_recording_whose_clock_is_late_is_not_whole(reader, tmp_path):
    """As of a television: its first frame is shown at 1000 s."""
    path = write_texture(tmp_path / "a.ts", FRAMES, (64, 64), gop=8)
    late = copy_streams([path], tmp_path / "late.ts", cut=-25_000)
    data = late.read_bytes()
    with served(*[give(data[: len(data) // 2], len(data))] * 9) as (address, asked):
        assert_breaks_off(reader(address, tries=2))
        assert len(asked) == 3


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".flv"])
def test_a_recording_whose_first_frame_comes_late_is_whole(reader, tmp_path, suffix):
    path = write_texture(tmp_path / "a.ts", FRAMES, (64, 64), gop=8)
    late = copy_streams([path], tmp_path / f"late{suffix}", cut=-125)  # 5 s
    data = late.read_bytes()
    with served(give(data, len(data))) as (address, asked):
        live = reader(address)
        live.run()
        assert list(score_live(live))
        assert live.frames == FRAMES
        assert len(asked) == 1


def test_frames_without_a_time_fill_units(reader, video, monkeypatch):
    """As of streams with several pictures in a packet, whose clock began long before."""
    frames = live_stream.decode_all

    def late(*args, **options):
        for number, frame in enumerate(frames(*args, **options)):
            frame.pts = None if number % 2 else frame.pts + 90_000_000
            yield frame

    monkeypatch.setattr(live_stream, "decode_all", late)
    data = video.read_bytes()
    with served(give(data, len(data))) as (address, _):
        live = reader(address, keep_all=True)
        live.start()
        found = [result for result in score_live(live, 60) if result]
    assert len(found) == FRAMES // SECTION - UNITS + 1


@pytest.mark.parametrize("share", [0, 0.5])
def test_silence_ends(reader, video, share):
    held, data = Event(), video.read_bytes()

    def fall_silent(handler):
        if share:
            give(data[: int(len(data) * share)], len(data))(handler)
        held.wait(60)

    with served(fall_silent) as (address, _):
        one = reader(address.replace("//", "//name:sec@ret@"), timeout=1)
        assert_breaks_off(one, r"^http://127[^@]*no (answer|frame) within 1 s$")
        held.set()


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_a_pipe_that_falls_silent_is_told(reader, tmp_path, capfd, suffix):
    data = write_texture(tmp_path / f"a{suffix}", FRAMES, (64, 64), gop=8).read_bytes()
    one, kept, pipe = reader("-", timeout=3), os.dup(0), subprocess.PIPE
    with subprocess.Popen(["sh", "-c", "cat; exec sleep 60"], stdin=pipe, stdout=pipe) as silent:
        silent.stdin.write(data[: len(data) * 3 // 4])
        silent.stdin.close()
        os.dup2(silent.stdout.fileno(), 0)
        try:
            assert_breaks_off(one, "standard input: no frame within 3 s")
        finally:
            os.dup2(kept, 0)
            os.close(kept)
            silent.kill()
    assert one.frames > FRAMES / 2
    assert "exception" not in capfd.readouterr().err


def test_the_tool_ends_quietly_when_nobody_reads_on(
    root, config_path, checkpoint, video, subprocess_env
):
    read, write = os.pipe()
    os.close(read)  # as `| head` does when it has its lines
    command = [sys.executable, "-W", "ignore", root / "tools/long_video.py", "-", "--keep-all",
               "--config", config_path, "--checkpoint", checkpoint]  # fmt: skip
    with open(video, "rb") as stream:
        done = subprocess.run(command, stdin=stream, stdout=write, stderr=subprocess.PIPE,
                              env=subprocess_env, text=True)  # fmt: skip
    os.close(write)
    assert done.returncode == 0, done.stderr
    assert "1 windows" in done.stderr
    assert "BrokenPipe" not in done.stderr


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{other}/a.ts\n#EXT-X-ENDLIST\n",
    "hls of a file": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile:///etc/passwd\n",
    "concat": "ffconcat version 1.0\nfile {other}/a.ts\nfile file:///etc/passwd\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_what_a_source_names_is_not_opened(kind, video):
    with served(*[give(video.read_bytes())] * 9) as (other, asked):
        text = PLAYLISTS[kind].format(other=other).encode()
        with served(*[give(text)] * 9) as (address, _):
            if kind == "hls":  # what FFmpeg does by itself
                with suppress(av.FFmpegError):
                    av.open(f"{address}/a.m3u8").close()
                assert asked, "the playlist leads to the other host, or this tells nothing"
                asked.clear()
            with pytest.raises(StreamError, match="not a playlist"):
                live_stream.open_live(f"{address}/a.m3u8", 10)
        assert not asked


@pytest.mark.skipif(
    av.library_versions["libavformat"] < (62, 12, 0), reason="PyAV before 17 follows them"
)
def test_redirects_are_not_followed(video):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", f"{other}/a.ts")
        handler.end_headers()

    with served(give(video.read_bytes())) as (other, asked), served(redirect) as (address, _):
        with pytest.raises(StreamError, match="a redirect, which is not followed"):
            live_stream.open_live(address, 10)
        assert not asked


@pytest.mark.parametrize("name", ["udp://127.0.0.1:9", "file:///etc/passwd", "concat://a|b", "97"])
def test_other_sources_are_told(name):
    with pytest.raises(StreamError, match=r"expected an address of http|No such file"):
        live_stream.open_live(name, 1)
