"""The web page over real HTTP: what it answers, what it refuses, and what it leaves behind."""

import contextlib
import copy
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from tiny_run import write_config

pytest.importorskip("gradio", reason="the extra `web` is not installed")
import httpx
import web_page
from photograph_webdemo import addresses, shown, upload_video, wait_until
from untrusted_video import MEGABYTE, Limits, start_processes
from web_page import check_address, sample_videos, serving

LIMITS = Limits(megabytes=1, waiting=2)


@pytest.fixture(scope="module")
def model(config: Config) -> torch.nn.Module:
    start_processes()
    torch.manual_seed(0)
    model = init_recognizer(config, device="cpu")
    model.class_names = [f"class <{k}>" for k in range(8)]
    return model


@pytest.fixture(scope="module")
def page(model: torch.nn.Module):
    with serving(model, limits=LIMITS) as page:
        yield page


@pytest.fixture
def client(page):
    with visitor(page) as client:
        yield client


def visitor(page) -> httpx.Client:
    return httpx.Client(base_url=page.local_url, timeout=120, trust_env=False)


def upload(client: httpx.Client, path: Path, name: str = "") -> httpx.Response:
    content = path.read_bytes()
    return client.post("/gradio_api/upload", files={"files": (name or path.name, content)})


def recognize(client: httpx.Client, path: str, session: str = "visitor") -> dict:
    """Ask as the page does, and wait for the answer."""
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    ask = {"data": [file], "fn_index": 0, "session_hash": session, "trigger_id": 1}
    joined = client.post("/gradio_api/queue/join", json=ask)
    if joined.status_code != 200:
        return {"success": False, "output": {"error": joined.text}}
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as lines:
        for line in lines.iter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {}
            if message.get("msg") in ("process_completed", "unexpected_error"):
                return message
    raise AssertionError("the queue closed without an answer")


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so, for a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def a_video(benchmark: Path, place: int = 0) -> Path:
    return sorted((benchmark / "test").glob("*.mp4"))[place]


def test_an_uploaded_video_is_recognized_and_shown(client, benchmark) -> None:
    (path,) = upload(client, a_video(benchmark)).json()
    answer = recognize(client, path)
    assert answer["success"]
    top, overlay, sheet = answer["output"]["data"]
    assert len(top["confidences"]) == 5
    assert top["confidences"][0]["label"].startswith("class <")
    play = client.get(urlsplit(overlay["url"]).path)
    assert play.headers["content-type"] == "video/mp4"
    assert client.get(urlsplit(sheet["url"]).path).content.startswith(b"\x89PNG")


def test_the_page_asks_browsers_for_nothing_from_elsewhere(client) -> None:
    answer = client.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "fonts.googleapis" not in answer.text
    assert "fonts.googleapis" not in client.get("/theme.css").text
    assert '"analytics_enabled":false' in answer.text.replace(" ", "")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "{folder}/../../etc/passwd", "http://127.0.0.1:9/x.mp4", "{sample}", "{cwd}"],
)
def test_a_request_can_name_no_file_but_uploaded_ones(client, benchmark, path) -> None:
    (uploaded,) = upload(client, a_video(benchmark)).json()
    folder = Path(uploaded).parents[1]
    path = path.format(folder=folder, sample=a_video(benchmark), cwd=Path("setup.py").resolve())
    files = set(folder.rglob("*"))
    answer = recognize(client, path)
    assert not answer["success"]
    assert set(folder.rglob("*")) == files  # nothing was fetched or copied
    assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)


