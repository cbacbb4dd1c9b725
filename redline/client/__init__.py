"""The Python client: publish with retries, subscribe with resume.

The law of this package: a caller gets each event once and in order, or is told that it cannot be so; and nothing that goes wrong shows a
token. It speaks the public contract over HTTP and shares no code with the service. :class:`Client` is for programs with an event loop;
:class:`SyncClient` publishes from those without one.
"""

from redline.client.blocking import SyncClient
from redline.client.client import Client
from redline.client.errors import BadAnswer, ClientError, Refused, StreamEnded, Unreachable
from redline.client.events import Event, NewEvent, Published
from redline.client.retry import Retry
from redline.client.tickets import Ticket

__all__ = [
    "BadAnswer",
    "Client",
    "ClientError",
    "Event",
    "NewEvent",
    "Published",
    "Refused",
    "Retry",
    "StreamEnded",
    "SyncClient",
    "Ticket",
    "Unreachable",
]
