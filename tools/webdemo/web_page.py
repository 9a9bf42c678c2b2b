"""The web page, its layout in Gradio, and Gradio's server.

Gradio bounds uploads, the queue and the age of temporary files, and refuses other sites' requests.
Added here is what it lacks: the page fetches nothing for a visitor, and browsers load nothing from
elsewhere.
"""

import html
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from unittest.mock import patch

import gradio
import numpy as np
from mmengine.config import Config
from mmengine.model import BaseModel
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from untrusted_video import MEGABYTE, Limits, check_video

from f4d_mmaction.apis.recognition import VIDEO_SUFFIXES, recognize
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.datasets.unwrapping import find_sampler, tested_dataset
from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.datasets.video_reader import video_file
from f4d_mmaction.visualization.attention import attention_video, contact_sheet

SAMPLES = 5
DRAWN = "drawn_"  # folders of drawings
PATIENCE = 60.0  # seconds that a visitor waits for runs that were canceled
INTRO = """# See what a video network attends to
Upload a video or choose a sample. {name} reads **{units} units of {frames} frames** spread over the
whole video; warm pixels and high curves are what it weighs most.
"""
CSS = """
.gradio-container { max-width: 1240px !important; margin: auto !important; }
#intro h1 { margin-bottom: 2px; }
#intro p { color: var(--body-text-color-subdued); }
#top h2 { font-size: 1.4rem; padding: 1.6rem 0 .6rem; }
#samples .grid-wrap { padding-top: 34px; overflow: hidden; max-height: none; }
#samples .caption-label { font-size: .75rem; padding: 1px 6px; }
#top * { font-family: var(--font) !important; }
#sheet img, #overlay video { object-fit: contain; background: white; padding-top: 30px; }
"""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


@contextmanager
def serving(
    model: BaseModel,
    host: str = "127.0.0.1",
    port: int = 0,
    samples: Sequence[str | os.PathLike] | None = None,
    limits: Limits | None = None,
) -> Iterator[gradio.Blocks]:
    """Serve the page of ``load_recognizer``'s model in a thread, at the ``local_url`` of it.

    Its temporary files go when the context ends. By default it is reached from this machine alone,
    at a free port, and offers the first videos of the config's test set.

    Raises:
        ValueError: the port or address cannot be used.
    """
    port = check_address(host, port)
    limits = limits or Limits()
    samples = sample_videos(model.cfg) if samples is None else samples
    middleware = [Middleware(KeepToItself)]
    if host == "localhost" or host.startswith("127."):
        # Another site's name that resolves to this machine is refused.
        names = ["127.0.0.1", "localhost", host]
        middleware.append(Middleware(TrustedHostMiddleware, names, www_redirect=False))
    with tempfile.TemporaryDirectory(prefix="f4d_web_") as temporary:
        folder = Path(temporary).resolve()
        settings = dict(GRADIO_TEMP_DIR=str(folder / "served"), HF_HUB_OFFLINE="1")
        with patch.dict(os.environ, settings, GRADIO_ANALYTICS_ENABLED="False"):
            page = build_page(model, samples, limits, folder)
            page.queue(max_size=limits.waiting, api_open=False)
            ended = Event()
            try:
                page.launch(
                    server_name=host,
                    server_port=port,
                    max_file_size=int(limits.megabytes * MEGABYTE),
                    strict_cors=True,
                    app_kwargs=dict(middleware=middleware),
                    prevent_thread_lock=True,
                    share=False,
                    quiet=True,
                    footer_links=[],
                    run_history=False,
                    ssr_mode=False,
                    mcp_server=False,
                    enable_monitoring=False,
                    # Fonts that every machine has; Gradio's default ones come from Google.
                    theme=gradio.themes.Soft(
                        font=["system-ui", "Segoe UI", "DejaVu Sans", "sans-serif"],
                        font_mono=["ui-monospace", "DejaVu Sans Mono", "monospace"],
                    ),
                    css=CSS,
                )
                Thread(target=sweep, args=(folder, limits.keep, ended), daemon=True).start()
                yield page
            finally:
                ended.set()
                page.close(verbose=False)


def sweep(folder: Path, seconds: float, ended: Event) -> None:
    """Delete what Gradio does not, once it is so old: drawings, and uploads that broke off."""
    while not ended.wait(max(seconds / 20, 1)):
        for left in (*folder.glob(f"{DRAWN}*"), *folder.glob("served/tmp*")):
            with suppress(OSError):  # gone by now
                if time.time() - left.stat().st_mtime > seconds:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