def test_names_of_uploads_lead_nowhere_and_pages_among_them_do_not_open(client, page, tmp_path):
    (tmp_path / "page").write_bytes(b"<script>alert(1)</script>")
    for name in ("../../../evil.html", "..\\evil.html", "/etc/evil.html", "a" * 300 + ".html"):
        (path,) = upload(client, tmp_path / "page", name).json()
        assert ".." not in Path(path).parts
        served = client.get(f"/gradio_api/file={path}")
        assert served.status_code == 200
        assert "attachment" in served.headers["content-disposition"]
    folder = Path(path).parents[2]
    assert folder.name.startswith("f4d_web_")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("noise.mp4", bytes(range(256)) * 40, "garbage"),
        ("script.sh", b"#!/bin/sh\n" * 40, "Invalid file type"),
        ("<b>.mp4", b"text " * 40, "cannot be used|text"),
    ],
)
def test_what_is_no_video_is_told(client, tmp_path, name, content, says) -> None:
    (tmp_path / "file").write_bytes(content)
    (path,) = upload(client, tmp_path / "file", name).json()
    answer = recognize(client, path)
    assert not answer["success"]
    assert re.search(says, answer["output"]["error"])
    assert "/tmp" not in answer["output"]["error"]
    assert "<b>" not in answer["output"]["error"]


def test_too_large_an_upload_is_refused(client, tmp_path) -> None:
    (tmp_path / "big.mp4").write_bytes(bytes(MEGABYTE + 1))
    assert upload(client, tmp_path / "big.mp4").status_code == 413
    with contextlib.suppress(httpx.HTTPError):  # it may hang up before all is sent
        content = (bytes(MEGABYTE) for _ in range(30))
        kind = {"content-type": "multipart/form-data; boundary=x"}
        assert client.post("/gradio_api/upload", content=content, headers=kind).status_code >= 400


@pytest.mark.slow
def test_many_visitors_at_once_are_served_or_told_to_wait(page, client, benchmark) -> None:
    def visit(number: int) -> dict:
        with visitor(page) as client:
            (path,) = upload(client, a_video(benchmark, number % 4)).json()
            return recognize(client, path, session=f"visitor {number}")

    with ThreadPoolExecutor(6) as crowd:
        answers = list(crowd.map(visit, range(6)))
    told = [answer for answer in answers if not answer["success"]]
    assert len(answers) - len(told) >= LIMITS.waiting
    assert all("full" in answer["output"]["error"] for answer in told)
    assert client.get("/").status_code == 200


def test_the_run_of_a_visitor_who_cancels_ends_before_the_next_begins(
    model, benchmark, monkeypatch
) -> None:
    """Gradio hands the place on at once, but the run goes on."""
    runs, release, own = [], Event(), web_page.recognize

    def slow(*arguments: object) -> list:
        runs.append(arguments)
        if len(runs) == 1:
            release.wait(60)
        return own(*arguments)

    monkeypatch.setattr(web_page, "recognize", slow)
    monkeypatch.setattr(web_page, "PATIENCE", 0.1)
    with serving(model) as page, visitor(page) as client:
        (path,) = upload(client, a_video(benchmark)).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        ask = {"data": [file], "fn_index": 0, "session_hash": "first", "trigger_id": 1}
        ask["event_id"] = client.post("/gradio_api/queue/join", json=ask).json()["event_id"]
        wait_for(lambda: runs)
        assert client.post("/gradio_api/cancel", json=ask).status_code == 200
        answer = recognize(client, path, "second")
        assert "Busy: try again in a minute." in answer["output"]["error"]
        assert len(runs) == 1
        release.set()
        wait_for(lambda: recognize(client, path, "third")["success"])
        drawn = {path.parent for path in Path(path).parents[2].glob("drawn_*/attention.png")}
        assert len(drawn) == len(runs)


def test_other_sites_cannot_reach_it_through_a_visitors_browser(client) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    answer = client.get("/config", headers={"origin": "https://evil.example"})
    assert answer.headers.get("access-control-allow-origin") != "https://evil.example"


def test_temporary_files_go_after_a_while_and_at_the_end(model, benchmark) -> None:
    with serving(model, limits=Limits(keep=2)) as page:
        with visitor(page) as client:
            (path,) = upload(client, a_video(benchmark)).json()
        folder = Path(path).parents[2]
        (folder / "served" / "tmp_of_an_upload_that_broke_off").touch()
        (folder / "drawn_once").mkdir()
        samples = set(folder.rglob("*.webp"))
        wait_for(lambda: not Path(path).exists())
        wait_for(lambda: not [*folder.glob("drawn*"), *folder.glob("served/tmp*")])
        assert samples
        assert samples == set(folder.rglob("*.webp"))
    assert not folder.exists()


