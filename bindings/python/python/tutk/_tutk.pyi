"""The native part of the package. Use the package instead."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, final


__all__ = [
    "AddressError",
    "CaptureError",
    "CommandError",
    "Dissection",
    "Error",
    "Frame",
    "Session",
    "SessionError",
    "SimulatedCamera",
    "__version__",
    "controls",
    "describe_answer",
    "discover",
    "dissect_datagram",
    "parse_url",
    "request",
]

__version__: str

class Error(Exception):
    """An error of this package."""

class AddressError(Error):
    """A camera's address or keys are malformed."""

class CaptureError(Error):
    """A file is not a capture, or is damaged."""

class CommandError(Error):
    """A command is invalid, was not answered, or was not confirmed."""

class SessionError(Error):
    """A session failed."""

    kind: Literal["silent", "refused", "interrupted", "system"]
    """The kind of the failure. The camera does not answer, it refused, or the stream was interrupted."""
    phase: str | None
    """The phase in which the session failed."""
    advice: str | None
    """What the user can do."""

@final
class Frame:
    """A frame of video or audio.

    It has the buffer protocol, so that ``bytes(frame)`` and ``memoryview(frame)`` work. A view copies
    nothing, and keeps the frame alive.
    """

    @property
    def data(self) -> memoryview:
        """The bytes of the frame, not copied. Video is Annex B."""
    @property
    def codec(self) -> str | None:
        """The codec, such as ``h264``, ``h265``, ``aac`` or ``pcmu``."""
    @property
    def is_key(self) -> bool:
        """``True`` for a video frame that can be decoded without others."""
    @property
    def is_audio(self) -> bool:
        """``True`` for audio."""
    @property
    def timestamp(self) -> float:
        """The time in seconds since the first frame. It never decreases within a stream."""
    @property
    def time(self) -> float:
        """The time in seconds since 1970."""
    @property
    def number(self) -> int:
        """The number of the frame in its session."""
    @property
    def discontinuity(self) -> bool:
        """``True`` for the first frame of a stream after an interruption."""
    @property
    def sample_rate(self) -> int | None:
        """The samples of audio a second, if they are known."""
    @property
    def channels(self) -> int | None:
        """The channels of audio, if they are known."""
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Session:
    def __new__(cls, url: str, *, video: bool, audio: bool, reconnect: bool) -> Session: ...
    def next_frame(self, timeout: float | None = None) -> Frame | None: ...
    def try_next_frame(self) -> Frame | None: ...
    def wait_frame(self, callback: Callable[[None, BaseException | None], Any]) -> None: ...
    def command(self, control: str, values: Sequence[str]) -> str: ...
    def start_command(
        self,
        control: str,
        values: Sequence[str],
        callback: Callable[[str | None, BaseException | None], Any],
    ) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def start_close(self, callback: Callable[[None, BaseException | None], Any]) -> None: ...

@final
class Dissection:
    def __new__(cls, capture: bytes, *, key_logs: Sequence[bytes], cameras: Sequence[str]) -> Dissection: ...
    def next_json(self) -> str | None: ...
    def next_text(self) -> str | None: ...

@final
class SimulatedCamera:
    def __new__(
        cls,
        video: bytes,
        *,
        audio: bytes | None,
        fps: int,
        uid: str,
        enr: str,
        mac: str,
        frames: int | None,
        listen: str,
    ) -> SimulatedCamera: ...
    @property
    def address(self) -> str: ...
    def close(self) -> None: ...

def parse_url(url: str) -> str: ...
def controls() -> str: ...
def request(control: str, values: Sequence[str], *, model: str | None, unix_millis: int) -> str: ...
def describe_answer(control: str, values: Sequence[str], payload: bytes) -> str: ...
def dissect_datagram(source: str, destination: str, data: bytes) -> str | None: ...
def discover(timeout: float, target: str | None) -> list[tuple[str, str, str, float]]: ...
