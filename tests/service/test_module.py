"""``/redline.js``: what is served, to whom, and what of it is sent again.

The law of these tests: they look at what goes over the wire; what the module does is seen in Node (tests/js) and a browser (tests/browser).
"""

from __future__ import annotations

import re
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sanic import Sanic

import redline
from redline.settings import load_settings
from redline.testing import serving
from redline.web.module import scripts
from redline.web.server import running

if TYPE_CHECKING:
    from redline.testing import RunningService

PATHS = ["/redline.js", "/redline.d.ts", "/redline/connection.js", "/redline/stream.js"]
TYPES = {"js": "text/javascript; charset=utf-8", "ts": "application/typescript; charset=utf-8"}
PAGE = "https://app.example"


def source(path: str) -> str:
    """Return a file of the module as the package has it."""
    return files("redline.web.module").joinpath(*path.strip("/").split("/")).read_text("utf-8")


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_is_for_pages_of_every_origin(redline: RunningService, path: str) -> None:
    answer = await redline.http.get(redline.url + path, headers={"Origin": PAGE})
    assert answer.status_code == HTTPStatus.OK
    assert answer.text == source(path)
    assert answer.headers["content-type"] == TYPES[path.rpartition(".")[2]]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_that_is_known_is_not_sent_again(redline: RunningService, path: str) -> None:
    first = await redline.http.get(redline.url + path)
    assert first.headers["cache-control"] == "no-cache"
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await redline.http.get(redline.url + path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (HTTPStatus.NOT_MODIFIED, b"")
        assert again.headers["etag"] == etag
        assert again.headers["access-control-allow-origin"] == "*"
    changed = await redline.http.get(redline.url + path, headers={"If-None-Match": '"other"'})
    assert changed.status_code == HTTPStatus.OK


@pytest.mark.parametrize("path", PATHS)
async def test_a_head_has_no_body(redline: RunningService, path: str) -> None:
    answer = await redline.http.head(redline.url + path)
    assert (answer.status_code, answer.content) == (HTTPStatus.OK, b"")
    assert answer.headers["content-length"] == str(len(source(path).encode()))


async def test_it_is_served_also_without_the_console() -> None:
    async with serving({"console": {"enabled": False}}) as service:
        for path in PATHS:
            assert (await service.http.get(service.url + path)).status_code == HTTPStatus.OK


@pytest.mark.parametrize("origin", [PAGE, "https://stranger.example"])
async def test_a_list_of_origins_does_not_keep_the_module_from_anybody(origin: str) -> None:
    async with serving({"cors": {"origins": [PAGE]}}) as service:
        answer = await service.http.get(f"{service.url}/redline.js", headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] in {"*", origin}


@pytest.mark.parametrize("name", ["", "nothing.js", "__init__.py", "redline.js", "..%2fredline.js", "%2e%2e/redline.js", "stream.js%00"])
async def test_nothing_else_is_served(redline: RunningService, name: str) -> None:
    answer = await redline.http.get(f"{redline.url}/redline/{name}")
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated:DeprecationWarning")  # the import of a server that Sanic brings along
async def test_it_is_served_under_a_prefix_of_somebodys_own() -> None:
    app: Sanic[Any, Any] = Sanic("somebody-s", configure_logging=False)
    settings = load_settings(None, {}, {"auth": {"secret": "s" * 48}, "port": 0})
    app.config.TOUCHUP = False  # it would rewrite methods of Sanic for all applications of this process
    redline.attach(app, settings, url_prefix="/live")
    async with running(app, settings) as url, httpx.AsyncClient() as http:
        for path in PATHS:
            answer = await http.get(f"{url}/live{path}")
            assert (answer.status_code, answer.text) == (HTTPStatus.OK, source(path))


def test_what_the_module_imports_is_served_beside_it() -> None:
    served = scripts()
    for path, script in served.items():
        folder = path.rpartition("/")[0]
        for imported in re.findall(r"from '([^']+)'", re.sub(r"//.*", "", script.body.decode())):
            assert imported.startswith("./")
            assert f"{folder}/{imported[2:]}" in served


def test_the_types_name_what_the_module_exports() -> None:
    exported = set(re.findall(r"^export (?:const|class|function) (\w+)", source("/redline.js"), re.MULTILINE))
    typed = set(re.findall(r"^export declare (?:const|class|function) (\w+)", source("/redline.d.ts"), re.MULTILINE))
    assert exported == typed == {"openStream"}
