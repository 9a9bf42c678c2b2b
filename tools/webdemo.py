"""Serve a web page that recognizes uploaded videos and shows what the network attends to."""

import argparse
import dataclasses
import sys

from f4d_mmaction.apis import load_recognizer
from f4d_mmaction.apis.web import Limits, serve


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--labels", help="class names, one a line, in the order of the labels")
    parser.add_argument("--device", help="cuda where there is one, else cpu")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=int, default=7860, help="0 for a free one")
    parser.add_argument("--samples", nargs="*", help="videos to offer; else of the test set")
    limits = parser.add_argument_group("limits")
    for field in dataclasses.fields(Limits):
        kind = type(field.default)
        limits.add_argument(f"--max-{field.name}", type=kind, default=field.default)
    args = parser.parse_args()
    try:
        asked = {f.name: getattr(args, f"max_{f.name}") for f in dataclasses.fields(Limits)}
        model = load_recognizer(args.config, args.checkpoint, args.device, args.labels)
        serve(model, args.host, args.port, args.samples, Limits(**asked))
    except (ValueError, OSError, ImportError) as error:
        print(f"webdemo.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
