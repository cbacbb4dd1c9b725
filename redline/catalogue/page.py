"""``/docs``: the same for people.

The law of this module: the page shows the OpenAPI document and the registry, and nothing else. It is one file without a script, whose only
style stands in it, so that it loads nothing, neither from here nor from another host; whatever a plugin says of itself is text in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from redline.catalogue.control import CONTROL_EVENTS
from redline.catalogue.schema import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from redline.kinds.registry import KindRegistry, RegisteredKind


class Page(NamedTuple):
    """The page, and what its policy allows as its style: the hash of the one it has (CSP 3 §2.3.1, ``hash-source``)."""

    html: bytes
    style: str


def page(openapi: Mapping[str, Any], kinds: KindRegistry) -> Page:
    """Return the page for the OpenAPI document and the kinds that it is about."""
    style = files(__package__).joinpath("page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return Page("\n".join(_page(openapi, kinds, style)).encode("utf-8", "replace"), f"'sha256-{digest}'")


def _page(openapi: Mapping[str, Any], kinds: KindRegistry, style: str) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">'
    yield f'<title>Redline: the API</title>\n<link rel="icon" href="data:,">\n<style>{style}</style>\n</head>\n<body>'
    yield '<a class="skip" href="#main">Skip to the content</a>\n<header>'
    yield f'<h1>Redline <span class="muted">{escape(openapi["info"]["version"])}</span></h1>'
    yield f"<p>{escape(openapi['info']['description'])}</p>"
    yield '<nav aria-label="Sections"><ul>'
    sections = [*(tag["name"] for tag in openapi["tags"]), "kinds", "control", "errors"]
    yield from (f'<li><a href="#{name}">{_heading(name)}</a></li>' for name in sections)
    yield "</ul></nav>"
    yield '<p>For programs: <a href="docs/openapi.json">OpenAPI 3.1</a>, <a href="v1/asyncapi.json">AsyncAPI 3</a>, '
    yield '<a href="v1/types.d.ts">TypeScript</a>, <a href="v1/kinds">the kinds as JSON</a>.</p>\n</header>\n<main id="main">'
    for tag in openapi["tags"]:
        yield from _section(tag["name"], tag["description"])
        for path, methods in openapi["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(openapi, path, method, operation)
        yield "</section>"
    yield from _section("kinds", "What is installed. The payload stands in an event's data." if len(kinds) else "No kind is installed.")
    for kind in kinds:
        yield from _kind(kind)
    yield "</section>"
    yield from _section("control", "What a stream says of itself, besides the events. No kind can have a name that begins with stream.")
    rows = [
        (_code(event.name), escape(event.description), escape(event.event_id or "never"), _code(json.dumps(event.data)))
        for event in CONTROL_EVENTS
    ]
    yield from _table(("event", "meaning", "carries an id", "schema of its data"), rows)
    yield "</section>"
    yield from _section("errors", "Every error is one JSON object, whose message says what to do next.")
    yield from _errors(openapi)
    yield "</section>\n</main>\n</body>\n</html>\n"


def _heading(name: str) -> str:
    return escape({"control": "Control events"}.get(name, name.capitalize()))


def _section(name: str, description: str) -> Iterator[str]:
    yield f'<section aria-labelledby="{escape(name)}">\n<h2 id="{escape(name)}">{_heading(name)}</h2>\n<p>{escape(description)}</p>'


def _operation(openapi: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<article id="{escape(operation["operationId"])}-operation">\n<h3>{_code(f"{method.upper()} {path}")}</h3>'
    yield f"<p>{escape(operation['summary'])}. {escape(operation.get('description', ''))}</p>"
    ways = [name for requirement in operation["security"] for name in requirement]
    shown = {"bearer": "<code>Authorization: Bearer</code>", "ticket": "<code>?ticket=</code>", "token": "<code>?token=</code>"}
    yield f"<p>Credential: {' or '.join(shown[way] for way in ways) or 'none'}.</p>"
    if parameters := operation.get("parameters"):
        rows = [(_code(each["name"]), escape(each["in"]), escape(each["description"]), _values(each["schema"])) for each in parameters]
        yield "<h4>Parameters</h4>"
        yield from _table(("name", "in", "meaning", "values"), rows)
    if body := operation.get("requestBody"):
        bodies = [(_code(media_type), _schema(content["schema"])) for media_type, content in body["content"].items()]
        yield "<h4>Body</h4>"
        yield from _table(("type", "holds"), bodies)
    yield "<h4>Answers</h4>"
    answers = []
    for status, response in operation["responses"].items():
        found = openapi["components"]["responses"][response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        types = ", ".join(_code(media_type) for media_type in found.get("content", {}))
        answers.append((_code(status), escape(found["description"]).replace("\n", "<br>"), types or "no body"))
    yield from _table(("status", "when", "type"), answers)
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            if "example" in content:
                yield f"<h4>Example</h4>\n{_pre(content['example'])}"
    yield "</article>"


def _kind(kind: RegisteredKind) -> Iterator[str]:
    policy = kind.policy
    yield f'<article id="{escape(kind.name)}">\n<h3>{_code(kind.name)} {escape(policy.title)}</h3>\n<p>{escape(policy.description)}</p>'
    scope = f"; readers need the scope {_code(policy.scope)}" if policy.scope else ""
    brought = f"{escape(kind.distribution)} {escape(kind.distribution_version)}"
    yield f'<p class="muted">Version {escape(policy.version)}, from {brought}; at most {policy.max_bytes:,} bytes{scope}.</p>'
    if policy.example is not None:
        yield f"<h4>Example</h4>\n{_pre(json.dumps(policy.example, indent=2, ensure_ascii=False, default=dict))}"
    schema = json.dumps(parsed(kind.schema_json), indent=2, ensure_ascii=False)
    yield f"<details><summary>JSON Schema of <code>{escape(kind.name)}</code></summary>\n{_pre(schema)}</details>\n</article>"


def _errors(openapi: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for name, response in openapi["components"]["responses"].items():
        for line in response["description"].split("\n"):
            code, _, text = line.partition(": ")
            rows.append((_code(code), escape(name.removeprefix("Error")), escape(text)))
    yield from _table(("code", "status", "when"), rows)
    yield "<h4>Schema</h4>"
    yield _pre(json.dumps(openapi["components"]["schemas"]["Error"], indent=2))


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a table; ``rows`` are markup already. What scrolls must be reachable by keyboard."""
    yield (
        '<div class="scroll" tabindex="0"><table>\n<thead><tr>'
        + "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
        + "</tr></thead>\n<tbody>"
    )
    for first, *others in rows:
        yield f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
    yield "</tbody></table></div>"


def _values(schema: Mapping[str, Any]) -> str:
    return " or ".join(_code(value) for value in schema.get("enum", ())) or "text"


def _schema(schema: Mapping[str, Any]) -> str:
    if schema.get("$ref", "").endswith("/PublishEvent"):
        members = _code('{"kind": …, "data": …, "org"?: …, "key"?: …, "at"?: …}')
        return f'One event: {members}, its data as <a href="#kinds">its kind</a> says.'
    return escape(schema.get("description", ""))


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _pre(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
