"""Make the benchmark of long-range order: videos, lists of one or two labels, and ground truth."""

import argparse
from dataclasses import fields

from phase_order import (
    PRESETS,
    PhaseOrderOptions,
    generate,
    options_of,
    preview,
    write_first_and_last,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=PhaseOrderOptions.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", help="folder to make; one made before is left alone")
    parser.add_argument("--preset", default="easy", choices=PRESETS)
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one for each core")
    parser.add_argument("--preview", metavar="FILE", help="also draw a contact sheet")
    parser.add_argument("--preview-videos", type=int, default=6, help="rows of the contact sheet")
    options = parser.add_argument_group("options in place of the preset's (explained below)")
    for field in fields(PhaseOrderOptions):
        flag = "--" + field.name.replace("_", "-")
        options.add_argument(flag, type=type(field.default), default=argparse.SUPPRESS)
    args = vars(parser.parse_args())
    out, preset, workers = (args.pop(name) for name in ("out", "preset", "workers"))
    picture, rows = args.pop("preview"), args.pop("preview_videos")

    try:
        write_first_and_last(generate(out, options_of(preset, **args), workers))
        if picture:
            preview(out, picture, rows)
    except (OSError, ValueError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
