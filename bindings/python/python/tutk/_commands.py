"""The catalogue of commands, and addresses."""

import json
import time
from typing import Any

from tutk import _tutk


def controls() -> list[dict[str, Any]]:
    """Returns the catalogue of commands: their names, summaries, codes and values."""
    controls: list[dict[str, Any]] = json.loads(_tutk.controls())
    return controls


def request(
    control: str, *values: str | int, model: str | None = None, unix: float | None = None
) -> dict[str, Any]:
    """Encodes the request that reads a control, or sets it if there are values.

    Returns its ``code`` and, in hexadecimal digits, its ``payload``. `unix` is the time for the value ``now``.
    """
    millis = round((time.time() if unix is None else unix) * 1000)
    texts = [str(value) for value in values]
    encoded: dict[str, Any] = json.loads(
        _tutk.request(control, texts, model=model, unix_millis=millis)
    )
    return encoded


def describe_answer(control: str, *values: str | int, payload: bytes) -> Any:
    """Converts the payload of the answer to `request` to the value read, or ``"done"``."""
    return json.loads(_tutk.describe_answer(control, [str(value) for value in values], payload))


def parse_url(url: str) -> dict[str, Any]:
    """Parses a camera's address, without its secrets. Raises `AddressError`."""
    parsed: dict[str, Any] = json.loads(_tutk.parse_url(url))
    return parsed
