"""Every fault of an annotation list is told apart, and what passes is what MMAction2 reads."""

from pathlib import Path

import pytest
from annotation_lists import ListFormat, read_list
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.datasets import RawframeDataset, VideoDataset

VIDEO = ListFormat(num_classes=5)
FRAMES = ListFormat(rawframes=True, num_classes=5)


def read(
    folder: Path, text: str | bytes, form: ListFormat = VIDEO
) -> tuple[list[str], list[tuple], str]:
    """The good lines, (kind, line, error) of every finding, and all messages."""
    path = folder / "list.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    lines, found = read_list(path, form)
    shown = [(f.kind, int(f.where.rsplit(":", 1)[1]), f.error) for f in found]
    return lines, shown, " ".join(f.message for f in found)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a/b.mp4 0\nc.mp4 4\n", VIDEO),
        ("air drumming/a.mp4,3\n", ListFormat(delimiter=",", num_classes=5)),
        ("a.mp4\t3\n", ListFormat(delimiter="\t", num_classes=5)),
        ("a 30 4\n", FRAMES),
        (
            "a 10 30 0 4\na 40 30 1\n",
            ListFormat(rawframes=True, with_offset=True, multi_class=True, num_classes=5),
        ),
    ],
)
def test_sound_lists_have_no_findings(tmp_path: Path, text: str, form: ListFormat) -> None:
    assert read(tmp_path, text, form) == (text.splitlines(), [], "")


@pytest.mark.parametrize(
    ("form", "text", "kind", "line", "error"),
    [
        (VIDEO, b"a 0\nT\xe4 1\n", "not UTF-8", 2, True),
        (VIDEO, "\ufeffa 0\n", "byte order mark", 1, True),
        (VIDEO, "a 0\r\nb 1\r\n", "Windows line ends", 1, False),
        (VIDEO, "a 0\nb 1 \n", "trailing blank", 2, False),
        (VIDEO, "a 0\nb \t1\n", "tab", 2, False),
        (VIDEO, "a 0\n\nb 1\n", "blank line", 2, True),
        (VIDEO, "a 0\nb 1\na 0\n", "duplicate line", 3, True),
        (VIDEO, "a 0\na 1\n", "conflicting labels", 2, True),
        (VIDEO, "a 0\nb 5\n", "label out of range", 2, True),
        (VIDEO, "a -1\n", "label out of range", 1, True),
        (VIDEO, "a one\n", "label is no number", 1, True),
        (VIDEO, "a 1_0\n", "label is no number", 1, True),
        (VIDEO, "a\n", "no label", 1, True),
        (VIDEO, "air drumming/a.mp4 0\n", "wrong number of fields", 1, True),
        (VIDEO, "a  0\n", "empty field", 1, True),
        (VIDEO, "a\0b 0\n", "NUL byte", 1, True),
        (FRAMES, "a 30\n", "no label", 1, True),
        (FRAMES, "a\n", "no label", 1, True),
        (FRAMES, "my clip 30 0\n", "wrong number of fields", 1, True),
        (FRAMES, "a x 0\n", "bad frame count", 1, True),
        (FRAMES, "a 0 0\n", "bad frame count", 1, True),
        (FRAMES, "a -3 0\n", "bad frame count", 1, True),
        (FRAMES, "a 30 5\n", "label out of range", 1, True),
        (FRAMES, "a\t30\t0\n", "tab", 1, False),
    ],
)
def test_each_fault_is_named(
    tmp_path: Path, form: ListFormat, text: str | bytes, kind: str, line: int, error: bool
) -> None:
    assert read(tmp_path, text, form)[1] == [(kind, line, error)]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a.mp4\t3\n", r"delimiter='\t'"),
        ("a.mp4,3\n", "delimiter=','"),
        ("air drumming/a.mp4 3\n", "delimiter=','"),
        ("a.mp4 5\n", "counted from 1?"),
    ],
)
def test_the_remedy_is_named(tmp_path: Path, text: str, remedy: str) -> None:
    assert remedy in read(tmp_path, text)[2]


PIECES = st.sampled_from(
    [
        *("a.mp4", "b c", "0", "4", "12", "-1", "x", " ", "  ", "\t", ",", "\n", "\r\n", "\r"),
        *("\0", "\ufeff", "\xa0", "\u2028", "\x1c", "1_0", "+3", "٣", "é", "/"),
    ]
)


def host_reads(path: Path, form: ListFormat) -> list[list[str | int]]:
    """The host's fields of every line: name, offset and frames where it has them, labels."""
    options = dict(pipeline=[], lazy_init=True, multi_class=form.multi_class, num_classes=5)
    if form.rawframes:
        dataset = RawframeDataset(str(path), with_offset=form.with_offset, **options)
    else:
        dataset = VideoDataset(str(path), delimiter=form.delimiter, **options)
    rows = []
    for item in dataset.load_data_list():
        counts = [item[key] for key in ("offset", "total_frames") if key in item]
        labels = item["label"] if form.multi_class else [item["label"]]
        rows.append([item.get("filename") or item.get("frame_dir"), *counts, *labels])
    return rows


@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(PIECES, max_size=14).map("".join),
    raw=st.one_of(st.none(), st.binary(max_size=30)),
    form=st.builds(
        ListFormat,
        rawframes=st.booleans(),
        delimiter=st.sampled_from([" ", ",", "\t"]),
        with_offset=st.booleans(),
        multi_class=st.booleans(),
        num_classes=st.just(5),
    ),
)
def test_the_host_reads_good_lines_as_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, text: str, raw: bytes | None, form: ListFormat
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.txt"
    path.write_bytes(text.encode() if raw is None else raw)
    lines, found = read_list(path, form)
    expected = []
    for line in lines:
        name, *numbers = line.split() if form.rawframes else line.strip().split(form.delimiter)
        expected.append([name, *map(int, numbers)])
        assert len(numbers) > (1 + form.with_offset if form.rawframes else 0)
    if not any(finding.error for finding in found):
        assert host_reads(path, form) == expected
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    assert host_reads(path, form) == expected
