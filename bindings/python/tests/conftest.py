"""Simulated cameras on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tutk

ROOT = Path(__file__).parents[3]
CLIP = ROOT / "crates/tutk-cli/assets/clip.h264"
CAPTURE = ROOT / "captures/simulated.pcapng"


@pytest.fixture
def camera() -> Iterator[tutk.SimulatedCamera]:
    with tutk.SimulatedCamera(CLIP, fps=50) as camera:
        yield camera
