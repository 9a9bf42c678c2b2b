"""Upload a video to a running web page in a headless Chromium and save what it shows."""

import argparse
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


PATIENCE = 120  # seconds for anything to appear
_SWITCHES = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "window-size=1280,1180",
)


@contextmanager
def chromium() -> "Iterator[Chrome]":
    """Start Chromium with a profile of its own, and end it.

    Raises:
        FileNotFoundError: Chromium, its driver or selenium is not installed.
    """
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver and find_spec("selenium")):
        raise FileNotFoundError(
            "no Chromium to drive; install it with `apt-get install chromium chromium-driver` and "
            "`pip install selenium`"
        )
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for switch in (*_SWITCHES, f"user-data-dir={profile}"):
            options.add_argument(f"--{switch}")
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
        try:
            yield browser
        finally:
            browser.quit()


def upload_video(browser: "Chrome", address: str, video: str | os.PathLike) -> None:
    """Open the page, upload a video as a visitor does, and wait until all of its results show."""
    browser.get(address)
    wait_until(browser, "return !!document.querySelector('#upload input[type=file]')")
    choose = browser.find_element("css selector", "#upload input[type=file]")
    choose.send_keys(os.path.abspath(video))
    wait_until(browser, shown())


def shown(besides: str = "") -> str:
    """JavaScript that says whether results are complete, and not those whose sheet is named."""
    return (
        "const [image, video] = ['#sheet img', '#overlay video'].map(x => "
        "document.querySelector(x)); return !!(image && video && image.naturalWidth && "
        f"video.readyState >= 3 && image.src !== '{besides}')"
    )


def wait_until(browser: "Chrome", condition: str) -> None:
    """Wait until a line of JavaScript returns true.

    Raises:
        TimeoutException: of selenium, with what the browser said.
    """
    from selenium.webdriver.support.ui import WebDriverWait

    said = [entry["message"] for entry in browser.get_log("browser")]
    waiting = WebDriverWait(browser, PATIENCE, 0.2)
    waiting.until(lambda b: b.execute_script(condition), f"{condition}: {said}")


def addresses(browser: "Chrome") -> set[str]:
    """All http addresses that the browser asked for since this was last called."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    return {address for address in asked if address.startswith("http")}


def photograph(address: str, video: str | os.PathLike, out: str | os.PathLike) -> Path:
    """Upload a video to a running page and save what then shows as a PNG."""
    with chromium() as browser:
        upload_video(browser, address, video)
        browser.execute_script("document.querySelector('#overlay video').currentTime = 0.9")
        wait_until(browser, "return !document.querySelector('#overlay video').seeking")
        picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Steps of 4 in color cannot be seen and save a third of the file.
    picture.point([min((value + 2) // 4 * 4, 255) for value in range(256)] * 3).save(
        out, optimize=True
    )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="what tools/webdemo printed")
    parser.add_argument("video")
    parser.add_argument("out", help="PNG file")
    args = parser.parse_args()
    try:
        print(photograph(args.address, args.video, args.out))
    except OSError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
