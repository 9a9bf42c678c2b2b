"""Serve a web page that recognizes uploaded videos and shows what the network attends to."""

import argparse
import dataclasses
import signal
import sys
from contextlib import suppress

from untrusted_video import Limits, start_processes

from f4d_mmaction.apis import load_recognizer


def main() -> None:
    parser = argparse.ArgumentParser(prog="webdemo", description=__doc__)
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
        from web_page import check_address, serving
    except ImportError as error:
        parser.error(f'{error}; it needs: pip install "f4d_mmaction[web]"')
    try:
        port = check_address(args.host, args.port)
        asked = {f.name: getattr(args, f"max_{f.name}") for f in dataclasses.fields(Limits)}
        model = load_recognizer(args.config, args.checkpoint, args.device, args.labels)
        start_processes()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # after clearing temporary files
        page = serving(model, args.host, port, args.samples, Limits(**asked))
        with suppress(KeyboardInterrupt), page as running:
            print(f"open {running.local_url} (Ctrl+C ends)", flush=True)
            signal.pause()
    except (ImportError, ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
