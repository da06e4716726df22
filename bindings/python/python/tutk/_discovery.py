"""Discovery."""

import asyncio
from dataclasses import dataclass

from tutk import _tutk


@dataclass(frozen=True)
class DiscoveredCamera:
    """A camera that answered."""

    address: str
    """The IP address and port."""
    uid: str
    """The UID in the answer."""
    dialect: str
    """The dialect of the answer."""
    round_trip: float
    """The time from the request to the answer in seconds."""


def discover(timeout: float = 2.0, *, target: str | None = None) -> list[DiscoveredCamera]:
    """Searches for cameras for some seconds, by broadcast in every network of this machine.

    With `target`, such as ``192.0.2.7:32761``, only this address is asked. Cameras that answer in several
    dialects are listed once for each.
    """
    return [DiscoveredCamera(*found) for found in _tutk.discover(timeout, target)]


async def discover_async(
    timeout: float = 2.0, *, target: str | None = None
) -> list[DiscoveredCamera]:
    """As `discover`."""
    return await asyncio.to_thread(discover, timeout, target=target)
