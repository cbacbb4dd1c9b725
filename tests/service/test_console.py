"""The page at ``/``: what is served, how, and what it may never hold.

The law of these tests: they look at what goes over the wire and at what the files say; what the page does is seen in a browser.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from html.parser import HTMLParser
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from redline.testing import serving
from redline.web.console import assets

if TYPE_CHECKING:
    from redline.testing import RunningService

TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
FOLDER = files("redline.web.console").joinpath("assets")
SOURCES = {
    prefix + each.name: each.read_text("utf-8")
    for prefix, folder in (("", FOLDER), ("views/", FOLDER.joinpath("views")))
    for each in folder.iterdir()
    if each.is_file()
}
SCRIPTS = sorted(name for name in SOURCES if name.endswith(".js"))
PATHS = ["/", *(f"/console/{name}" for name in sorted(SOURCES) if name != "index.html")]


class Page(HTMLParser):
    """Every element of the page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(SOURCES["index.html"])
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is not None:
            self.inline += data.strip()


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_goes_out_with_its_type_and_its_policy(redline: RunningService, path: str) -> None:
    answer = await redline.http.get(redline.url + path)
    name = path.removeprefix("/").removeprefix("console/") or "index.html"
    assert answer.status_code == HTTPStatus.OK
    assert answer.text == SOURCES[name]
    assert answer.headers["content-type"] == TYPES[name.rpartition(".")[2]]
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_that_is_known_is_not_sent_again(redline: RunningService, path: str) -> None:
    first = await redline.http.get(redline.url + path)
    tag = first.headers["etag"]
    assert tag == f'"{hashlib.sha256(first.content).hexdigest()[:32]}"'
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await redline.http.get(redline.url + path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (HTTPStatus.NOT_MODIFIED, b"")
        for header in ("etag", "cache-control", "content-security-policy"):
            assert again.headers[header] == first.headers[header]
    other = await redline.http.get(redline.url + path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (HTTPStatus.OK, first.content)


async def test_head_answers_without_the_body(redline: RunningService) -> None:
    answer = await redline.http.head(redline.url + "/")
    assert (answer.status_code, answer.content) == (HTTPStatus.OK, b"")
    assert int(answer.headers["content-length"]) == len(SOURCES["index.html"].encode())


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "index.html",
        "__init__.py",
        "..%2f__init__.py",
        "..%2fassets%2fmain.js",
        "%2e%2e/app.py",
        "main.js%00",
        "",
        "MAIN.JS",
        "views",
        "views/",
        "views/../main.js%00",
        "views/nothing.js",
    ],
)
async def test_nothing_else_is_served(redline: RunningService, name: str) -> None:
    answer = await redline.http.get(f"{redline.url}/console/{name}")
    assert answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}
    assert answer.json()["error"]["code"] in {"not_found", "malformed_request"}


async def test_the_setting_switches_it_off() -> None:
    async with serving({"console": {"enabled": False}}) as service:
        for path in ("/", "/console/main.js"):
            assert (await service.http.get(service.url + path)).status_code == HTTPStatus.NOT_FOUND


def test_everything_in_the_folder_is_served() -> None:
    assert set(assets()) == set(SOURCES) > {"index.html", "page.css", "main.js", "favicon.svg", "views/index.js"}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_file_names_another_host(name: str) -> None:
    text = SOURCES[name].replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert re.findall(r"(?:https?|wss?|ftp)://|[\"'(]\s*//[a-z]", text, re.IGNORECASE) == []
    assert re.findall(r"@import|\burl\(", text) == []


def test_the_page_has_nothing_inline_and_points_at_its_own_files_only() -> None:
    page = Page()
    assert page.inline == ""
    assert "style" not in {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "action", "formaction", "srcdoc"}], tag
        for name in ("src", "href"):
            target = attributes.get(name)
            assert target is None or target.startswith("#") or target.removeprefix("console/") in SOURCES, target
    # Sent by mistake, a form with a name would put the token into the address.
    assert all("name" not in attributes for tag, attributes in page.elements if tag in {"input", "select", "textarea"})
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for reference in ("aria-labelledby", "aria-describedby", "for"):
            assert set((attributes.get(reference) or "").split()) <= set(ids)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_makes_no_markup_and_keeps_nothing_but_where_it_says_so(name: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\b|new Function|"
        r"indexedDB|document\.cookie|pushState|location\.(?:search|assign|replace)|console\.|import\("
    )
    assert re.findall(forbidden, SOURCES[name]) == []
    # A tab's storage may hold a token, where somebody asked for that; what outlives the tab holds the colour scheme.
    allowed = {"session.js": {"sessionStorage", "location.href", "history.replaceState"}, "theme.js": {"localStorage"}}
    used = set(re.findall(r"localStorage|sessionStorage|location\.href|history\.\w+", SOURCES[name]))
    assert used == allowed.get(name, set())


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_its_neighbours_and_finds_its_elements(name: str) -> None:
    imported = re.findall(r"^import .* from '([^']+)';$", SOURCES[name], re.MULTILINE)
    assert len(imported) == len(re.findall(r"^import\b", SOURCES[name], re.MULTILINE))
    for each in imported:
        found = posixpath.normpath(posixpath.join("console", posixpath.dirname(name), each))
        assert found == "redline.js" or found.removeprefix("console/") in SCRIPTS, each
    ids = {attributes.get("id") for _, attributes in Page().elements}
    assert set(re.findall(r"byId\('([^']+)'\)", SOURCES[name])) <= ids


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if name.endswith((".js", ".css"))))
def test_a_file_is_short_enough_to_be_read(name: str) -> None:
    assert len(SOURCES[name].splitlines()) <= 250
