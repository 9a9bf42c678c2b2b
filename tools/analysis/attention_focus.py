"""Measure on the shipped benchmark whether attention looks at what moves."""

import argparse

from f4d_mmaction.analysis.attention_focus import attention_focus, to_markdown
from f4d_mmaction.apis import load_recognizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="folder of the benchmark, e.g. data/phase_order")
    parser.add_argument("--config", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--videos", type=int, default=160)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device")
    args = parser.parse_args()

    try:
        model = load_recognizer(args.config, args.checkpoint, args.device)
        print(to_markdown(attention_focus(model, args.root, args.videos, args.batch)))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
