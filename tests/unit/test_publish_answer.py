"""The answer to a publish has the headers that Sanic would have sent, and costs none of its cleaning."""

from __future__ import annotations

from typing import NoReturn

import pytest
from sanic.response import HTTPResponse

from redline.web import events


def _answer(**more: str) -> HTTPResponse:
    """Return an answer as Sanic has it when it is about to be sent."""
    answer = events._json({"valid": True}, 200)  # noqa: SLF001 - what the route answers with
    answer.headers.update({"content-length": len(answer.body or b""), "connection": "keep-alive", **more})
    return answer


@pytest.mark.parametrize("more", [{}, {"vary": "Origin"}], ids=["alone", "with CORS"])
def test_the_headers_are_those_that_sanic_would_send(more: dict[str, str]) -> None:
    answer = _answer(**more)
    sent = sorted(answer.processed_headers)
    theirs = HTTPResponse(answer.body, content_type=answer.content_type, headers=dict(answer.headers))
    assert sent == sorted(theirs.processed_headers)
    assert len(sent) == 3 + len(more)


def test_nothing_of_them_is_cleaned_where_there_are_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def clean(value: str) -> NoReturn:
        raise AssertionError(value)

    monkeypatch.setattr(HTTPResponse, "_sanitize_header_value", staticmethod(clean))
    assert len(list(_answer().processed_headers)) == 3
