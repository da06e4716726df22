"""The vectors that all bindings share, and the program `tutk`."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tutk
from conftest import CAPTURE, ROOT


def vectors(name: str) -> list[dict[str, Any]]:
    text = (ROOT / "bindings/vectors" / name).read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_addresses() -> None:
    for case in vectors("urls.jsonl"):
        if "error" in case:
            with pytest.raises(tutk.AddressError) as raised:
                tutk.parse_url(case["url"])
            assert str(raised.value) == case["error"]
        else:
            assert tutk.parse_url(case["url"]) == case["camera"]


def test_catalogue() -> None:
    assert tutk.controls() == vectors("controls.jsonl")


def test_requests() -> None:
    for case in vectors("requests.jsonl"):
        control, values = case["control"], case["values"]
        options = {"model": case["model"], "unix": case["unix_millis"] / 1000}
        if "error" in case:
            with pytest.raises(tutk.CommandError) as raised:
                tutk.request(control, *values, **options)
            assert str(raised.value) == case["error"]
            continue
        assert tutk.request(control, *values, **options) == case["request"]
        payload = bytes.fromhex(case["answer"])
        assert tutk.describe_answer(control, *values, payload=payload) == case["described"]


def test_datagrams() -> None:
    for case in vectors("datagrams.jsonl"):
        data = bytes.fromhex(case["datagram"])
        assert tutk.dissect_datagram(case["source"], case["destination"], data) == case["packet"]


def test_capture() -> None:
    expected = vectors("simulated.jsonl")
    assert list(tutk.dissect(CAPTURE)) == expected
    assert list(tutk.dissect(CAPTURE.read_bytes())) == expected
    lines = list(tutk.dissect_text(str(CAPTURE)))
    assert len(lines) == sum("packet" in line for line in expected)
    assert "discovery" in lines[0]


def test_capture_is_as_the_program_prints_it() -> None:
    program = Path(os.environ["TUTK_PROGRAM"])
    run = subprocess.run(
        [program, "dissect", "--json", CAPTURE], capture_output=True, check=True, text=True
    )
    # The last line is the report of the command.
    printed = [json.loads(line) for line in run.stdout.splitlines()][:-1]
    assert list(tutk.dissect(CAPTURE)) == printed


def test_invalid_captures(tmp_path: Path) -> None:
    with pytest.raises(tutk.CaptureError, match="expected a pcap or pcapng file"):
        tutk.dissect(b"no capture")
    with pytest.raises(tutk.CaptureError, match="no line that begins with CLIENT_RANDOM"):
        tutk.dissect(CAPTURE, keys=b"# empty")
    with pytest.raises(tutk.AddressError):
        tutk.dissect(CAPTURE, camera="wyze://")
    with pytest.raises(FileNotFoundError):
        tutk.dissect(tmp_path / "none.pcapng")
