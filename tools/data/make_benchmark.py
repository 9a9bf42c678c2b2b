"""Make the benchmark of long-range order: videos, annotation lists and ground truth."""

import argparse
from dataclasses import fields

from f4d_mmaction.datasets.phase_order import (
    PRESETS,
    PhaseOrderOptions,
    generate,
    options_of,
    preview,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=PhaseOrderOptions.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", help="folder to make; one made before is completed or left alone")
    parser.add_argument("--preset", default="easy", choices=PRESETS)
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one for each core")
    parser.add_argument("--preview", metavar="PNG", help="also draw a contact sheet")
    options = parser.add_argument_group("options in place of the preset's (explained below)")
    for field in fields(PhaseOrderOptions):
        flag = "--" + field.name.replace("_", "-")
        options.add_argument(flag, type=type(field.default), default=argparse.SUPPRESS)
    args = vars(parser.parse_args())
    out, preset, workers, picture = (args.pop(k) for k in ("out", "preset", "workers", "preview"))

    try:
        generate(out, options_of(preset, **args), workers)
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    if picture:
        preview(out, picture)


if __name__ == "__main__":
    main()
