"""Files to which a run adds lines of JSON."""

import json
import os
from pathlib import Path

from mmengine.logging import MMLogger


def read_json_lines(path: str | os.PathLike) -> list[dict]:
    """Read the whole lines of a file, if it is there; a killed process may leave one unfinished."""
    text = Path(path).read_text(encoding="utf-8") if Path(path).exists() else ""
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            entries += [json.loads(line)] if line else []
        except ValueError:
            MMLogger.get_current_instance().warning(f"{path}:{number} is not JSON and is left out")
    return entries
