"""Paging the log for one reader whose history has left this node's memory.

The law of this module: it is the only thing about a reader that waits, and it holds no more than one page while it does, which it shares
with whoever reads the same. It ends when the cursor is within the recent history again, when the reader cannot take more, or when the log
cannot give more.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from redline.broker.agenda import State
from redline.broker.page import paginate
from redline.broker.topic import LOST
from redline.errors import RedlineError
from redline.eventlog.contract import EvictedError

if TYPE_CHECKING:
    from redline.broker.admission import Terms
    from redline.broker.pages import Pages
    from redline.broker.subscription import Subscription
    from redline.broker.topic import Topic

_logger = logging.getLogger(__name__)

_TOLD = frozenset({"log_unavailable", "over_capacity", "rate_limited"})
"""The errors of a log that are a reason of ``stream.closing`` by their own code."""


async def replay_from_log(subscription: Subscription, pages: Pages, topic: Topic, terms: Terms, page_bytes: int) -> None:
    """Send ``pages`` to ``subscription`` and tell it how that ended, unless it was cancelled: whoever cancels knows."""
    reason: str | None = None
    try:
        with pages:
            await _page(subscription, pages, topic, terms, page_bytes)
    except EvictedError:
        reason = LOST if topic.lost else "slow_subscriber"
    except RedlineError as error:
        reason = error.code if error.code in _TOLD else "internal"
    except Exception:
        _logger.exception("Paging the event log failed; the stream is closed, and its reader resumes.")
        reason = "internal"
    subscription.replayed(reason)


async def _page(subscription: Subscription, pages: Pages, topic: Topic, terms: Terms, page_bytes: int) -> None:
    while subscription.state is State.CATCHING and subscription.cursor < topic.recent_floor:
        # Not beyond what is flushed: the log may be ahead of what this node was told, and what a reader has by then it would get twice.
        goal = (terms.until or topic.flushed).position
        if subscription.cursor >= goal:
            return
        if subscription.cursor < topic.floor:
            raise EvictedError  # the page may be from before that
        page_of_log = await pages.after(topic, subscription.cursor)
        if topic.lost:
            return  # The same position may be another event by now. The subscription closes when it goes on.
        framed = [one for one in page_of_log if one.position <= goal]
        if not framed:
            # There was something between the cursor and the goal; so it is not to be had any more.
            raise EvictedError
        while (page := paginate(framed, terms.wanted, page_bytes)) is not None:
            subscription.send(page)
            framed = [one for one in framed if one.position > page.end.position]
            # A replay shares the loop with live readers; and here it ends when the write has filled the connection.
            await asyncio.sleep(0)
