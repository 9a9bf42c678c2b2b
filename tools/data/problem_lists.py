"""Problems by kind, as lines of a file and as a summary for a terminal."""

from collections.abc import Iterator, Mapping, Sequence

SHOWN = 5

Problems = Mapping[str, Sequence[str]]


def problem_lines(problems: Problems) -> list[str]:
    """Every problem as one line `kind: message`."""
    return [f"{kind}: {text}" for kind, texts in problems.items() for text in texts]


def problem_summary(problems: Problems) -> Iterator[str]:
    """Return the count of each kind, with the first few cases."""
    for kind, texts in problems.items():
        yield f"{kind}: {len(texts)}"
        yield from (f"  {text}" for text in texts[:SHOWN])
        if len(texts) > SHOWN:
            yield f"  ... and {len(texts) - SHOWN} more"
