"""The proxies whose configurations are shipped, as a fixture's parameters: ``@pytest.fixture(params=PROXIES)``."""

from __future__ import annotations

import pytest

from tests import caddy, nginx

PROXIES = [
    pytest.param(nginx.fronting, id="nginx", marks=pytest.mark.toolchain("nginx")),
    pytest.param(caddy.fronting, id="caddy", marks=pytest.mark.toolchain("caddy")),
]
"""Each is a :class:`tests.front.Fronting`."""
