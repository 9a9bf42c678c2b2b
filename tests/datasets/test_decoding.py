"""Decoding: equal to the stock pipeline and to plain sequential decoding, each frame once."""

import io
import random
from fractions import Fraction
from types import SimpleNamespace

import av
import decord
import numpy as np
import pytest
from encoding import copy_streams, encode, write_texture
from interlacing import interlaced_h264
from mmaction.registry import TRANSFORMS
from mmengine.registry import DefaultScope

from f4d_mmaction.datasets import video_reader
from f4d_mmaction.datasets.streaming import stream_frames
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError

FRAMES = 48
SIZE = (96, 64)
OPEN_GOP = {"x264-params": "open-gop=1:bframes=3:scenecut=0:keyint=12:min-keyint=12"}
# name: (encoder, keyword arguments)
VIDEOS = {
    "h264.mp4": ("libx264", {}),
    "closed_gop.mp4": ("libx264", {"gop": 12}),
    "h264_open_gop.mp4": ("libx264", {"options": OPEN_GOP}),
    "h264_open_gop.mkv": ("libx264", {"options": OPEN_GOP}),
    "h264_b_frames.avi": ("libx264", {"options": {"bf": "2"}}),
    "mpeg4.avi": ("mpeg4", {"gop": 12}),
    "mpeg4_b_frames.avi": ("mpeg4", {"gop": 12, "options": {"bf": "2"}}),
    "mpeg2_b_frames.mpg": ("mpeg2video", {"gop": 12, "options": {"bf": "2"}}),
    "ten_bits.mp4": ("libx264", {"pixel_format": "yuv420p10le"}),
    "mjpeg.avi": ("mjpeg", {"pixel_format": "yuvj420p"}),
    "vp9.webm": ("libvpx-vp9", {"options": {"deadline": "realtime", "cpu-used": "8"}}),
    "vp8.webm": ("libvpx", {"options": {"deadline": "realtime", "cpu-used": "8"}}),
    "odd_width.mp4": ("libx264", {"size": (90, 62)}),
}
# decord's batches agree with its own sequential decoding on these only.
DECORD_IS_RIGHT = ["h264.mp4", "mpeg4.avi", "mjpeg.avi", "vp9.webm", "vp8.webm", "odd_width.mp4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name, (codec, options) in VIDEOS.items():
        write_texture(folder / name, FRAMES, **{"size": SIZE, **options, "codec": codec})
    return folder


@pytest.fixture(autouse=True, scope="module")
def _scope():
    with DefaultScope.overwrite_default_scope("mmaction"):
        yield


def all_frames(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def run(pipeline, path):
    results = {"filename": str(path), "label": 0, "start_index": 0, "modality": "RGB"}
    for step in pipeline:
        results = TRANSFORMS.build(dict(step))(results)
    return results


@pytest.mark.parametrize("name", VIDEOS)
def test_any_frames_equal_sequential_decoding(folder, name):
    truth = all_frames(folder / name)
    rng = np.random.default_rng(0)
    reader = VideoReader(str(folder / name))
    assert len(reader) == FRAMES
    for count in (1, 3, 10, FRAMES, 10, 3, 1):
        wanted = np.sort(rng.choice(FRAMES, count, replace=False))
        frames = reader.read(wanted)
        for index, frame in zip(wanted, frames):
            np.testing.assert_array_equal(frame, truth[index])


@pytest.mark.parametrize("name", DECORD_IS_RIGHT)
def test_frames_equal_the_stock_pipeline(folder, name):
    sampler = {"type": "SampleFrames", "clip_len": 4, "frame_interval": 3, "num_clips": 6}
    sampler["test_mode"] = True
    stock = run([{"type": "DecordInit"}, sampler, {"type": "DecordDecode"}], folder / name)
    ours = run([{"type": "InitVideo"}, sampler, {"type": "DecodeUnits"}], folder / name)
    for key in ("total_frames", "avg_fps", "img_shape", "original_shape"):
        assert ours[key] == stock[key]
    np.testing.assert_array_equal(ours["imgs"], stock["imgs"])


def test_the_first_of_several_video_streams_is_read(folder, tmp_path):
    names = ("h264_open_gop.mp4", "h264.mp4")
    path = copy_streams([folder / name for name in names], tmp_path / "two.mp4")
    reader, truth = VideoReader(str(path)), all_frames(folder / names[0])
    for wanted in ([40], [3, 20]):
        np.testing.assert_array_equal(reader.read(wanted), [truth[index] for index in wanted])
    assert len(reader) == FRAMES


def test_decoding_starts_at_the_last_keyframe_that_parts_the_video(folder, monkeypatch):
    """Frames 40 and 41 of groups of 12 need the packets from 36 on."""
    decoded = []
    path = folder / "closed_gop.mp4"
    reader = VideoReader(str(path))

    def decode_packet(*args):
        decoded.append(args[1])
        return original(*args)

    original = video_reader.decode_packet
    monkeypatch.setattr(video_reader, "decode_packet", decode_packet)
    frames = reader.read([40, 41])
    np.testing.assert_array_equal(frames, all_frames(path)[40:42])
    assert len(decoded) <= 12


def test_hidden_frames_of_vp8_are_not_counted(folder, tmp_path):
    path = tmp_path / "hidden.webm"
    with av.open(str(folder / "vp8.webm")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if not packet.size:
                continue
            data = bytearray(packet)
            if number == 10:
                data[0] &= ~0x10  # show_frame
            copy = av.Packet(bytes(data))
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.is_keyframe, copy.stream = packet.is_keyframe, stream
            target.mux(copy)
    truth = all_frames(path)
    reader = VideoReader(str(path))
    assert len(reader) == len(truth) == FRAMES - 1
    np.testing.assert_array_equal(reader.read([9, 10, 46]), [truth[i] for i in (9, 10, 46)])


def test_frames_cut_by_an_edit_list_are_not_counted(folder, tmp_path):
    """Videos trimmed without encoding keep frames that are not to be shown."""
    path = copy_streams([folder / "mpeg4.avi"], tmp_path / "trimmed.mp4", cut=5)
    truth = all_frames(folder / "mpeg4.avi")[5:]
    for wanted in ([0, 1], [4, 20], [42]):
        reader = VideoReader(str(path))
        assert len(reader) == len(truth) == FRAMES - 5
        np.testing.assert_array_equal(reader.read(wanted), [truth[i] for i in wanted])


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_a_file_that_begins_in_an_open_group_of_pictures(tmp_path, suffix):
    """Cut without encoding at a keyframe after which frames from before it are yet dismissed."""
    options = {"x264-params": "keyint=25:open-gop=1:bframes=3:scenecut=0"}
    whole, path = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    write_texture(whole, 75, options=options)
    with av.open(str(whole)) as video, av.open(str(path), "w") as cut:
        stream = cut.add_stream_from_template(video.streams.video[0])
        packets = [packet for packet in video.demux(video=0) if packet.size]
        _, start, *_ = (packet.pts for packet in packets if packet.is_keyframe)
        for packet in packets:
            if packet.pts >= start:
                packet.stream = stream
                cut.mux(packet)
    with av.open(str(path)) as video:  # as players do, which hide errors
        truth = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    reader = VideoReader(str(path))
    assert len(reader) == len(truth) == 50
    for wanted in ([0], [5, 17], [len(truth) - 1]):
        np.testing.assert_array_equal(reader.read(wanted), [truth[i] for i in wanted])
    assert sum(1 for _ in stream_frames(path)) == len(truth)


def test_an_edit_list_may_show_less_than_the_file_holds(folder, tmp_path):
    """As trimming without encoding on a phone or in an editor does."""
    path = copy_streams([folder / "mpeg4.avi"], tmp_path / "trimmed.mp4")
    truth, data = all_frames(path), bytearray(path.read_bytes())
    shown = data.index(b"elst") + 12  # ticks of the file's clock that are shown
    ticks = int.from_bytes(data[shown : shown + 4], "big")
    data[shown : shown + 4] = (ticks // 2).to_bytes(4, "big")
    path.write_bytes(data)
    reader = VideoReader(str(path))
    assert (len(truth), len(reader)) == (FRAMES, FRAMES // 2)
    np.testing.assert_array_equal(reader.read([3, 20]), [truth[i] for i in (3, 20)])


@pytest.mark.parametrize("suffix", ["webm", "mkv"])
def test_the_last_picture_may_stand_still(tmp_path, suffix):
    """As slides and recordings of screens end."""
    source, path = encode(tmp_path / "source.webm", times=[0, 12, 24]), tmp_path / f"last.{suffix}"
    with av.open(str(source)) as video, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(video.streams.video[0])
        packets = [packet for packet in video.demux(video=0) if packet.size]
        packets[-1].duration = int(8 / packets[-1].time_base)  # seconds
        for packet in packets:
            packet.stream = stream
            target.mux(packet)
    with av.open(str(path)) as video:
        assert video.duration > 9 * av.time_base
    assert len(VideoReader(str(path))) == 3


def test_avi_files_with_an_empty_chunk_for_each_frame_left_out(tmp_path):
    """As encoders write footage of a varying rate; their header counts the empty chunks."""
    path = encode(tmp_path / "gaps.avi", times=range(0, 90, 3), fps=25)
    with av.open(str(path)) as video:
        assert video.streams.video[0].frames > 80
    truth = all_frames(path)
    reader = VideoReader(str(path))
    assert len(reader) == len(truth) == 30
    np.testing.assert_array_equal(reader.read([29, 3, 15]), [truth[i] for i in (29, 3, 15)])
    whole = path.read_bytes()
    half = whole[: (whole.index(b"movi") + whole.index(b"idx1")) // 2]
    path.write_bytes(half[:4] + (len(half) - 8).to_bytes(4, "little") + half[8:])
    with pytest.raises(BadVideoError, match="announced frames"):
        VideoReader(str(path))


@pytest.mark.parametrize("suffix", ["h264", "mp4", "mkv"])
def test_fields_of_interlaced_h264_are_joined_to_frames(tmp_path, suffix):
    """Camcorders and television keep a packet for each of a frame's two fields."""
    source, path = tmp_path / "source.h264", tmp_path / f"fields.{suffix}"
    source.write_bytes(interlaced_h264(25))
    if path != source:
        with av.open(str(source)) as raw, av.open(str(path), "w") as target:
            stream = target.add_stream_from_template(raw.streams.video[0])
            for number, packet in enumerate(filter(None, raw.demux(video=0))):
                packet.pts = packet.dts = number
                packet.time_base, packet.stream = Fraction(1, 50), stream
                packet.duration = 1
                target.mux(packet)
    truth = all_frames(path)
    reader = VideoReader(str(path))
    assert len(reader) == len(truth) == 25
    np.testing.assert_array_equal(reader.read([24, 3, 12]), [truth[i] for i in (24, 3, 12)])


@pytest.mark.parametrize(
    ("average", "guessed", "kind", "told"),
    [
        (30, 30, "mpegts", 30),
        (25, 50, "mpegts", 25),
        (600, 30, "mpegts", 30),
        (60, 30, "avi", 30),  # an empty chunk after each frame
        (60, 30, "mp4", 60),  # times that were compressed
        (8, 60, "mp4", 8),
        (None, 24, "mp4", 24),
        (12, None, "mp4", 12),
        (None, None, "mp4", 0),
    ],
)
def test_ticks_of_a_clock_are_no_frame_rate(average, guessed, kind, told):
    container = SimpleNamespace(format=SimpleNamespace(name=kind))
    stream = SimpleNamespace(average_rate=average, guessed_rate=guessed, container=container)
    assert video_reader.frame_rate(stream) == told


def test_frames_outside_the_video_are_refused(folder):
    for wanted in ([-1, 3], [FRAMES]):
        with pytest.raises(IndexError, match="has frames 0 to 47"):
            VideoReader(str(folder / "h264.mp4")).read(wanted)


def test_packed_b_frames_of_old_avi_files(tmp_path):
    """DivX and XviD put two frames in one packet and an empty one after it."""
    write_texture(tmp_path / "plain.avi", FRAMES, SIZE, "mpeg4", gop=12, options={"bf": "1"})
    with av.open(str(tmp_path / "plain.avi")) as source:
        data = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        header = source.streams.video[0].codec_context.extradata
    start = b"\0\0\1\xb6"  # of a picture; the two bits after it are 0, 1, 2 for I, P, B
    kinds = [picture[picture.index(start) + 4] >> 6 for picture in data]
    assert 2 in kinds
    data[0] = data[0].replace(start, b"\0\0\1\xb2DivX503b1393p" + start, 1)
    packets = []
    for picture, kind in zip(data, kinds):
        if kind == 2:
            packets[-1] += picture
            packets.append(start + b"\x51\0\7")
        else:
            packets.append(picture)
    path = tmp_path / "packed.avi"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.extradata = header
        target.start_encoding()
        for number, content in enumerate(packets):
            packet = av.Packet(content)
            packet.pts = packet.dts = number
            packet.time_base, packet.stream = Fraction(1, 25), stream
            packet.is_keyframe = kinds[number] == 0
            target.mux(packet)
    truth = all_frames(tmp_path / "plain.avi")
    for wanted in ([5], [1, 20, 30], range(FRAMES)):
        reader = VideoReader(str(path))
        assert len(reader) == FRAMES
        np.testing.assert_array_equal(reader.read(wanted), [truth[i] for i in wanted])


AUGMENT = {
    "three crops": [
        {"type": "Resize", "scale": (-1, 48)},
        {"type": "ThreeCrop", "crop_size": 48},
        {"type": "Resize", "scale": (32, 32), "keep_ratio": False},
    ],
    "training": [
        {"type": "Resize", "scale": (-1, 48)},
        {"type": "MultiScaleCrop", "input_size": 32, "scales": (1, 0.8), "random_crop": False},
        {"type": "Resize", "scale": (32, 32), "keep_ratio": False},
        {"type": "Flip", "flip_ratio": 0.5},
    ],
}


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("augment", AUGMENT)
@pytest.mark.parametrize("total", [3, 30])
def test_network_input_equals_the_stock_pipelines(tmp_path, augment, share, total):
    """Also: MMAction2's own ``DecordInit`` and ``DecordDecode`` work unchanged with our steps."""
    path = tmp_path / "short.mp4"
    write_texture(path, total, size=SIZE)
    sampler = {"type": "SampleActionUnits", "num_units": 10, "clip_len": 4, "frame_interval": 2}
    steps = [{**sampler, "test_mode": augment == "three crops"}]
    stock = [{"type": "DecordInit"}, *steps, {"type": "DecordDecode"}, *AUGMENT[augment]]
    ours = [{"type": "InitVideo"}, *steps, {"type": "DecodeUnits", "share": share}]
    inputs = []
    for pipeline in (stock, [*ours, *AUGMENT[augment]]):
        np.random.seed(1)
        random.seed(1)
        results = run([*pipeline, {"type": "FormatActionUnits"}], path)
        inputs.append(results["imgs"])
    if share:
        assert len(np.unique(results["frame_inds"])) < 40
    np.testing.assert_array_equal(*inputs)


@pytest.mark.parametrize("total", [5, 20])
@pytest.mark.parametrize(
    ("clip_len", "num_clips", "form"), [(8, 10, "NCTHW"), (8, 1, "NCTHW"), (1, 8, "NCHW")]
)
def test_frames_of_the_hosts_sampler_are_repeated(tmp_path, total, clip_len, num_clips, form):
    """A short video, whose frames a clip repeats, in a pipeline of the host's own."""
    write_texture(tmp_path / "short.mp4", total, size=SIZE)
    sampler = dict(type="SampleFrames", clip_len=clip_len, frame_interval=8, num_clips=num_clips)
    sampler["test_mode"], last = True, dict(type="FormatShape", input_format=form)
    inputs = [
        run([dict(type=init), sampler, dict(type=decode), last], tmp_path / "short.mp4")["imgs"]
        for init, decode in (("DecordInit", "DecordDecode"), ("InitVideo", "DecodeUnits"))
    ]
    np.testing.assert_array_equal(*inputs)


def test_every_needed_frame_is_carried_once(folder):
    sampler = {"type": "SampleActionUnits", "num_units": 10, "clip_len": 8, "test_mode": True}
    results = run([{"type": "InitVideo"}, sampler, {"type": "DecodeUnits"}], folder / "h264.mp4")
    assert len(results["imgs"]) == len(set(results["frame_inds"].tolist())) < 80
    assert results["video_reader"] is None


def test_pictures_equal_the_stock_pipeline(folder, tmp_path):
    for number, frame in enumerate(all_frames(folder / "h264.mp4"), start=3):
        av.VideoFrame.from_ndarray(frame, format="rgb24").to_image().save(
            tmp_path / f"{number:05}.jpg"
        )
    frames = {"frame_dir": str(tmp_path), "filename_tmpl": "{:05}.jpg", "modality": "RGB"}
    for offset in (0, 2):
        indices = np.array([1, 2, 2, 5, 4, 1]) + 2 - offset
        info = {**frames, "frame_inds": indices, "offset": offset}

        stock = TRANSFORMS.build({"type": "RawFrameDecode"})({**info})
        decode = TRANSFORMS.build({"type": "DecodeRawUnits"})
        np.testing.assert_array_equal(decode({**info})["imgs"], stock["imgs"])
        ours = decode({**info, "num_units": 3})  # as our sampler says
        assert len(ours["imgs"]) == 4
        expanded = [ours["imgs"][place] for place in ours["unit_index"]]
        np.testing.assert_array_equal(expanded, stock["imgs"])
        assert ours["img_shape"] == stock["img_shape"]


def test_boxes_of_people_are_scaled_as_by_the_host(folder, tmp_path):
    boxes = np.array([[0.1, 0.2, 0.5, 0.9]], np.float32)
    for name, init, decode in (
        ("host", "DecordInit", "DecordDecode"),
        ("ours", "InitVideo", "DecodeUnits"),
    ):
        info = dict(gt_bboxes=boxes, proposals=boxes[:, ::-1], start_index=0)
        results = {"filename": str(folder / "h264.mp4"), "frame_inds": np.array([0, 3]), **info}
        for step in (init, decode):
            results = TRANSFORMS.build({"type": step})(results)
        found = [results[key] for key in ("gt_bboxes", "proposals")]
        if name == "host":
            expected = found
        np.testing.assert_array_equal(found, expected)
        assert {values.dtype for values in found} == {np.dtype("float32")}
    results = {"filename": str(folder / "h264.mp4"), "frame_inds": np.array([0]), "proposals": None}
    for step in ("InitVideo", "DecodeUnits"):
        results = TRANSFORMS.build({"type": step})(results)
    assert results["proposals"] is None


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="time_limit must be positive"):
        TRANSFORMS.build({"type": "InitVideo", "time_limit": 0})
    with pytest.raises(ValueError, match="'Flow'"):
        TRANSFORMS.build({"type": "DecodeRawUnits"})({"frame_inds": [0], "modality": "Flow"})


MATRICES = {  # a, b, c, d of the header's matrix
    "90 degrees": (0, 1, -1, 0),
    "180 degrees": (-1, 0, 0, -1),
    "270 degrees": (0, -1, 1, 0),
    "left to right": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
}


@pytest.mark.parametrize("name", MATRICES)
def test_turned_and_mirrored_videos_are_shown_as_players_show_them(folder, tmp_path, name):
    a, b, c, d = MATRICES[name]
    data = bytearray((folder / "h264.mp4").read_bytes())
    place = data.index(b"tkhd") + 4 + 4 + 20 + 16
    matrix = np.array([a, b, 0, c, d, 0, 0, 0, 2**14]) * 2**16
    data[place : place + 36] = matrix.astype(">i4").tobytes()
    path = tmp_path / "turned"  # the name has no extension
    path.write_bytes(data)
    found = run([{"type": "InitVideo"}], path)["video_reader"].read([0, 7])
    if "degrees" in name:
        stock = decord.VideoReader(io.BytesIO(data)).get_batch([0, 7]).asnumpy()
        np.testing.assert_array_equal(found, stock)
    else:  # the stock pipeline does not mirror
        truth = all_frames(folder / "h264.mp4")
        np.testing.assert_array_equal(found, [truth[index][::d, ::a] for index in (0, 7)])
