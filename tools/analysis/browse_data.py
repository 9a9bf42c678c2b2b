"""Draw what a config feeds the network: units as rows, augmented as in training."""

import argparse

from mmengine.config import Config

from f4d_mmaction.visualization.browsing import browse_data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--subset", choices=["train", "val", "test"], default="train")
    parser.add_argument("-n", "--number", type=int, default=8, help="evenly spaced samples")
    parser.add_argument("--out-dir", default="browse")
    args = parser.parse_args()

    try:
        for picture in browse_data(
            Config.fromfile(args.config), args.out_dir, args.subset, args.number
        ):
            print(picture)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
