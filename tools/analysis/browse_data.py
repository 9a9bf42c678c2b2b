"""Draw what a config feeds the network: units as rows, augmented as in training."""

import argparse
import os
import warnings
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from f4d_mmaction.datasets.unwrapping import known_names, names_of, unit_frames
from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.structures import Recognition
from f4d_mmaction.visualization import contact_sheet
from mmaction.registry import DATASETS


def browse_data(
    config: Config, out_dir: str | os.PathLike, subset: str = "train", count: int = 8
) -> list[Path]:
    """Draw evenly spaced samples of a subset, a contact sheet each; return their paths.

    Raises:
        BadVideoError: no video of the samples can be read; where others can, those that cannot
            are left out and told.
        ValueError: the pipeline packs no action units.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    dataset = DATASETS.build(config[f"{subset}_dataloader"].dataset)
    names = known_names(dataset.metainfo)
    count = min(count, len(dataset))
    pictures, bad = [], []
    for index in (place * len(dataset) // count for place in range(count)):
        try:
            info, packed = dataset.get_data_info(index), dataset[index]
        except BadVideoError as error:
            bad.append(error)
            continue
        packed = packed[0] if isinstance(packed, list) else packed  # RepeatAugDataset's
        path = info.get("filename") or info.get("frame_dir")
        result = Recognition(path, frames=unit_frames(packed), error="its pipeline packs no units")
        truth = names_of(info["label"], names)
        picture = Path(out_dir, f"{subset}_{index:05}_{Path(path).stem}.png")
        pictures.append(contact_sheet(result, picture, truth=truth))
    if bad and not pictures:
        raise bad[0]
    for left_out in bad:
        warnings.warn(f"left out: {left_out}", stacklevel=2)
    return pictures


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
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
