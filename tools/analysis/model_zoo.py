"""Check README tables, metafile.yml and model-index.yml against the configs, or write them."""

from __future__ import annotations

import argparse
from pathlib import Path

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.model_zoo import check_zoo, write_zoo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="show what differs; exit code 1 if any")
    what.add_argument("--write", action="store_true", help="bring the files up to date")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).resolve().parents[2], help="the repository"
    )
    args = parser.parse_args()
    try:
        if args.write:
            changed = write_zoo(args.root)
            print("\n".join(map(str, changed)) or "all up to date")
        else:
            lines = check_zoo(args.root)
            print("\n".join(lines) or "tables, metafiles and configs agree")
            raise SystemExit(bool(lines))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
