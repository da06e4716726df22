"""The examples of README.md, with a simulated camera."""

import re
from pathlib import Path
from typing import Any

import cv2
import pytest
import tutk

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def run(title: str, camera: tutk.SimulatedCamera) -> dict[str, Any]:
    """Runs the only example that contains `title`, with the address of the camera."""
    (example,) = [text for text in EXAMPLES if title in text]
    example, count = re.subn(r'"wyze://[^"]*"', repr(camera.url), example)
    assert count == 1, example
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(example, str(README), "exec"), names)
    return names


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_decodes_images_with_pyav(camera: tutk.SimulatedCamera, folder: Path) -> None:
    run("import av", camera)
    images = sorted(folder.glob("*.png"))
    assert len(images) == 10
    image = cv2.imread(str(images[-1]))
    assert image is not None and image.shape == (360, 640, 3)
    # The clip is a test picture with many colours.
    assert image.std() > 20


def test_blocking_example(camera: tutk.SimulatedCamera, folder: Path) -> None:
    run("out.h264", camera)
    assert (folder / "out.h264").stat().st_size > 1000


def test_async_example(camera: tutk.SimulatedCamera, capsys: pytest.CaptureFixture[str]) -> None:
    run("asyncio.run", camera)
    assert capsys.readouterr().out.count("h264") == 5


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == 4


def test_simulated_camera_example() -> None:
    (example,) = [text for text in EXAMPLES if "def test_" in text]
    names: dict[str, Any] = {}
    clip = README.parents[2] / "crates/tutk-cli/assets/clip.h264"
    exec(example.replace('"clip.h264"', repr(str(clip))), names)
    names["test_records_a_key_frame"]()
