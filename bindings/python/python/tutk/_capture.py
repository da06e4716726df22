"""Captures."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tutk import _tutk


def dissect(
    capture: str | os.PathLike[str] | bytes,
    *,
    keys: str | os.PathLike[str] | bytes | None = None,
    camera: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Dissects a pcap or pcapng file, given by its path or content.

    Yields ``{"packet": …}`` for each packet of the protocol, then ``{"session": …}`` for each session, as
    ``tutk dissect --json`` prints them. `keys` is a key log in SSLKEYLOGFILE format, and `camera` the address of a
    camera whose keys are used. A capture of ``tutk record`` contains its keys.

    Raises `CaptureError` if the file is not a capture or is damaged.
    """
    return _lines(_dissection(capture, keys, camera))


def dissect_text(
    capture: str | os.PathLike[str] | bytes,
    *,
    keys: str | os.PathLike[str] | bytes | None = None,
    camera: str | None = None,
) -> Iterator[str]:
    """As `dissect`, but yields one line of text for each packet."""
    return iter(_dissection(capture, keys, camera).next_text, None)


def dissect_datagram(source: str, destination: str, data: bytes) -> dict[str, Any] | None:
    """Dissects a UDP datagram, as the first one of a capture. Returns the value of ``packet``.

    The addresses are such as ``192.0.2.7:32761``. Returns `None` if the datagram is not of the protocol.
    """
    packet = _tutk.dissect_datagram(source, destination, data)
    return None if packet is None else json.loads(packet)


def _dissection(
    capture: str | os.PathLike[str] | bytes,
    keys: str | os.PathLike[str] | bytes | None,
    camera: str | None,
) -> _tutk.Dissection:
    key_logs = [] if keys is None else [_read(keys)]
    cameras = [] if camera is None else [camera]
    return _tutk.Dissection(_read(capture), key_logs=key_logs, cameras=cameras)


def _lines(dissection: _tutk.Dissection) -> Iterator[dict[str, Any]]:
    while (line := dissection.next_json()) is not None:
        yield json.loads(line)


def _read(file: str | os.PathLike[str] | bytes) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()
