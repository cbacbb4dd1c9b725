"""An always-on product in one file: it watches vendors' prices, and its pages follow along over Redline, in the same process.

Run it with ``REDLINE_AUTH__SECRET`` set: ``python tests/examples/price_watch.py PORT [WORKERS]``. Its own routes are ``/watches`` and
``POST /watches/VENDOR/checks``; Redline's stand under ``/live``. It has an error format, a body limit and an access log of its own.
"""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sanic import Request, Sanic
from sanic.handlers import ErrorHandler
from sanic.response import HTTPResponse, json, text

import redline

if TYPE_CHECKING:
    from redline.settings import Settings

NAME = "PriceWatch"


class OwnErrors(ErrorHandler):
    """How this product says that something went wrong."""

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """Answer in plain words."""
        del request
        return text(f"Sorry: {type(exception).__name__}", status=getattr(exception, "status_code", 500))


def create_app(settings: Settings | None = None) -> Sanic[Any, Any]:
    """Return the product; Redline's settings come from the environment where none are given."""
    app: Sanic[Any, Any] = Sanic(NAME, error_handler=OwnErrors())
    app.config.REQUEST_MAX_SIZE = 4_000_000
    publisher = redline.attach(app, settings, url_prefix="/live").publisher
    checks = itertools.count(1)

    @app.get("/watches")
    async def watches(request: Request) -> HTTPResponse:
        del request
        return json({"watches": ["stripe", "plaid"]})

    @app.post("/watches/<vendor:str>/checks")
    async def check(request: Request, vendor: str) -> HTTPResponse:
        """Look at a vendor's page, telling every open page of the org how far that is."""
        number = next(checks)
        stage = {"runId": f"run_{number}", "vendorId": vendor, "stage": "fetching", "attempt": 1}
        started = await publisher.publish("acme", "run.stage", {**stage, "status": "started", "progress": 0}, key=f"run_{number}/started")
        size = len(request.body)
        answers = await publisher.publish_many(
            "acme",
            [
                {"kind": "run.stage", "data": {**stage, "status": "succeeded", "progress": 1}, "at": datetime.now(UTC)},
                {"kind": "run.stage", "data": {**stage, "status": "no such status", "progress": 1}},
            ],
        )
        return json({"started": started.id, "bytes": size, "answers": [getattr(answer, "code", "published") for answer in answers]})

    @app.get("/fault")
    async def fault(request: Request) -> HTTPResponse:
        raise LookupError(request.path)

    @app.after_server_start
    async def ready(app: Sanic[Any, Any]) -> None:
        print(f"{app.name} is open", flush=True)  # noqa: T201 - for whoever started it

    return app


if __name__ in {"__main__", "__mp_main__"}:  # the second is how Sanic's worker processes come by the application
    app = create_app()

if __name__ == "__main__":
    port, workers = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    app.run("127.0.0.1", port, workers=workers or 1, single_process=workers == 0, access_log=True, motd=False)
