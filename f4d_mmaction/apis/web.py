"""A web page that recognizes uploaded videos and shows what the network attends to.

It loads nothing from elsewhere, listens on this machine alone unless told otherwise, and leaves no
file behind.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from .web_guard import Guard, Limits, impatient, sweep

if TYPE_CHECKING:
    import uvicorn

SAMPLES = 5
SWEEPS = 20  # in the time for which files are kept
CONNECTIONS = 256


def serve(
    model: nn.Module,
    host: str = "127.0.0.1",
    port: int = 7860,
    samples: Sequence[str | os.PathLike] | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve the page until interrupted, then delete its temporary files.

    Args:
        model: Of ``load_recognizer``.
        host: Address to listen on; the default is reached from this machine alone.
        port: Its port; 0 for a free one.
        samples: Videos to offer; the first of the config's test set if not given.
        limits: What a visitor may ask for.

    Raises:
        ImportError: Gradio is not installed.
        ValueError: the port or address cannot be used.
    """
    # uvicorn ends in order and then raises the signal again: it must not kill us before we clean.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt), server(model, host, port, samples, limits) as page:
        print_log(f"open {page.address} (Ctrl+C ends)")
        page.run()


@contextmanager
def server(
    model: nn.Module,
    host: str = "127.0.0.1",
    port: int = 7860,
    samples: Sequence[str | os.PathLike] | None = None,
    limits: Limits | None = None,
) -> Iterator[uvicorn.Server]:
    """Make the server of :func:`serve`; its temporary files go when the context ends.

    Yields:
        A server that is bound (to ``address``), runs on ``run()`` and has its files in ``folder``.
    """
    limits = limits or Limits()
    with ExitStack() as stack:
        listener = stack.enter_context(bind(host, port))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="f4d_web_"))).resolve()
        stack.enter_context(_gradio_at_home(folder))
        import uvicorn
        from fastapi import FastAPI
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from uvicorn.protocols.http.h11_impl import H11Protocol

        from .web_page import mount_page

        if samples is None:
            samples = sample_videos(model.cfg)
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        if _is_loopback(host):  # another site's name that resolves to this machine is refused
            names = ["127.0.0.1", "localhost", "[::1]", host]
            app.add_middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)
        mount_page(app, model, samples, limits, folder)
        kept = set(folder.rglob("*"))  # the samples
        stop = threading.Event()
        sweeper = threading.Thread(
            target=_sweep_until, args=(stop, folder, limits.keep, kept), daemon=True
        )
        sweeper.start()
        stack.callback(sweeper.join)
        stack.callback(stop.set)  # called first
        options = uvicorn.Config(
            Guard(app, limits, folder),
            http=impatient(H11Protocol, limits.uploading),
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=3,
            log_level="warning",
            server_header=False,
        )
        page = uvicorn.Server(options)
        page.address = "http://{}:{}".format(*listener.getsockname()[:2])
        page.folder = folder
        page.run = partial(page.run, sockets=[listener])
        yield page


def bind(host: str, port: int) -> socket.socket:
    """Take the address before anything slow happens.

    Raises:
        ValueError: it is in use, or not an address of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"cannot listen on {host}:{port}: {error}; pass another --port (0 for a free one) or "
            "--host"
        ) from error
    return listener


def sample_videos(config: Config, count: int = SAMPLES) -> list[str]:
    """Find the first videos of the config's test set, where they are on this machine."""
    dataset = config.test_dataloader.dataset
    listing = Path(dataset.ann_file)
    if not listing.is_file():
        return []
    with open(listing, encoding="utf-8") as lines:
        names = [line.split()[0] for _, line in zip(range(count), lines) if line.strip()]
    folder = Path(dataset.get("data_prefix", {}).get("video", ""))
    return [str(path) for path in (folder / name for name in names) if path.is_file()]


@contextmanager
def _gradio_at_home(folder: Path) -> Iterator[None]:
    """Have Gradio report to nobody and put its files into a folder; it reads the environment.

    Raises:
        ImportError: Gradio is not installed.
    """
    settings = {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "HF_HUB_OFFLINE": "1",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        try:
            import gradio  # noqa: F401
        except ImportError as error:
            remedy = 'the page needs: pip install "f4d_mmaction[web]"'
            raise ImportError(f"{error}; {remedy}") from error
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _sweep_until(stop: threading.Event, folder: Path, age: float, kept: set[Path]) -> None:
    while not stop.wait(age / SWEEPS):
        sweep(folder, age, kept)
