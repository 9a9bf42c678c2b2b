"""Run a tool of MMAction2 by its name on this project's configs: `mmaction_tool.py NAME ARGS...`.

Finds it in the installed mmaction2 and imports f4d_mmaction before it, which PyPI's mmaction2 needs
for some of its tools. docs/inference.md says which of them work.
"""

import runpy
import sys
from pathlib import Path

import f4d_mmaction  # noqa: F401
import mmaction

REPLACED = {
    "benchmark": "tools/analysis/benchmark.py CONFIG",
    "browse_dataset": "tools/analysis/browse_data.py CONFIG",
    "get_flops": "tools/analysis/complexity.py CONFIG",
    "plot_curve": "tools/analysis/plot_runs.py NAME=WORK_DIR",
    "vis_cam": "tools/demo.py VIDEO --config CONFIG --checkpoint CHECKPOINT --out-dir DIR",
}


def main() -> None:
    tools = Path(mmaction.__file__).parent / ".mim" / "tools"
    found = {path.stem: path for path in sorted(tools.rglob("*.py"))}
    if len(sys.argv) < 2 or sys.argv[1] not in found:
        sys.exit(f"{__doc__}\nTools: {', '.join(found)}")
    for name in REPLACED.keys() & sys.argv[1:3]:  # plot_curve is a part of analyze_logs
        sys.exit(f"MMAction2's {name} does not work here; use: python {REPLACED[name]}")
    del sys.argv[0]
    sys.argv[0] = str(found[sys.argv[0]])
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
