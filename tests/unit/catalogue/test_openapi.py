"""The OpenAPI document and the page that shows it.

The law of these tests: the document is valid OpenAPI 3.1 whatever is installed, and the page names no other host and runs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from random import Random
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from redline import Policy, errors
from redline.catalogue.openapi import openapi
from redline.catalogue.page import page
from redline.kinds.registry import KindRegistry, load_kinds
from tests.catalogue.kit import HOSTILE, registered, registry, terminating_schema

VOID = {"meta", "link", "br"}


def any_kinds() -> KindRegistry:
    random = Random(9)
    return registry({f"any.n{number}": terminating_schema(random) for number in range(60)})


def hostile_kinds() -> KindRegistry:
    policy = Policy(title=HOSTILE, description="half a character: \ud800 " + HOSTILE, version=HOSTILE, example={HOSTILE: HOSTILE})
    return KindRegistry([registered("odd.words", {"title": HOSTILE, "description": HOSTILE}, policy)])


INSTALLED = {"six": load_kinds, "none": KindRegistry, "any": any_kinds, "hostile": hostile_kinds}


@pytest.mark.parametrize("kinds", INSTALLED.values(), ids=INSTALLED)
def test_the_document_is_valid(kinds: Any) -> None:  # noqa: ANN401 - a function that makes a registry
    document = openapi(kinds(), "1.2.3")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", "1.2.3")


def test_the_validator_refuses_what_is_wrong() -> None:
    document = openapi(load_kinds(), "1")
    del document["paths"]["/v1/kinds/{kind}"]["get"]["parameters"][0]
    assert list(OpenAPIV31SpecValidator(document).iter_errors())


def test_what_is_published_is_a_union_of_all_kinds() -> None:
    kinds = load_kinds()
    document = openapi(kinds, "1")
    body = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "application/x-ndjson"}
    union = document["components"]["schemas"][body["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    assert union["discriminator"]["propertyName"] == "kind"
    assert list(union["discriminator"]["mapping"]) == list(kinds.names())
    for (kind, place), member in zip(union["discriminator"]["mapping"].items(), union["oneOf"], strict=True):
        assert member == {"$ref": place}
        schema = document["components"]["schemas"][place.rpartition("/")[2]]
        assert schema["properties"]["kind"]["const"] == kind
        assert schema["properties"]["data"] == {"$ref": f"#/components/schemas/{kind}"}


def test_every_error_of_the_service_is_documented() -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.RedlineError)]
    document = openapi(KindRegistry(), "1")
    error = document["components"]["schemas"]["Error"]["properties"]["error"]
    assert set(error["properties"]["code"]["enum"]) == {each.code for each in classes}
    assert set(error["properties"]) == {"code", "message", "requestId", "details"}
    responses = document["components"]["responses"]
    assert set(responses) == {f"Error{each.status}" for each in classes}
    for each in classes:
        assert each is errors.RedlineError or f"{each.code}: " in responses[f"Error{each.status}"]["description"]
    referred = set(re.findall(r'"#/components/responses/(Error\d+)"', json.dumps(document["paths"])))
    assert referred == set(responses)


def test_each_probe_is_documented_with_what_it_answers() -> None:
    paths = openapi(KindRegistry(), "1")["paths"]
    for path in ("/health/live", "/health/ready"):
        assert set(paths[path]["get"]["responses"]) == {"200", "503"}, path
        assert "HEAD" in paths[path]["get"]["description"]


def test_publishing_says_that_it_takes_no_other_parameters() -> None:
    operation = openapi(KindRegistry(), "1")["paths"]["/v1/events"]["post"]
    assert [each["name"] for each in operation["parameters"]] == ["dry_run"]
    assert "that is not listed here is refused" in operation["description"]


class Read(HTMLParser):
    """The page's elements, its style, its text, and whether each element that was opened is closed."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.style = self.text = ""
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data


@pytest.mark.parametrize("kinds", INSTALLED.values(), ids=INSTALLED)
def test_the_page_loads_nothing_and_runs_nothing(kinds: Any) -> None:  # noqa: ANN401 - a function that makes a registry
    found = kinds()
    html, style = page(openapi(found, "1.2.3"), found)
    read = Read(html)
    assert read.open == []
    tags = [tag for tag, _ in read.elements]
    assert not {"script", "iframe", "object", "embed", "form", "img", "base", "b"} & set(tags)
    assert tags.count("style") == 1
    assert re.findall(r"@import|url\(|//", read.style) == []
    assert style == f"'sha256-{base64.b64encode(hashlib.sha256(read.style.encode()).digest()).decode()}'"
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in read.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "srcdoc", "style", "action"}], tag
        target = attributes.get("href") or "#main"
        if target.startswith("#"):
            assert target[1:] in ids
        else:
            assert target == "data:," or target in {"docs/openapi.json", "v1/asyncapi.json", "v1/types.d.ts", "v1/kinds"}
        assert attributes.get("aria-labelledby", "main") in ids
    for kind in found:
        assert kind.name in read.text
    assert "stream.closing" in read.text


def test_the_page_shows_every_operation_and_every_error() -> None:
    kinds = load_kinds()
    document = openapi(kinds, "1")
    text = Read(page(document, kinds).html).text
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in text
    for code in document["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]:
        assert code in text
    for kind in kinds:
        assert kind.policy.description in text
