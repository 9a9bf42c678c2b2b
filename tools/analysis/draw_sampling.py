"""Draw where SampleActionUnits places its units in long and short videos."""

import argparse

from f4d_mmaction.visualization.sampling import draw_sampling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="docs/images/sampling.png")
    parser.add_argument("--num-units", type=int, default=4)
    parser.add_argument("--clip-len", type=int, default=8)
    parser.add_argument("--frame-interval", type=int, default=4)
    parser.add_argument("--frames", type=int, nargs="+", default=[160, 60, 25])
    args = parser.parse_args()
    draw_sampling(args.out, args.frames, args.num_units, args.clip_len, args.frame_interval)
    print(args.out)


if __name__ == "__main__":
    main()
