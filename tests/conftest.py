"""What every test shares: the event loop that the service runs on."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run async tests as the service runs: on asyncio over uvloop."""
    return "asyncio", {"use_uvloop": True}
