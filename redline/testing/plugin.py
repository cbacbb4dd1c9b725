"""The pytest plugin: fixtures for suites that test a product with Redline in it.

The law of this module: pytest loads it in every suite of an environment where Redline is installed, so it imports nothing but pytest; what
a fixture needs is imported when a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from redline.discovery import EntryPointSource
    from redline.testing.clock import MovableClock
    from redline.testing.finite import FiniteApp
    from redline.testing.live import LiveService
    from redline.testing.remote import LiveStream


@pytest.fixture
def redline_settings() -> Mapping[str, object]:
    """Give the service settings, nested as in its TOML file. Override this fixture to change them."""
    return {}


@pytest.fixture
def redline_plugins() -> EntryPointSource:
    """Give the service its kinds: what is installed. Override this fixture for kinds that are not."""
    from redline.discovery import installed  # noqa: PLC0415 - the law of this module

    return installed


@pytest.fixture
def redline_clock() -> MovableClock:
    """Give the service its time: the machine's, which a test can push ahead. Override it with a ManualClock, which stands still."""
    from redline.testing.clock import TravelClock  # noqa: PLC0415 - the law of this module

    return TravelClock()


@pytest.fixture
def redline_service(
    redline_settings: Mapping[str, object], redline_plugins: EntryPointSource, redline_clock: MovableClock
) -> Iterator[LiveService]:
    """Run a service on a free port, for plain and for async tests; see :class:`redline.testing.LiveService`."""
    from redline.testing.live import live_service  # noqa: PLC0415 - the law of this module

    with live_service(redline_settings, plugins=redline_plugins, clock=redline_clock) as service:
        yield service


@pytest.fixture
def redline_token(redline_service: LiveService) -> Callable[..., str]:
    """Make tokens: ``redline_token("acme", scope="stream:read", ttl=60, kinds=["run.*"])``."""
    return redline_service.token


@pytest.fixture
def redline_publish(redline_service: LiveService) -> Callable[..., str]:
    """Publish events: ``redline_publish("run.stage", {...}, org="acme")`` returns the id."""
    return redline_service.publish


@pytest.fixture
def redline_stream(redline_service: LiveService) -> Callable[..., LiveStream]:
    """Open streams: ``redline_stream("acme", kinds="run.*").collect(until="run.stage")``."""
    return redline_service.stream


@pytest.fixture
def redline_app(redline_settings: Mapping[str, object], redline_plugins: EntryPointSource, redline_clock: Any) -> Iterator[FiniteApp]:  # noqa: ANN401 - any clock
    """Make an application for sanic-testing's clients; see :class:`redline.testing.FiniteApp`."""
    from redline.testing.finite import finite_app  # noqa: PLC0415 - the law of this module

    with finite_app(redline_settings, plugins=redline_plugins, clock=redline_clock) as app:
        yield app
