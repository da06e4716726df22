"""A session with a camera."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

from tutk._tutk import Frame, Session


class Camera:
    """A session with a camera. It starts to connect at once. All cameras share one thread of the package.

    Iterate over it to get the frames, with ``for`` or ``async for``. The iteration ends after `close`. If the
    session fails, it raises `SessionError`. Up to 1024 frames wait for a slow program. Then frames are dropped up
    to the next key frame.

    Frames must be read by one thread or task at a time. The other methods may be called by any.
    """

    def __init__(
        self, url: str, *, video: bool = True, audio: bool = False, reconnect: bool = False
    ) -> None:
        """Connects to ``wyze://HOST?uid=…&enr=…&mac=…``.

        Without a host, the camera is searched for by its UID. With `reconnect`, a session that fails is followed
        by another, and frames continue with a key frame. There is no retry if the first session fails before the
        camera has authenticated the client.
        """
        self._session = Session(url, video=video, audio=audio, reconnect=reconnect)
        self._waiting: asyncio.Future[None] | None = None

    def next_frame(self, timeout: float | None = None) -> Frame | None:
        """Waits for the next frame. Returns `None` after `close`.

        Raises `TimeoutError` after `timeout` seconds, and `SessionError` if the session failed.
        """
        return self._session.next_frame(timeout)

    async def next_frame_async(self) -> Frame | None:
        """As `next_frame`. If it is cancelled, no frame is lost."""
        while True:
            try:
                return self._session.try_next_frame()
            except BlockingIOError:
                # A wait that was cancelled goes on, and the next one joins it.
                waiting = self._waiting
                if (
                    waiting is None
                    or waiting.done()
                    or waiting.get_loop() is not asyncio.get_running_loop()
                ):
                    waiting = self._waiting = _start(self._session.wait_frame)
                await asyncio.shield(waiting)

    def get(self, control: str) -> Any:
        """Reads a control of the camera, for example ``night-vision``. `controls` lists all of them.

        Waits until the session is authenticated, and raises `SessionError` if it fails before. Raises
        `CommandError` if the camera does not answer.
        """
        return json.loads(self._session.command(control, []))

    async def get_async(self, control: str) -> Any:
        """As `get`."""
        return await self._command_async(control, [])

    def set(self, control: str, *values: str | int) -> None:
        """Sets a control of the camera, or runs an action. Raises as `get`."""
        self._session.command(control, [str(value) for value in values])

    async def set_async(self, control: str, *values: str | int) -> None:
        """As `set`."""
        await self._command_async(control, [str(value) for value in values])

    def close(self) -> None:
        """Closes the session, and waits for up to 3 s until the camera is informed."""
        self._session.close()

    async def close_async(self) -> None:
        """As `close`."""
        await _start(self._session.start_close)

    def stop(self) -> None:
        """Closes the session, and returns at once. The iteration ends after the frames received so far."""
        self._session.stop()

    async def _command_async(self, control: str, values: list[str]) -> Any:
        answer = await _start(
            lambda callback: self._session.start_command(control, values, callback)
        )
        return json.loads(answer)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        frame = self.next_frame()
        if frame is None:
            raise StopIteration
        return frame

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        frame = await self.next_frame_async()
        if frame is None:
            raise StopAsyncIteration
        return frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_async()


def _start(start: Callable[[Callable[[Any, BaseException | None], None]], Any]) -> asyncio.Future[Any]:
    """Starts a function of the native part, which calls back from its thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def finish(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def callback(result: Any, error: BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(finish, result, error)
        except RuntimeError:
            # The loop is closed, so nothing waits.
            pass

    start(callback)
    return future
