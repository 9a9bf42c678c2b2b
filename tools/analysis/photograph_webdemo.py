"""Upload a video to a running web page in a headless Chromium and save what it shows."""

import argparse
import sys

from f4d_mmaction.analysis.browser import photograph


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="what tools/webdemo.py printed")
    parser.add_argument("video")
    parser.add_argument("out", help="PNG file")
    args = parser.parse_args()
    try:
        print(photograph(args.address, args.video, args.out))
    except FileNotFoundError as error:
        print(f"photograph_webdemo.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
