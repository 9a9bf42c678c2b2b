"""Export a checkpoint to ONNX, torch.export and INT8, and check each file on real videos."""

import argparse
import sys

from mmengine.config import DictAction

from f4d_mmaction.apis.export import FORMATS, export
from f4d_mmaction.engine.launch import load_config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--out-dir", default="work_dirs/export", help="where the files go")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["onnx", "pt2"])
    parser.add_argument("--fixed-units", action="store_true", help="keep U as the config tests")
    parser.add_argument("--num-videos", type=int, default=32, help="test videos to check on")
    parser.add_argument("--labels", help="text file with a class name a line")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE"
    )
    args = parser.parse_args()
    try:
        checks = export(
            load_config(args.config, None, args.cfg_options, "none"),
            args.checkpoint,
            args.out_dir,
            args.formats,
            args.fixed_units,
            args.num_videos,
            args.labels,
        )
    except (ValueError, OSError, ImportError) as error:
        print(f"export.py: {error}", file=sys.stderr)
        return 2
    for check in checks:
        print(f"{check}  {check.path or ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