def check_address(host: str, port: int) -> int:
    """Return the port, a free one for 0, before anything slow happens.

    Raises:
        ValueError: it is in use, or not an address of this machine, or one of IPv6.
    """
    if ":" in host:
        raise ValueError(f"Gradio serves no IPv6 address, got --host {host}: give one of IPv4")
    try:
        with socket.create_server((host, port)) as listener:
            return listener.getsockname()[1]
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"cannot listen on {host}:{port}: {error}; pass another --port (0 for a free one) or "
            "--host"
        ) from error


class KeepToItself:
    """ASGI layer: no request makes Gradio fetch an address, no page loads from elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        path = scope.get("path", "").lower()
        if "/proxy=" in path or "/file=http" in path:
            await answer({"type": "http.response.start", "status": 404})
            await answer({"type": "http.response.body", "body": b"no such page"})
        else:
            await self.app(scope, receive, answer)


def sample_videos(config: Config, count: int = SAMPLES) -> list[str]:
    """Find the first videos of the config's test set, where they are on this machine."""
    dataset = tested_dataset(config)
    root, prefixes = dataset.get("data_root") or "", dataset.get("data_prefix") or {}
    listing = Path(root, dataset["ann_file"])
    if not listing.is_file():
        return []
    with open(listing, encoding="utf-8") as lines:
        rows = [line.split(dataset.get("delimiter")) for _, line in zip(range(count), lines)]
    names = [row[0].strip() for row in rows if row]
    folder = Path(root, prefixes.get("video", ""))
    paths = [video_file(folder / name) for name in names]
    return [path for path in paths if os.path.isfile(path) and is_shown(path)]


def is_shown(path: str) -> bool:
    """Whether a picture of a video can be shown; else what is wrong with it is printed."""
    try:
        thumbnail(path)
    except BadVideoError as error:
        print(f"left out of the samples: {error}")
        return False
    return True


def build_page(
    model: BaseModel, samples: Sequence[str | os.PathLike], limits: Limits, folder: Path
) -> gradio.Blocks:
    """Lay out the page; each drawing goes into a folder of its own below ``folder``."""
    turn = Lock()  # Gradio hands on the place of who cancels, while the run goes on

    def show(path: str | None) -> list:
        if path is None:
            return [None, None, None]
        if not turn.acquire(timeout=PATIENCE):
            raise gradio.Error("Busy: try again in a minute.", print_exception=False)
        try:
            return answer(path)
        finally:
            turn.release()

    def answer(path: str) -> list:
        error = check_video(path, model.cfg, limits)
        if not error:
            (result,) = recognize(model, path)
            error = result.error
        if error:
            raise gradio.Error(html.escape(error), print_exception=False)
        scores = {prediction.name: prediction.score for prediction in result.predictions}
        if result.frames is None:  # a network that takes no units
            return [scores, None, None]
        own = Path(tempfile.mkdtemp(prefix=DRAWN, dir=folder))
        overlay = attention_video(result, own / "attention.mp4")
        return [scores, str(overlay), str(contact_sheet(result, own / "attention.png"))]

    def show_sample(chosen: gradio.SelectData) -> list:
        return show(str(samples[chosen.index]))

    try:
        sampler = find_sampler(tested_dataset(model.cfg)["pipeline"])
    except ValueError:
        sampler = {}
    intro = INTRO.format(
        name=type(model.backbone).__name__,
        units=sampler.get("num_units", "a number of"),
        frames=sampler.get("clip_len", "a few"),
    )
    ages = (max(int(limits.keep) // 20, 1), int(limits.keep))
    with gradio.Blocks(
        analytics_enabled=False, title="See what a video network attends to", delete_cache=ages
    ) as page:
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
        refuse_addresses(upload)
        # One visitor at a time.
        shared: dict = dict(api_visibility="private", concurrency_limit=1, concurrency_id="network")
        upload.change(show, upload, [top, overlay, sheet], **shared)
        gallery.select(show_sample, None, [top, overlay, sheet], **shared)
    return page


def refuse_addresses(component: gradio.components.Component) -> None:
    """Have requests name no address as a component's value; Gradio would download it.

    Gradio itself refuses files outside its folder. (Set on the instance: Gradio writes a stub
    file beside the source of every subclass of its components.)
    """
    accept = component.async_move_resource_to_block_cache

    async def accept_file(path: str | Path | None) -> str | None:
        if path is not None and not Path(path).is_file():
            raise gradio.Error("No such video on this page.", print_exception=False)
        return await accept(path)

    # Gradio has no other place for a rule on one component alone.
    component.async_move_resource_to_block_cache = accept_file  # type: ignore[assignment]  # see above


def thumbnail(path: str | os.PathLike) -> np.ndarray:
    """The frame in the middle of a video, (H, W, 3)."""
    reader = VideoReader(str(path))
    return reader.read([len(reader) // 2])[0]
