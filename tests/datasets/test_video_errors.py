"""Every kind of bad video is told apart, in every container, and no worker dies of one."""

import os
import pickle

import av
import cv2
import numpy as np
import pytest
from encoding import write_texture
from mmaction.datasets import VideoDataset
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from f4d_mmaction.datasets.transforms import DecodeRawUnits, InitVideo, VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind

FRAMES = 24
SIZE = (96, 64)
CODECS = {".mp4": "libx264", ".avi": "mpeg4", ".webm": "libvpx-vp9"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Bytes of a sound file per container."""
    folder = tmp_path_factory.mktemp("sound")
    for suffix, codec in CODECS.items():
        write_texture(folder / f"video{suffix}", FRAMES, SIZE, codec)
    return {suffix: (folder / f"video{suffix}").read_bytes() for suffix in CODECS}


def picture(suffix):
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


def without_frames(folder, suffix):
    """A container with a video stream of which no packet was written."""
    path = folder / f"no_frames{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[suffix], rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        container.start_encoding()
    return path.read_bytes()


def damaged(data, suffix):
    """Noise over the middle of the compressed frames; the container stays whole."""
    if suffix == ".mp4":
        start = data.index(b"mdat") + 4
        end = start - 8 + int.from_bytes(data[start - 8 : start - 4], "big")
    else:
        start, end = len(data) // 3, len(data) * 7 // 8
    mutant = bytearray(data)
    rng = np.random.default_rng(0)
    for place in rng.integers(start, end, size=(end - start) // 20):
        mutant[place] = rng.integers(256)
    return bytes(mutant)


def read_all(path):
    reader = VideoReader(str(path))
    return reader.read(np.arange(len(reader)))


def kind_of(path, read=True):
    with pytest.raises(BadVideoError) as caught:
        read_all(path) if read else VideoReader(str(path))
    assert str(path) in str(caught.value)
    assert caught.value.path == str(path)
    return caught.value.kind


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_truncated(tmp_path, sound, suffix, share):
    path = tmp_path / f"video{suffix}"
    path.write_bytes(sound[suffix][: int(share * len(sound[suffix]))])
    assert kind_of(path, read=False) is BadVideoKind.TRUNCATED


@pytest.mark.parametrize("suffix", [".mpg", ".ts"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_truncated_mpeg_streams(tmp_path, suffix, share):
    """They do not say how long they are, but each of their packets does."""
    path = write_texture(tmp_path / f"video{suffix}", FRAMES, SIZE, "mpeg2video")
    data = path.read_bytes()
    assert len(read_all(path)) == FRAMES
    path.write_bytes(data[: int(share * len(data)) // 188 * 188 + 40])
    assert kind_of(path, read=False) is BadVideoKind.TRUNCATED


@pytest.mark.parametrize("suffix", CODECS)
def test_damaged(tmp_path, sound, suffix):
    path = tmp_path / f"video{suffix}"
    path.write_bytes(damaged(sound[suffix], suffix))
    assert kind_of(path) in (BadVideoKind.DAMAGED, BadVideoKind.TRUNCATED)


def test_damage_is_hidden_only_on_request(tmp_path, sound):
    path = tmp_path / "video.mp4"
    path.write_bytes(damaged(sound[".mp4"], ".mp4"))
    assert kind_of(path) is BadVideoKind.DAMAGED
    assert len(VideoReader(str(path), strict=False)) == FRAMES


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (bytes(range(256)) * 8, "garbage"),
        (picture(".jpg"), "wrong_extension"),
        (picture(".png"), "wrong_extension"),
        ("<html>404: ei, das gibt es nicht mehr: ä</html>\n".encode() * 200, "wrong_extension"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n", "wrong_extension"),
        (b"PK\x03\x04" + bytes(100), "wrong_extension"),
    ],
    ids=["empty", "garbage", "jpeg", "png", "html", "playlist", "zip"],
)
def test_no_video_at_all(tmp_path, suffix, content, kind):
    path = tmp_path / f"video{suffix}"
    path.write_bytes(content)
    assert kind_of(path) is BadVideoKind(kind)


@pytest.mark.parametrize("suffix", CODECS)
def test_missing_and_unreadable(tmp_path, suffix):
    path = tmp_path / f"video{suffix}"
    assert kind_of(path) is BadVideoKind.MISSING
    assert kind_of(path / "below") is BadVideoKind.MISSING
    path.mkdir()
    assert kind_of(path) is BadVideoKind.UNREADABLE
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)  # opening it would wait for ever
    assert kind_of(pipe) is BadVideoKind.UNREADABLE


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_no_frames(tmp_path, suffix):
    path = tmp_path / f"video{suffix}"
    path.write_bytes(without_frames(tmp_path, suffix))
    assert kind_of(path) is BadVideoKind.NO_FRAMES


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for _ in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert kind_of(path) is BadVideoKind.NO_FRAMES


@pytest.mark.parametrize(("named", "content"), [(".avi", ".mp4"), (".mp4", ".webm")])
def test_another_containers_name_does_no_harm(tmp_path, sound, named, content):
    path = tmp_path / f"video{named}"
    path.write_bytes(sound[content])
    reader = VideoReader(str(path))
    assert len(reader.read(np.arange(FRAMES))) == FRAMES


def test_a_size_that_fills_the_memory_is_refused(tmp_path, sound):
    path = tmp_path / "video.mp4"
    path.write_bytes(sound[".mp4"])
    with pytest.raises(BadVideoError, match="max_pixels=100") as caught:
        VideoReader(str(path), max_pixels=100)
    assert caught.value.kind is BadVideoKind.TOO_LARGE


def test_time_limit(tmp_path, sound):
    path = tmp_path / "video.mp4"
    path.write_bytes(sound[".mp4"])
    with pytest.raises(BadVideoError, match="not read within 1e-09 s") as caught:
        InitVideo(time_limit=1e-9)({"filename": str(path)})
    assert caught.value.kind is BadVideoKind.TIMEOUT


def decode_pictures(folder):
    info = {"frame_dir": str(folder), "filename_tmpl": "{:05}.jpg", "modality": "RGB"}
    return DecodeRawUnits()({**info, "frame_inds": np.array([1, 2, 3])})


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (None, "missing_frames"),
        (b"", "empty"),
        (b"no picture", "garbage"),
        (picture(".jpg")[:-400], "truncated"),
    ],
    ids=["hole", "empty", "garbage", "truncated"],
)
def test_folders_of_pictures(tmp_path, content, kind):
    for number in (1, 3):
        (tmp_path / f"{number:05}.jpg").write_bytes(picture(".jpg"))
    if content is not None:
        (tmp_path / "00002.jpg").write_bytes(content)
    with pytest.raises(BadVideoError, match=r"00002\.jpg") as caught:
        decode_pictures(tmp_path)
    assert caught.value.kind is BadVideoKind(kind)
    assert caught.value.path == str(tmp_path)


def test_folders_that_are_none(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    for name, kind in {"absent": "missing", "empty": "empty", "file": "unreadable"}.items():
        with pytest.raises(BadVideoError) as caught:
            decode_pictures(tmp_path / name)
        assert caught.value.kind is BadVideoKind(kind)


def test_pictures_of_different_size(tmp_path):
    for number in (1, 2, 3):
        (tmp_path / f"{number:05}.jpg").write_bytes(picture(".jpg"))
    image = np.zeros((32, 32, 3), np.uint8)
    (tmp_path / "00002.jpg").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    with pytest.raises(BadVideoError, match="differ in size"):
        decode_pictures(tmp_path)


def test_the_error_reaches_the_main_process_by_name(tmp_path, sound):
    """Two workers, a truncated AVI (which kills a worker through DecordInit): a clear error."""
    (tmp_path / "cut.avi").write_bytes(sound[".avi"][: len(sound[".avi"]) // 2])
    (tmp_path / "list.txt").write_text("cut.avi 0\ncut.avi 1\n")
    pipeline = [{"type": "InitVideo"}]
    with DefaultScope.overwrite_default_scope("mmaction"):
        prefix = {"video": str(tmp_path)}
        dataset = VideoDataset(str(tmp_path / "list.txt"), pipeline, prefix, test_mode=True)
    with pytest.raises(BadVideoError, match=r"cut\.avi: truncated video"):
        list(DataLoader(dataset, num_workers=2, batch_size=1))


def test_errors_can_be_pickled():
    error = pickle.loads(pickle.dumps(BadVideoError("m", BadVideoKind.EMPTY, "p")))
    assert (str(error), error.kind, error.path) == ("m", BadVideoKind.EMPTY, "p")
