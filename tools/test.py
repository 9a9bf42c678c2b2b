"""Test a checkpoint: `python tools/test.py CONFIG CHECKPOINT`, as MMAction2's own tool."""

import argparse
from pathlib import Path

from command_line import add_common_arguments
from f4d_mmaction.datasets.unwrapping import pack_also
from f4d_mmaction.engine.launch import build_runner, load_config, run
from f4d_mmaction.models.weights import load_checked
from frame_sizes import require_one_size
from missing_files import require_files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--dump", metavar="FILE.pkl", help="also write the predictions there")
    parser.add_argument(
        "--fast", action="store_true", help="lower precision and compiled; see docs/performance.md"
    )
    add_common_arguments(parser)
    parser.add_argument(
        "--only-check", action="store_true", help="say whether the data is missing, and end"
    )
    args = parser.parse_args()

    if not (args.checkpoint.startswith(("http://", "https://")) or Path(args.checkpoint).is_file()):
        parser.error(f"checkpoint {args.checkpoint} does not exist")
    if args.dump and not args.dump.endswith((".pkl", ".pickle")):
        parser.error(f"--dump writes a pickle: {args.dump} must end in .pkl or .pickle")
    try:
        config = load_config(args.config, args.work_dir, args.cfg_options, args.launcher)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.dump:
        pack_also(config.test_dataloader.dataset, ["filename", "frame_dir"])
        evaluators = config.test_evaluator
        evaluators = list(evaluators) if isinstance(evaluators, (list, tuple)) else [evaluators]
        config.test_evaluator = [*evaluators, dict(type="DumpResults", out_file_path=args.dump)]
    if args.fast:
        hooks = config.get("custom_hooks") or []
        config.custom_hooks = [*hooks, dict(type="FastInferenceHook")]

    def test() -> None:
        require_files(config, ["test"])
        require_one_size(config, ["test"])
        if args.only_check:
            return
        if Path(args.checkpoint).is_file():
            load_checked(args.checkpoint)
        config.load_from = args.checkpoint
        build_runner(config).test()

    run(test)


if __name__ == "__main__":
    main()
