"""Print the oldest version of each requirement that setup.py promises, for `pip install`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SETUP = Path(__file__).resolve().parents[1] / "setup.py"


def promised() -> Iterator[str]:
    """Requirements of the package and of its extra ``standalone``."""
    for node in ast.walk(ast.parse(SETUP.read_text(encoding="utf-8"))):
        if (isinstance(node, ast.keyword) and node.arg == "install_requires") or (
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "standalone"
        ):
            yield from ast.literal_eval(node.value)


if __name__ == "__main__":
    for requirement in promised():
        print(re.sub(r">=([\w.]+).*", r"==\1", requirement))
