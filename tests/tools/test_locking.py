"""One run at a time in a work directory."""

import os
import subprocess
import sys
from pathlib import Path

from locking import lock

COMMAND = "import pathlib, sys; from locking import lock; lock(pathlib.Path(sys.argv[1]))"


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def other(name: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", COMMAND, str(tmp_path / name)]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    lock(tmp_path / "held")
    refused = other("held")
    assert f"ValueError: {tmp_path}/held is locked by another run: wait" in refused.stderr
    assert [other("free").returncode for _ in range(2)] == [0, 0]
