"""Every fault of an annotation list is told apart, and what passes is what MMAction2 reads."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.datasets import RawframeDataset, VideoDataset

from f4d_mmaction.datasets.annotation_lists import Entry, ListFormat, read_list

VIDEO = ListFormat(num_classes=5)
FRAMES = ListFormat(rawframes=True, num_classes=5)


def findings(tmp_path, text, form=VIDEO):
    path = tmp_path / "list.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    entries, found = read_list(path, form)
    shown = [(f.kind, int(f.where.rsplit(":", 1)[1]), f.error) for f in found]
    return entries, shown, [f.message for f in found]


def test_a_clean_list(tmp_path):
    entries, shown, _ = findings(tmp_path, "a/b.mp4 0\nc.mp4 4\n")
    assert entries == [Entry("a/b.mp4", (0,), 1), Entry("c.mp4", (4,), 2)]
    assert shown == []


@pytest.mark.parametrize(
    ("text", "kind", "line", "error"),
    [
        (b"a 0\nT\xe4 1\n", "not UTF-8", 2, True),
        ("\ufeffa 0\n", "byte order mark", 1, True),
        ("a 0\r\nb 1\r\n", "Windows line ends", 1, False),
        ("a 0\nb 1 \n", "trailing blank", 2, False),
        ("a 0\nb \t1\n", "tab", 2, False),
        ("a 0\n\nb 1\n", "blank line", 2, True),
        ("a 0\nb 1\na 0\n", "duplicate line", 3, True),
        ("a 0\na 1\n", "conflicting labels", 2, True),
        ("a 0\nb 5\n", "label out of range", 2, True),
        ("a -1\n", "label out of range", 1, True),
        ("a one\n", "label is no number", 1, True),
        ("a 1_0\n", "label is no number", 1, True),
        ("a\n", "no label", 1, True),
        ("air drumming/a.mp4 0\n", "wrong number of fields", 1, True),
        ("a  0\n", "empty field", 1, True),
        ("a\0b 0\n", "NUL byte", 1, True),
    ],
)
def test_faults_of_video_lists(tmp_path, text, kind, line, error):
    _, shown, _ = findings(tmp_path, text)
    assert shown == [(kind, line, error)]


@pytest.mark.parametrize(
    ("text", "kind", "error"),
    [
        ("a 30\n", "no label", True),
        ("a\n", "wrong number of fields", True),
        ("my clip 30 0\n", "wrong number of fields", True),
        ("clip 12 30 0\n", "wrong number of fields", True),
        ("a x 0\n", "bad frame count", True),
        ("a 0 0\n", "bad frame count", True),
        ("a 30 5\n", "label out of range", True),
        ("a\t30\t0\n", "tab", False),
    ],
)
def test_faults_of_rawframe_lists(tmp_path, text, kind, error):
    _, shown, _ = findings(tmp_path, text, FRAMES)
    assert (kind, 1, error) in shown


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a.mp4\t3\n", r"delimiter='\t'"),
        ("a.mp4,3\n", "delimiter=','"),
        ("air drumming/a.mp4 3\n", "delimiter=','"),
        ("a.mp4 5\n", "counted from 1?"),
    ],
)
def test_the_remedy_is_named(tmp_path, text, remedy):
    _, _, messages = findings(tmp_path, text)
    assert remedy in " ".join(messages)


def test_the_remedy_works(tmp_path):
    text = "air drumming/a.mp4,3\n"
    entries, shown, _ = findings(tmp_path, text, ListFormat(delimiter=",", num_classes=5))
    assert entries == [Entry("air drumming/a.mp4", (3,), 1)]
    assert shown == []


def test_offsets_and_several_labels(tmp_path):
    form = ListFormat(rawframes=True, with_offset=True, multi_class=True, num_classes=5)
    entries, shown, _ = findings(tmp_path, "a 10 30 0 4\n", form)
    assert entries == [Entry("a", (0, 4), 1, total_frames=30, offset=10)]
    assert shown == []


PIECES = st.sampled_from(
    [
        *("a.mp4", "b c", "0", "4", "12", "-1", "x", " ", "  ", "\t", ",", "\n", "\r\n", "\r"),
        *("\0", "\ufeff", "\xa0", "\u2028", "\x1c", "1_0", "+3", "٣", "é", "/"),
    ]
)


def host_reads(path, form):
    """The host's (name, labels) of every line."""
    options = {"pipeline": [], "lazy_init": True, "multi_class": form.multi_class}
    options["num_classes"] = form.num_classes
    if form.rawframes:
        dataset = RawframeDataset(str(path), with_offset=form.with_offset, **options)
        name = "frame_dir"
    else:
        dataset = VideoDataset(str(path), delimiter=form.delimiter, **options)
        name = "filename"
    rows = []
    for item in dataset.load_data_list():
        label = item["label"]
        labels = tuple(label) if form.multi_class else (label,)
        rows.append((item[name], labels, item.get("total_frames"), item.get("offset", 0)))
    return rows


@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(PIECES, max_size=14).map("".join),
    raw=st.one_of(st.none(), st.binary(max_size=30)),
    rawframes=st.booleans(),
    delimiter=st.sampled_from([" ", ",", "\t"]),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_without_errors_the_host_reads_the_same(
    tmp_path_factory, text, raw, rawframes, delimiter, flags
):
    form = ListFormat(rawframes, delimiter, flags[0] and rawframes, flags[1], num_classes=5)
    path = tmp_path_factory.getbasetemp() / "fuzzed.txt"
    path.write_bytes(text.encode() if raw is None else raw)
    entries, found = read_list(path, form)
    if any(finding.error for finding in found):
        return
    ours = [(entry.name, entry.labels, entry.total_frames, entry.offset) for entry in entries]
    assert ours == host_reads(path, form)
