"""TUTK/IOTC cameras: video, audio, commands, discovery and captures.

>>> for frame in tutk.Camera("wyze://192.0.2.7?uid=…&enr=…&mac=…"):
...     print(frame.codec, frame.timestamp, len(frame.data))
"""

from tutk._camera import Camera
from tutk._capture import dissect, dissect_datagram, dissect_text
from tutk._commands import controls, describe_answer, parse_url, request
from tutk._discovery import DiscoveredCamera, discover, discover_async
from tutk._simulator import SimulatedCamera
from tutk._tutk import (
    AddressError,
    CaptureError,
    CommandError,
    Error,
    Frame,
    SessionError,
    __version__,
)

__all__ = [
    "AddressError",
    "Camera",
    "CaptureError",
    "CommandError",
    "DiscoveredCamera",
    "Error",
    "Frame",
    "SessionError",
    "SimulatedCamera",
    "__version__",
    "controls",
    "describe_answer",
    "discover",
    "discover_async",
    "dissect",
    "dissect_datagram",
    "dissect_text",
    "parse_url",
    "request",
]
