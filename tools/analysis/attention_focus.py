"""Measure on the shipped benchmark whether attention looks at what moves."""

import argparse

import torch
from mmaction.apis import init_recognizer

from f4d_mmaction.analysis.attention_focus import attention_focus, to_markdown
from f4d_mmaction.apis import load_recognizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="folder of the benchmark, e.g. data/phase_order")
    parser.add_argument("--config", required=True)
    parser.add_argument("--checkpoint", help="an untrained network, to compare with, if not given")
    parser.add_argument("--videos", type=int, default=160)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device")
    args = parser.parse_args()

    try:
        if args.checkpoint:
            model = load_recognizer(args.config, args.checkpoint, args.device)
        else:
            torch.manual_seed(0)
            model = init_recognizer(args.config, None, args.device or "cpu")
            model.backbone.init_weights()
        print(to_markdown(attention_focus(model, args.root, args.videos, args.batch)))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
