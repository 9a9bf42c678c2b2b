"""Markdown of the analysis tools, printed or written into a marked part of a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table: the first column to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def replace_section(document: str, name: str, text: str) -> str:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->``.

    Raises:
        ValueError: the document has no such section.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no section between {begin} and {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def write_section(path: str | Path, name: str, text: str) -> None:
    """Replace a section of a document, see :func:`replace_section`.

    Raises:
        FileNotFoundError: there is no such document.
        ValueError: it has no such section.
    """
    path = Path(path)
    try:
        document = replace_section(path.read_text(encoding="utf-8"), name, text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    path.write_text(document, encoding="utf-8")
