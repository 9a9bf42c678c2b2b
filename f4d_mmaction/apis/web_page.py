"""What the web page shows, laid out in Gradio."""

from __future__ import annotations

import html
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import gradio
import numpy as np
from fastapi import FastAPI
from torch import nn

from ..datasets.transforms import VideoReader
from ..structures import Recognition
from ..visualization.attention import attention_video, contact_sheet
from ..visualization.style import BLUE, GRID
from .recognition import VIDEO_SUFFIXES, recognize
from .web_guard import Limits, check_video

_TITLE = "See what a video network attends to"
_INTRO = """# {title}
Upload a video or choose a sample. {name} reads **{units} units of {frames} frames** spread over the
whole video; warm pixels and high curves are what it weighs most.
"""
_CSS = """
.gradio-container { max-width: 1240px !important; margin: auto !important; }
#intro h1 { margin-bottom: 2px; }
#intro p { color: var(--body-text-color-subdued); }
#top h2 { font-size: 1.4rem; padding: 1.6rem 0 .6rem; }
#samples .grid-wrap { padding-top: 34px; overflow: hidden; max-height: none; }
#samples .caption-label { font-size: .75rem; padding: 1px 6px; }
#top * { font-family: var(--font) !important; }
#sheet img, #overlay video { object-fit: contain; background: white; padding-top: 30px; }
footer { display: none !important; }
"""


def mount_page(
    app: FastAPI,
    model: nn.Module,
    samples: Sequence[str | os.PathLike],
    limits: Limits,
    folder: Path,
) -> None:
    """Put the page at the root of an app; the arguments are those of :func:`build_page`."""
    gradio.mount_gradio_app(
        app,
        build_page(model, samples, limits, folder),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,  # but what is meant for the visitor
        max_file_size=int(limits.megabytes * 2**20),
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        theme=_theme(),
        css=_CSS,
    )


def build_page(
    model: nn.Module, samples: Sequence[str | os.PathLike], limits: Limits, folder: Path
) -> gradio.Blocks:
    """Lay out the page.

    Args:
        model: Of ``load_recognizer``.
        samples: Videos to offer.
        limits: What a visitor may ask for.
        folder: Of temporary files; no other file can be named by a visitor.
    """

    def show(path: str | None) -> list:
        if path is None:
            return [None, None, None]
        result = look_at(model, path, limits)
        if result.error:
            raise gradio.Error(html.escape(result.error), print_exception=False)
        scores = {prediction.name: prediction.score for prediction in result.predictions}
        if result.frames is None:  # a network that takes no units
            return [scores, None, None]
        place = folder / "drawn" / uuid.uuid4().hex
        overlay = attention_video(result, place / "attention.mp4")
        return [scores, str(overlay), str(contact_sheet(result, place / "attention.png"))]

    def show_sample(chosen: gradio.SelectData) -> list:
        return show(str(samples[chosen.index]))

    steps = model.cfg.test_dataloader.dataset.pipeline
    sampler = next((step for step in steps if step["type"] == "SampleActionUnits"), {})
    intro = _INTRO.format(
        title=_TITLE,
        name=type(model.backbone).__name__,
        units=sampler.get("num_units", "a number of"),
        frames=sampler.get("clip_len", "a few"),
    )
    with gradio.Blocks(analytics_enabled=False, title=_TITLE) as page:
        gradio.Markdown(intro, elem_id="intro")
        with gradio.Row():
            with gradio.Column():
                upload = gradio.File(
                    label=f"Video (up to {limits.megabytes:g} MB and {limits.seconds:g} s)",
                    file_types=sorted(VIDEO_SUFFIXES),
                    height=150,
                    elem_id="upload",
                )
                sheet = gradio.Image(
                    label="Attention in every unit",
                    type="filepath",
                    interactive=False,
                    elem_id="sheet",
                    buttons=["download", "fullscreen"],
                )
            with gradio.Column():
                gallery = gradio.Gallery(
                    [(thumbnail(path), Path(path).stem) for path in samples],
                    label="Samples",
                    allow_preview=False,
                    columns=max(len(samples), 1),
                    height=150,
                    visible=bool(samples),
                    elem_id="samples",
                    buttons=[],
                )
                top = gradio.Label(label="Top 5", num_top_classes=5, elem_id="top")
                overlay = gradio.Video(
                    label="What the network saw",
                    interactive=False,
                    autoplay=True,
                    loop=True,
                    elem_id="overlay",
                    buttons=["download"],
                )
        accept_only_files_in(folder, upload)
        shared = dict(api_visibility="private", concurrency_limit=1, concurrency_id="network")
        upload.change(show, upload, [top, overlay, sheet], **shared)
        gallery.select(show_sample, None, [top, overlay, sheet], **shared)
    return page.queue(max_size=limits.waiting, api_open=False)


def accept_only_files_in(folder: Path, component: gradio.components.Component) -> None:
    """Let requests name no file but those of a folder as a component's value.

    Where a page is mounted into an app, Gradio 6 copies any file of this machine that a request
    names into the folder that it serves, and downloads any address. (Set on the instance: Gradio
    writes a stub file beside the source of every subclass of its components.)
    """
    accept = component.async_move_resource_to_block_cache

    async def accept_if_inside(path: str | Path | None) -> str | None:
        if path is not None and folder not in Path(path).resolve().parents:
            raise gradio.Error("No such video on this page.", print_exception=False)
        return await accept(path)

    component.async_move_resource_to_block_cache = accept_if_inside


def thumbnail(path: str | os.PathLike) -> np.ndarray:
    """The frame in the middle of a video, (H, W, 3)."""
    reader = VideoReader(str(path))
    try:
        return reader.read(np.array([len(reader) // 2]))[0]
    finally:
        reader.close()


def look_at(model: nn.Module, path: str, limits: Limits) -> Recognition:
    """Recognize a stranger's video: checked in another process first, never trusted."""
    error = check_video(path, model.cfg, limits)
    if error:
        return Recognition(path, error=error)
    (result,) = recognize(model, path)
    return result


def _theme() -> gradio.Theme:
    """Gradio's own look in fonts that every machine has; its default ones come from Google."""
    return gradio.themes.Soft(
        primary_hue="blue",
        neutral_hue="slate",
        radius_size="lg",
        font=["system-ui", "Segoe UI", "DejaVu Sans", "sans-serif"],
        font_mono=["ui-monospace", "DejaVu Sans Mono", "monospace"],
    ).set(
        stat_background_fill=BLUE,
        body_background_fill="#f3f6f9",
        block_background_fill="white",
        block_border_width="1px",
        block_border_color=GRID,
    )
