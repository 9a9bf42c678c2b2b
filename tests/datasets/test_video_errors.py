"""Every kind of bad video is told apart, in every container, and no worker dies of one."""

import av
import cv2
import numpy as np
import pytest
from bad_videos import FOLDER_FAULTS, FRAME_NAME, VIDEO_FAULTS, write_frames
from encoding import write_texture
from mmaction.datasets import VideoDataset
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from f4d_mmaction.datasets.transforms import DecodeRawUnits, InitVideo, VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind

FRAMES = 24
SIZE = (96, 64)
CODECS = {".mp4": "libx264", ".avi": "mpeg4", ".webm": "libvpx-vp9"}


STREAMS = {".mpg": "mpeg2video", ".ts": "mpeg2video"}  # of packets that say how long they are


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Bytes of a sound file per container."""
    folder = tmp_path_factory.mktemp("sound")
    found = {}
    for suffix, codec in {**CODECS, **STREAMS}.items():
        path = write_texture(folder / f"video{suffix}", FRAMES, SIZE, codec)
        assert len(read_all(path)) == FRAMES
        found[suffix] = path.read_bytes()
    return found


def picture(suffix):
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


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


FAULTS = [fault for fault in VIDEO_FAULTS if fault[1] is not BadVideoKind.TIMEOUT]


def fault_name(part):
    return getattr(part, "__name__", "") or part.value


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize(("spoil", "kind"), FAULTS, ids=fault_name)
def test_each_fault_is_told(tmp_path, sound, suffix, spoil, kind):
    path = tmp_path / f"video{suffix}"
    path.write_bytes(sound[suffix])
    spoil(path)
    assert kind_of(path) is kind


@pytest.mark.parametrize("suffix", [*CODECS, *STREAMS])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_truncated(tmp_path, sound, suffix, share):
    path, data = tmp_path / f"video{suffix}", sound[suffix]
    path.write_bytes(data[: int(share * len(data)) // 188 * 188 + 40])  # within a packet
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
    "content",
    [
        picture(".jpg"),
        "<html>404: ei, das gibt es nicht mehr: ä</html>\n".encode() * 200,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n",
        b"PK\x03\x04" + bytes(100),
    ],
    ids=["jpeg", "html", "playlist", "zip"],
)
def test_no_video_at_all(tmp_path, suffix, content):
    path = tmp_path / f"video{suffix}"
    path.write_bytes(content)
    assert kind_of(path) is BadVideoKind.WRONG_EXTENSION


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
    info = {"frame_dir": str(folder), "filename_tmpl": FRAME_NAME, "modality": "RGB"}
    return DecodeRawUnits()({**info, "frame_inds": np.array([1, 2, 3])})


@pytest.mark.parametrize(("spoil", "kind"), FOLDER_FAULTS, ids=fault_name)
def test_each_fault_of_a_folder_of_pictures_is_told(tmp_path, spoil, kind):
    folder = tmp_path / "frames"
    write_frames(folder, np.zeros((3, *SIZE, 3), np.uint8))
    spoil(folder)
    with pytest.raises(BadVideoError) as caught:
        decode_pictures(folder)
    assert caught.value.kind is kind
    assert caught.value.path == str(folder)
    if kind in (BadVideoKind.MISSING_FRAMES, BadVideoKind.TRUNCATED, BadVideoKind.GARBAGE):
        assert "img_00002.jpg" in str(caught.value), "the first of them"


def test_pictures_of_different_size(tmp_path):
    write_frames(tmp_path / "frames", np.zeros((3, *SIZE, 3), np.uint8))
    write_frames(tmp_path / "other", np.zeros((2, 32, 32, 3), np.uint8))
    (tmp_path / "other/img_00002.jpg").replace(tmp_path / "frames/img_00002.jpg")
    with pytest.raises(BadVideoError, match="differ in size"):
        decode_pictures(tmp_path / "frames")


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


def test_a_trailer_after_the_last_box_is_no_missing_byte(tmp_path, sound) -> None:
    """As some cameras append one; a box of the standard that is cut is missing bytes."""
    video = sound[".mp4"]
    path = tmp_path / "trailer.mp4"
    path.write_bytes(video + b"GPS 48.1 N 11.6 E" * 9)
    assert len(VideoReader(str(path))) == FRAMES
    path.write_bytes(video + (100).to_bytes(4, "big") + b"sidx")
    with pytest.raises(BadVideoError, match="at least 92 bytes are missing"):
        VideoReader(str(path))
