"""Names that are looked up: nobody waits for what nobody wants any more, and the process can end."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from redline.web.loop import MOST_LOOKUPS, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS: list[Any] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]


class Resolver:
    """The system's lookup, held up until it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked = threading.Semaphore(0)

    def __call__(self, *_: object, **__: object) -> list[Any]:
        self.asked.release()
        self.go_on.wait()
        return ADDRESS


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    held = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", held)
    yield held
    held.go_on.set()
    for thread in threading.enumerate():
        if thread.name == "redline-lookup":
            thread.join()


def lookup() -> asyncio.Task[Any]:
    return asyncio.create_task(asyncio.get_running_loop().getaddrinfo("id.example", 443))


async def begun(resolver: Resolver, times: int) -> None:
    for _ in range(times):
        await asyncio.to_thread(resolver.asked.acquire)


async def called_off(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_lookup_that_does_not_end_does_not_hold_the_end(resolver: Resolver) -> None:
    async def main() -> str:
        task = lookup()
        await begun(resolver, 1)
        await called_off(task)
        return "done"

    assert run(main()) == "done"
    assert not resolver.go_on.is_set()


def test_what_fetches_a_document_looks_names_up_so(resolver: Resolver) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(timeout=None, trust_env=False) as client:  # noqa: S113 - called off below
            task = asyncio.create_task(client.get("https://id.example/"))
            await begun(resolver, 1)
            await called_off(task)

    run(main())
    assert not resolver.go_on.is_set()


def test_the_answer_arrives_and_so_does_an_error(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        resolver.go_on.set()
        assert await lookup() == ADDRESS

        def fail(*_: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(socket.gaierror, match="no such name"):
            await lookup()

    run(main())


def test_there_is_a_bound_to_what_nobody_waits_for(resolver: Resolver) -> None:
    async def main() -> None:
        tasks = [lookup() for _ in range(MOST_LOOKUPS)]
        await begun(resolver, MOST_LOOKUPS)
        await called_off(*tasks)
        with pytest.raises(socket.gaierror, match="too many names"):
            await lookup()

    run(main())
