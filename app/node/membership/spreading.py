"""Bring a signed list to several PCs at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.identity.short_name import short_name
from app.identity.trust import Member
from app.schema.errors import CaravanError
from app.schema.record import NodeId

logger = logging.getLogger("caravan.membership")

Send = Callable[[NodeId, bytes], Awaitable[None]]


async def spread(send: Send, text: bytes, to: tuple[Member, ...], seconds: float) -> tuple[str, ...]:
    """Send `text` to all of them at once; names who did not take it within `seconds`."""
    took = await asyncio.gather(*(_bring(send, member.node, text, seconds) for member in to))
    return tuple(member.name for member, taken in zip(to, took, strict=True) if not taken)


async def _bring(send: Send, node: NodeId, text: bytes, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await send(node, text)
    except (CaravanError, TimeoutError) as error:
        logger.debug("%s was not told: %r", short_name(node), error)
        return False
    return True
