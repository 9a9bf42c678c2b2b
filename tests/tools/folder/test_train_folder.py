"""The whole command on small videos: trained, tested, told; killed, it goes on."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mmaction
import numpy as np
import pytest
import torch
import train_folder
from folder import page, training
from folder.finding import Video, find_videos
from folder.looking import look
from folder.recipe import SUBSETS, base, make_config, start_from
from folder.training import measure, train
from folder.verdict import RIVALS, aligned, judge, lead, place_tells
from miniature import touch, write_video
from mmaction.models import ResNet, ResNet3d, ResNet3dSlowOnly, ResNetTSM
from mmaction.registry import MODELS
from mmcv.cnn import ConvModule
from mmengine.config import Config
from mmengine.fileio import load
from tiny_run import finish, start, write_config
from torch import Tensor, nn
from train_folder import parse_args, see_moving
from trunks import torchvision_name

from f4d_mmaction.analysis.statistics import wilson


@pytest.mark.end_to_end
def test_a_folder_becomes_a_tested_network(
    benchmark: Path, tmp_path: Path, subprocess_env: dict
) -> None:
    """Killed while it trains, it goes on; run again it does nothing; its config stands alone."""
    work, log = tmp_path / "w", tmp_path / "output.txt"
    log.touch()
    for index, video in enumerate(sorted(benchmark.glob("*/*.mp4"))):
        folder = tmp_path / "mine" / ("jump", "run")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, folder / f"{index}.mp4")
    write_video(folder / "short.mp4", 2)
    options = ["--size=32", "--epochs=2", "--batch=4", "--workers=1", "--width=8", "--flip"]
    arguments = ("train_folder.py", tmp_path / "mine", "--work-dir", work, *options)
    first = start(*arguments, log=log)
    while first.is_alive() and not (work / "config_run" / "output.log").exists():
        time.sleep(0.05)
    first.kill()
    finish(first, log, -signal.SIGKILL)
    finish(start(*arguments, log=log), log)
    assert f"left out 1 of fewer frames than units, first {folder}/short.mp4" in log.read_text()
    answers = json.loads((work / "answers.json").read_text())
    lists = [(work / f"{name}.txt").read_text().splitlines() for name in ("train", "val", "test")]
    assert sum(map(len, lists)) == 24
    assert len(answers["truth"]) == len(answers["F4D"]) == len(lists[2]) > 4
    assert "tools/webdemo" in (work / "report.html").read_text()
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}
    text = finish(start(*arguments, log=log), log)
    assert len(re.findall(r"\| F4D +\| +\d+\.\d% \| +.*% to .*%", text)) == 2
    for path in work.rglob("*.pth"):
        assert before[path] == path.stat().st_mtime_ns
    assert "another seed" in finish(start(*arguments, "--seed", "1", log=log), log, 1)

    network = work / "config.py", work / "config_run" / "epoch_2.pth"
    tested = finish(start("test.py", *network, "--dump", work / "dump.pkl", log=log), log)
    assert "acc/top1" in tested
    assert "acc/top5" not in tested
    assert Config.fromfile(network[0]).model.data_preprocessor.subtract_mean_frame
    names = {Path(sample["filename"]).name for sample in load(work / "dump.pkl")}
    assert names == {line.split("/")[1].split()[0] for line in (work / "test.txt").open()}

    inside = finish(start(*arguments, "--work-dir", tmp_path / "mine/w", log=log), log, 1)
    assert "would lie among the videos" in inside

    foreign = tmp_path / "elsewhere"
    foreign.mkdir()
    shutil.copy(work / "config.py", foreign)
    host = Path(mmaction.__file__).parent / ".mim" / "tools" / "train.py"
    command = [sys.executable, str(host), "config.py", "--work-dir", "out"]
    command += ["--cfg-options", "train_cfg.max_epochs=1"]
    subprocess.run(command, cwd=foreign, env=subprocess_env, check=True)
    assert (foreign / "out" / "epoch_1.pth").exists()


@pytest.mark.end_to_end
def test_a_step_is_measured_within_the_memory(tmp_path: Path, benchmark: Path) -> None:
    config = write_config(tmp_path, benchmark)
    assert 0 < measure(config) < 60
    loader = "_base_.train_dataloader.dataset"
    repeated = f'dict(type="RepeatDataset", times=10_000, dataset={loader})'  # hours an epoch
    assert 0 < measure(write_config(tmp_path, benchmark, f"{loader} = {repeated}\n")) < 60
    huge = write_config(tmp_path, benchmark, "_base_.model.backbone.base_channels = 200_000\n")
    with pytest.raises(MemoryError):
        measure(huge)


def test_a_training_that_fails_says_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "TRAIN", tmp_path / "train.py")
    (tmp_path / "train.py").write_text("print('KeyError: mine\\n\\n'); exit(1)")
    (tmp_path / "config.py").write_text("train_cfg = dict(max_epochs=1)")
    with pytest.raises(ValueError, match=r"failed: KeyError: mine; see"):
        train(tmp_path / "config.py", tmp_path / "run")


@pytest.mark.parametrize(("fits", "ends"), [(32, (2, None)), (16, (1, None)), (8, (1, 8))])
def test_batch_then_width_are_halved_until_a_step_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int, ends: tuple
) -> None:
    def measure(path: Path) -> float:
        config = Config.fromfile(path)
        if config.train_dataloader.batch_size * config.model.backbone.base_channels > fits:
            raise MemoryError
        assert config.test_pipeline == config.test_dataloader.dataset.pipeline  # which others read
        return 1.0

    monkeypatch.setattr(train_folder, "measure", measure)
    args = parse_args(["mine", "--batch=4", "--epochs=2"])
    make = partial(make_config, args, tmp_path, ["x", "y"], dict(num_units=3))
    work = Namespace(folder=tmp_path, say=print)
    assert train_folder.step_seconds(args, make, work) == 2
    assert (args.batch, args.width) == ends
    fits = 4
    with pytest.raises(ValueError, match="no video fits"):
        train_folder.step_seconds(args, make, work)


def test_a_name_that_is_no_text_can_be_said(tmp_path: Path) -> None:
    args = parse_args([str(tmp_path / "mine"), "--work-dir", str(tmp_path / "w")])
    args.videos.mkdir()
    work = train_folder.Work(args)
    work.say("left out " + os.fsdecode(b"na\xefve.mp4"))
    work.save()
    assert json.loads(work.path.read_text())["said"] == ["left out na?ve.mp4"]


def test_a_class_that_loses_its_videos_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [
        Video(f"{label}/{i}", label, f"{label}{i}", split, frames=5 + 7 * (label in "xy"))
        for label in "xyz"
        for i, split in enumerate(SUBSETS)
    ]
    for video in videos:
        video.number = "zyx".index(video.label)
    said: list[str] = []
    work = Namespace(folder=tmp_path, say=said.append, videos=videos, save=list)
    work.content = {"said": said}
    args = parse_args([str(tmp_path), "--no-moving", "--frames=1", "--units=8", "--epochs=1"])
    train_folder.plan(args, work, 0)
    assert (tmp_path / "classes.txt").read_text() == "y\nx\n"
    (lost,) = [text for text in said if "without a video of 8 frames" in text]
    assert lost.endswith("z in test, z in train, z in val")
    monkeypatch.setattr(train_folder, "find_videos", lambda *_: videos)
    monkeypatch.setattr(train_folder, "look", lambda *_: videos[:6])
    train_folder.look_and_split(args, work)
    assert "left out, without a good video: z in test, z in train, z in val" in said
    monkeypatch.setattr(train_folder, "look", lambda *_: videos[:3])
    with pytest.raises(ValueError, match=r"fewer than two classes are left; .*: y in test"):
        train_folder.look_and_split(args, work)


def test_what_is_refused_before_the_look_can_be_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "mine", "x/a_1.mp4", "y/b_1.mp4")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    monkeypatch.setattr(train_folder, "look", lambda *_: pytest.fail("looked"))
    args = parse_args([str(tmp_path / "mine"), "--work-dir", str(tmp_path / "w")])
    for name, value, sentence in (
        ("group", "take", "fits no name, for example 'x/a_1'"),
        ("checkpoint", str(tmp_path / "other.pth"), "expected a ResNet"),
    ):
        wrong = Namespace(**{**vars(args), name: value})
        work = train_folder.Work(wrong)
        work.save()
        with pytest.raises(ValueError, match=sentence):
            train_folder.look_and_split(wrong, work)
    train_folder.Work(args).save()
    train_folder.Work(Namespace(**{**vars(args), "memory": 1.0}))
    with pytest.raises(ValueError, match="begun with another short_side"):
        train_folder.Work(Namespace(**{**vars(args), "short_side": 100}))
    (tmp_path / "w" / "config.py").touch()
    with pytest.raises(ValueError, match="begun with another seed"):
        train_folder.Work(Namespace(**{**vars(args), "seed": 1}))


def test_videos_that_are_new_ask_for_another_work_dir(tmp_path: Path) -> None:
    touch(tmp_path / "videos", "a", "b", "c")
    mine = tmp_path / "mine.csv"
    mine.write_text("path,label\na,x\nb,y\n")
    args = parse_args([str(mine), "--work-dir", str(tmp_path / "w")])
    work = train_folder.Work(args)
    work.videos = find_videos(mine, print)
    work.content["listing"] = train_folder.listing(work.videos, mine)
    work.save()
    for rows, new in (("a,x\nb,y\nc,y", "c', 'y'"), ("a,x\nb,z", "b', 'z'")):
        mine.write_text(f"path,label\n{rows}\n")
        with pytest.raises(ValueError, match=f"without 1 of the videos, .*{new}"):
            train_folder.Work(args)
    mine.write_text("path,label\na,x\nb,y\n")
    (tmp_path / "videos" / "b").unlink()
    assert train_folder.Work(args).videos == work.videos
    mine.write_text("path,label\na,x\n")
    assert train_folder.Work(args).videos == work.videos


def test_videos_that_have_changed_ask_for_another_work_dir(tmp_path: Path) -> None:
    """A link would bring one of the test into the training."""
    root = tmp_path / "mine"
    for seed, name in enumerate(["x/a.mp4", "y/b.mp4"]):
        write_video(root / name, 20, seed)
    args = parse_args([str(root), "--work-dir", str(tmp_path / "w")])
    work = train_folder.Work(args)
    work.videos = look(find_videos(root, print), work.folder, 64, 1, 60, 2, print)
    work.save()
    os.utime(root / "x" / "a.mp4", (1, 1))  # copied anew
    assert train_folder.Work(args).videos == work.videos
    shutil.copy(root / "y" / "b.mp4", root / "x" / "a.mp4")
    with pytest.raises(ValueError, match=r"1 videos have changed since .*first .*x/a.mp4: give"):
        train_folder.Work(args)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            ["mine", "--group", "(x"],
            r"'\(x' is no regular expression: missing \)",
        ),
        (["mine", "--from", "k400.pth"], r"k400.pth does not exist"),
        (["mine", "--workers=0"], r"argument --workers: 0 is not positive"),
        (["mine", "--memory=0"], r"argument --memory: 0 is not a positive number"),
        (["your"], r"your does not exist: expected VIDEOS"),
    ],
)
def test_a_mistyped_argument_is_told_before_anything_is_begun(
    tmp_path: Path, run_tool: Callable, given: list[str], sentence: str
) -> None:
    (tmp_path / "mine").mkdir()
    code = 2 if re.search("regular|positive", sentence) else 1
    assert re.search(sentence, run_tool("train_folder.py", *given, "--work-dir", "w", code=code))
    assert not (tmp_path / "w").exists()


def test_a_report_is_drawn_until_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    work, tool = tmp_path / "w", tmp_path / "report.py"
    work.mkdir()
    monkeypatch.setattr(page, "DETAILS", tool)
    script = """
        import pathlib, sys
        out = pathlib.Path(sys.argv[-1])
        out.mkdir(exist_ok=True)
        (out / "report.html").write_text("<title>T</title><h1>Report</h1>{whole}")
        {then}
        (out / "report.csv").write_text("class,accuracy")
    """
    results = {"Result": ["64 % of <i> " + os.fsdecode(b"na\xefve.mp4")]}
    tool.write_text(textwrap.dedent(script.format(whole="half", then="sys.exit(1)")))
    answers = {name: ["a", "a", "b", "a"] for name in ("F4D", *RIVALS)}
    rows, _ = judge(["a", "b", "b", "a"], answers)
    text = page.write(work, tmp_path / "epoch_1.pth", rows, results).read_text()
    assert "64 % of &lt;i&gt; na?ve.mp4" in text
    assert "<tr><td>F4D<td class='n'>75.0%<td class='n'><svg" in text
    assert '<rect width="90.0" height="12" fill="#2f6fb0"/>\n<path d="M36.1 6H114.5"' in text
    assert text.count("<path") == len(answers) - 1  # none for the most frequent class
    assert "half" not in text
    assert "could not be drawn" in capsys.readouterr().out
    tool.write_text(textwrap.dedent(script.format(whole="<p>Mistakes", then="")))
    for _ in range(2):  # the second time nothing is drawn
        text = page.write(work, tmp_path / "epoch_1.pth", rows, results).read_text()
        assert text.index("<title>") < text.index("64 %") < text.index("<h1>Report</h1><p>Mistakes")
        tool.unlink(missing_ok=True)
    assert {path.name for path in work.iterdir()} == {"report.html", "report.csv", "report.log"}


@pytest.mark.parametrize("start", ["before", "after"])
def test_the_longer_command_is_the_same_one_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--minutes=5", "--group", r"_(\d+)$", "--from", "k400.pth", "--flip"]
    given = ["./my videos/", *options] if start == "before" else [*options, "my videos"]
    monkeypatch.setattr(sys, "argv", ["train_folder.py", *given])
    args = parse_args()
    line = train_folder.longer(args, Namespace(folder=tmp_path / "w"))
    monkeypatch.chdir("/")
    monkeypatch.setattr(sys, "argv", shlex.split(line)[1:])
    again = vars(parse_args())
    changed = dict(videos=tmp_path / "my videos", checkpoint=str(tmp_path / "k400.pth"))
    changed |= dict(minutes=15, work_dir=tmp_path / "w_longer")
    assert again == vars(args) | changed


def test_no_difference_within_the_interval_is_a_win() -> None:
    assert wilson(5, 10)[1:] == pytest.approx((0.2366, 0.7634), abs=1e-4)  # as R's prop.test has it
    assert wilson(0, 10)[1:] == pytest.approx((0, 0.2775), abs=1e-4)
    truth = ["a", "b"] * 20
    names = ("most frequent class", "nearest background", "SlowOnly, units averaged")
    answers = {"F4D": truth, "F4D, units reversed": truth[::-1], **dict.fromkeys(names, ["a"] * 40)}
    answers["nearest background"] = [*truth[:38], "b", "a"]
    rows, said = judge(truth, answers)
    assert rows[0].cells() == ["F4D", "100.0%", "91.2% to 100.0%", "100.0%", ""]
    cells = {row.name: row.cells() for row in rows}["most frequent class"]
    assert cells == ["most frequent class", "50.0%", "", "50.0%", "+50.0 (+41.2 to +50.0)"]
    head, rule, first, *_, last = aligned(rows).splitlines()
    assert re.split(r" *\| *", first)[1:-1] == rows[0].cells()
    assert {len(head), len(rule), len(first)} == {len(last)}
    assert said[0].startswith("F4D beats always naming")
    assert said[1].startswith("F4D is not shown to beat a look at the scene alone")
    for hits, verb in ((45, "is not shown to beat"), (46, "beats")):  # 49.4 % or more, 50.8 %
        named = ["a"] * 37 + ["b"] * (hits - 37) + ["a"] * (74 - hits)
        answers = dict.fromkeys(answers, ["a"] * 74) | {"F4D": named}
        assert judge(["a"] * 37 + ["b"] * 37, answers)[1][0].startswith(f"F4D {verb} always")
    right = np.array([True] * 30 + [False] * 10)
    assert lead(right, ~right)[0] == 50
    assert lead(right, right)[1] < 0 < lead(right, right)[2]


@pytest.mark.parametrize("tells", [False, True])
def test_the_place_decides_what_networks_see(tells: bool) -> None:
    """Ten groups of four videos, whose backgrounds are those of the class or of the group."""
    videos, noise = [], np.random.default_rng(0)
    for number in range(40):
        group, label = number // 4, number % 2
        frame = np.clip(60 * label if tells else 20 * group, 0, 255) + noise.integers(0, 9, 768)
        background = frame.astype(np.uint8).tobytes().hex()
        videos.append(Video(f"{number}", "xy"[label], str(group), background=background))
    assert place_tells(videos)[0] == tells
    said: list[str] = []
    assert see_moving(parse_args(["mine"]), videos, 16, said.append) != tells
    assert ("100%" in said[0]) == tells
    assert "50%" in said[0]
    assert ("whole pictures" in said[1]) == tells
    for asked in (False, True):
        flag = "--moving" if asked else "--no-moving"
        assert see_moving(parse_args(["mine", flag]), videos, 16, said.append) == asked
    assert not see_moving(parse_args(["mine"]), videos, 1, said.append)
    with pytest.raises(ValueError, match="nothing moves in one frame"):
        see_moving(parse_args(["mine", "--moving"]), videos, 1, said.append)


def test_a_checkpoint_gives_its_trunk(tmp_path: Path) -> None:
    slow = ResNet3dSlowOnly(depth=50, base_channels=8)
    weights = {f"backbone.{name}": weight for name, weight in slow.state_dict().items()}
    config = base(False)
    trunk = tmp_path / "trunk.pth"
    for bare in (False, True):  # a recognizer's, or the backbone's own
        torch.save(slow.state_dict() if bare else dict(state_dict=weights), tmp_path / "k400.pth")
        start_from(config, str(tmp_path / "k400.pth"), trunk, averaged=False)
        assert (config.model.backbone.depth, config.model.backbone.base_channels) == (50, 8)
        assert config.load_from == str(trunk)
        assert set(torch.load(trunk)["state_dict"]) == set(weights)
    f4d = MODELS.build(config.model.backbone).state_dict()
    torch.save({f"backbone.{name}": weight for name, weight in f4d.items()}, tmp_path / "f4d.pth")
    start_from(config, str(tmp_path / "f4d.pth"), trunk, averaged=True)
    assert config.load_from == str(trunk)
    assert set(torch.load(trunk)["state_dict"]) == set(weights) < {f"backbone.{key}" for key in f4d}


def test_both_networks_start_each_from_its_own_weights(tmp_path: Path) -> None:
    backbone = base(False).model.backbone
    weights = {f"backbone.{k}": w for k, w in MODELS.build(backbone).state_dict().items()}
    torch.save(weights, tmp_path / "f4d.pth")
    args = parse_args(["mine", "--batch=2", "--epochs=4", "--from", str(tmp_path / "f4d.pth")])
    make = partial(make_config, args, tmp_path, ["x", "y"], dict(num_units=4))
    f4d, slowonly = make(averaged=False).load_from, make(averaged=True).load_from
    assert set(torch.load(f4d)["state_dict"]) == set(weights)
    blocks = {key for key in weights if "blocks4d." in key}
    assert set(torch.load(slowonly)["state_dict"]) == set(weights) - blocks < set(weights)


def images(name: str, change: Callable[[Tensor], Tensor] | None = None) -> dict:
    """An image network of which one weight is changed, or left out."""
    weights = {torchvision_name(k): w for k, w in ResNet(depth=18).state_dict().items()}
    weight = weights.pop(name)
    return dict(model={**weights, name: change(weight)} if change else weights)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: {"weight": torch.zeros(1)}, "expected a ResNet"),
        (lambda: {"state_dict": [1, 2]}, "expected a ResNet"),
        (lambda: {"conv1.weight": torch.zeros(64, 3, 1, 7, 7)}, "in 3D by MMAction2's names"),
        (
            lambda: ResNet3d(18, conv1_kernel=(5, 7, 7)).state_dict(),
            r"conv1.weight of shape .*5, 7, 7",
        ),
        (
            lambda: ResNet3d(18, conv1_kernel=(1, 7, 7)).state_dict(),
            "layer1.0.conv1.weight of shape",
        ),
        (lambda: images("layer3.1.conv2.weight", lambda w: w[:, ::2]), "layer3.1.conv2.weight"),
        (lambda: images("layer4.0.downsample.0.weight"), "layer4.0.downsample.0.weight"),
    ],
)
def test_a_checkpoint_that_fits_in_part_is_refused(
    tmp_path: Path, build: Callable[[], dict], sentence: str
) -> None:
    torch.save(build(), tmp_path / "other.pth")
    config = base(False)
    with pytest.raises(ValueError, match=sentence):
        start_from(config, str(tmp_path / "other.pth"), tmp_path / "trunk.pth", averaged=False)


@pytest.mark.parametrize(
    ("kind", "named", "prefix"),
    [
        (ResNet, torchvision_name, ""),
        (ResNet, torchvision_name, "module."),
        (ResNet, torchvision_name, "module.backbone."),  # MMPretrain's names
        (ResNet, str, "backbone."),  # MMAction2's names
        (ResNetTSM, str, "backbone."),
    ],
)
def test_all_of_an_image_network_is_inflated(
    tmp_path: Path, kind: type, named: Callable[[str], str], prefix: str
) -> None:
    images = kind(depth=18)
    for name, statistic in images.named_buffers():
        if name.endswith("running_mean"):
            statistic.normal_()
    weights = {f"{prefix}{named(key)}": weight for key, weight in images.state_dict().items()}
    torch.save(dict(state_dict=weights), tmp_path / "images.pth")
    config = base(False)
    start_from(config, str(tmp_path / "images.pth"), tmp_path / "trunk.pth", averaged=False)
    trunk = MODELS.build(config.model.backbone)
    trunk.init_weights()
    # Both networks list their layers in one order.
    kernels, norms = (
        [m for m in images.modules() if isinstance(m, kind)] for kind in (nn.Conv2d, nn.BatchNorm2d)
    )
    inflated = [m for m in trunk.modules() if isinstance(m, ConvModule)]
    assert len(kernels) == len(norms) == len(inflated) == 20
    for kernel, norm, found in zip(kernels, norms, inflated):
        torch.testing.assert_close(found.conv.weight.sum(2), kernel.weight)
        torch.testing.assert_close(found.bn.running_mean, norm.running_mean)
