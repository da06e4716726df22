"""A simulated camera, for tests."""

import os
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tutk import _tutk


class SimulatedCamera:
    """A simulated camera on this machine. Use it as a context manager, or `close` it.

    It was written from the same documents as the client. That they agree does not show that a real camera
    behaves the same way.
    """

    def __init__(
        self,
        video: str | os.PathLike[str] | bytes,
        *,
        audio: bytes | None = None,
        fps: int = 20,
        frames: int | None = None,
        uid: str = "HSBJYB5HSETGCDWD111A",
        enr: str = "aKzdqckqZ8HUHFe5",
        mac: str = "AABBCCDDEEFF",
        listen: str = "127.0.0.1:0",
    ) -> None:
        """Starts the camera.

        `video` is a file with H.264 or H.265 in Annex B, or its content. The camera repeats it. `audio` is G.711
        µ-law with 8000 samples a second. After `frames` video frames, the camera ends a session.
        """
        data = video if isinstance(video, bytes) else Path(video).read_bytes()
        self._camera = _tutk.SimulatedCamera(
            data,
            audio=audio,
            fps=fps,
            uid=uid,
            enr=enr,
            mac=mac,
            frames=frames,
            listen=listen,
        )
        self._keys = f"uid={quote(uid)}&enr={quote(enr, safe='')}&mac={quote(mac)}"

    @property
    def address(self) -> str:
        """The IP address and port."""
        return self._camera.address

    @property
    def url(self) -> str:
        """The address for `Camera`."""
        return f"wyze://{self.address}?{self._keys}"

    def close(self) -> None:
        """Ends all sessions, and stops the camera."""
        self._camera.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