def test_samples_are_the_first_sound_test_videos(config, benchmark, tmp_path, capsys) -> None:
    assert sample_videos(config, 2) == [str(a_video(benchmark, 0)), str(a_video(benchmark, 1))]
    config = copy.deepcopy(config)
    dataset = config.test_dataloader.dataset
    (tmp_path / "my clip.mp4").symlink_to(a_video(benchmark))
    (tmp_path / "cut.mp4").write_bytes(a_video(benchmark).read_bytes()[:-99])
    (tmp_path / "list.txt").write_text("cut.mp4,0\nmy clip.mp4,0\n\n")
    dataset.update(data_root=str(tmp_path), data_prefix=dict(video="."), delimiter=",")
    dataset.ann_file = "list.txt"
    assert sample_videos(config) == [str(tmp_path / "my clip.mp4")]
    assert f"left out of the samples: {tmp_path / 'cut.mp4'}: truncated" in capsys.readouterr().out
    dataset.ann_file = "no/such/list.txt"
    assert sample_videos(config) == []


def test_a_damaged_sample_that_was_named_is_told(model, tmp_path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(bytes(range(256)) * 9)
    with pytest.raises(ValueError, match=r"noise.mp4: garbage"), serving(model, samples=[noise]):
        pass


def test_a_port_in_use_is_told(run_tool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = run_tool("webdemo", "no.py", "no.pth", "--port", port, code=2)
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "--port" in said
    with pytest.raises(ValueError, match="cannot listen on no"):
        check_address("no.such.host.invalid", 0)
    with pytest.raises(ValueError, match="no IPv6 address, got --host ::1"):
        check_address("::1", 0)


@pytest.mark.end_to_end
def test_the_command_serves_and_cleans_up_when_it_is_ended(
    root, benchmark, config, model, tmp_path, subprocess_env
) -> None:
    config.dump(tmp_path / "config.py")
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    temporary = tmp_path / ("long" * 25)  # too long for the path of a Unix socket
    temporary.mkdir()
    command = [sys.executable, "-u", "tools/webdemo", tmp_path / "config.py"]
    process = subprocess.Popen(
        [*map(str, command), str(tmp_path / "weights.pth"), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**subprocess_env, "TMPDIR": str(temporary)},
    )
    try:
        line = next(line for line in process.stdout if "open http" in line)
        address = line.split("open ")[1].split()[0]
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
            assert upload(client, a_video(benchmark)).status_code == 200
        assert list(temporary.glob("f4d_web_*"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
    assert not list(temporary.glob("f4d_web_*"))


def test_a_visitor_sees_it_all_in_a_real_browser(page, browser, benchmark) -> None:
    addresses(browser)  # those of the browser's own start page
    upload_video(browser, page.local_url, a_video(benchmark))
    said = browser.find_element("css selector", "#top").text
    assert said.count("class <") == 6  # the best is also the heading
    assert said.count("%") == 5
    play = "const v = document.querySelector('#overlay video'); v.muted = true; v.play(); "
    wait_until(browser, play + "return v.currentTime > 0.2")
    sheet = browser.find_element("css selector", "#sheet img").get_property("src")
    browser.find_elements("css selector", "#samples button")[-1].click()
    wait_until(browser, shown(besides=sheet))
    elsewhere = {
        address for address in addresses(browser) if not address.startswith(page.local_url)
    }
    assert not elsewhere
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors


def test_a_visitor_is_told_what_is_wrong_with_a_file(page, browser, tmp_path) -> None:
    (tmp_path / "letter.mp4").write_text("Dear all,\n" * 99)
    browser.get(page.local_url)
    wait_until(browser, "return !!document.querySelector('#upload input[type=file]')")
    choose = browser.find_element("css selector", "#upload input[type=file]")
    choose.send_keys(str(tmp_path / "letter.mp4"))
    error = "letter.mp4: wrong_extension video: text under the name of a .mp4 file"
    wait_until(browser, f"return document.body.innerText.includes('{error}')")


@pytest.fixture(scope="module")
def config(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return Config.fromfile(write_config(tmp_path_factory.mktemp("config"), benchmark))
