"""``types.d.ts``, as the TypeScript compiler reads it in its strict mode.

The law of these tests: a type may be too wide, and never refuses what its schema admits; and where it can be exact it is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from redline import Policy
from redline.catalogue.typescript import types
from redline.kinds.registry import KindRegistry, load_kinds
from tests.catalogue.kit import HOSTILE, fitting, registered, registry, terminating_schema

if TYPE_CHECKING:
    from tests.catalogue.readers import Compiler

pytestmark = pytest.mark.toolchain("node", "npm")

CONSUMER = """\
import type { RedlineEvent, RedlineEventMap, RedlineKind, RedlineStreamMap, RunStageData, StreamClosing } from './types'

export function title(e: RedlineEvent): string {
  switch (e.kind) {
    case 'run.stage': {
      const stage: 'queued' | 'fetching' | 'extracting' | 'diffing' | 'classifying' | 'completed' = e.data.stage
      const error: string | undefined = e.data.error?.code
      // @ts-expect-error change.detected has this, run.stage has not
      e.data.severity
      // @ts-expect-error it is a number
      const progress: string = e.data.progress
      return `${stage} ${error} ${progress}`
    }
    case 'change.detected': {
      // @ts-expect-error excerpt may be absent
      e.data.excerpt.before
      return e.data.excerpt ? e.data.excerpt.before + e.data.severity : e.data.title
    }
    case 'org.entitlements.changed': {
      // @ts-expect-error null is for unlimited
      const vendors: number = e.data.entitlements.vendors
      const features: string[] = e.data.entitlements.features
      return features.join() + String(vendors)
    }
    case 'change.stateChanged':
      return e.data.actor.type === 'user' ? e.data.from : e.data.to
    case 'scheduler.tick':
      return e.data.dueRuns.toFixed()
    case 'action.delivered':
      return e.data.target
    // @ts-expect-error no such kind
    case 'invoice.paid':
      return ''
    default: {
      const nothing: never = e
      return nothing
    }
  }
}

export function unnarrowed(e: RedlineEvent): string {
  // @ts-expect-error not before kind is looked at
  return e.data.stage
}

export function listen<K extends keyof RedlineStreamMap>(s: EventSource, kind: K, on: (event: RedlineStreamMap[K]) => void): void {
  s.addEventListener(kind, (message: MessageEvent<string>) => on(JSON.parse(message.data) as RedlineStreamMap[K]))
}

export function use(s: EventSource): void {
  listen(s, 'run.stage', (event) => event.data.attempt.toFixed() + event.id + event.org + event.at)
  listen(s, 'stream.open', (open) => open.resumed === true && open.kinds?.join() && open.heartbeatSeconds.toFixed())
  listen(s, 'stream.gap', (gap) => gap.reason === 'evicted' && gap.oldest?.length)
  listen(s, 'stream.cursor', (cursor) => cursor.head.length)
  listen(s, 'stream.heartbeat', (heartbeat) => heartbeat.head.length)
  listen(s, 'stream.expiring', (expiring) => new Date(expiring.expiresAt))
  // @ts-expect-error no such event
  listen(s, 'stream.close', () => undefined)
  // @ts-expect-error stream.open has no data inside
  listen(s, 'stream.open', (open) => open.data)
}

export function ended(closing: StreamClosing): string {
  if (!closing.retryable) {
    const final: 'token_expired' | 'token_revoked' = closing.reason
    return final
  }
  // @ts-expect-error those are not retryable
  const final: 'token_expired' | 'token_revoked' = closing.reason
  return final
}

export const kinds: RedlineKind[] = ['run.stage', 'scheduler.tick']
export const mapped: RedlineEventMap['run.stage']['kind'] = 'run.stage'
// @ts-expect-error stage is missing, and unknown keys are refused
export const wrong: RunStageData = { runId: 'r', vendorId: 'v', status: 'started', progress: 0, attempt: 1, more: 1 }
"""


def test_the_six_kinds_are_a_union_that_a_switch_narrows(tsc: Compiler) -> None:
    assert tsc(types=types(load_kinds()), consumer=CONSUMER) == []


def test_a_wrong_use_is_refused_line_by_line(tsc: Compiler) -> None:
    """What the consumer's expectations hide is there: without them every one of those lines is a complaint."""
    expected = CONSUMER.count("@ts-expect-error")
    bare = "\n".join(line for line in CONSUMER.splitlines() if "@ts-expect-error" not in line)
    assert len({complaint.partition("):")[0].partition(",")[0] for complaint in tsc(types=types(load_kinds()), consumer=bare)}) == expected


def test_what_the_readme_shows_compiles(tsc: Compiler) -> None:
    (shown,) = re.findall(r"^```ts\n(.*?)^```", (Path(__file__).parents[2] / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    given = (
        "declare const stream: EventSource\ndeclare function show(x: number): void\ndeclare function reload(x: 'evicted' | 'unknown'): 0\n"
    )
    assert tsc(types=types(load_kinds()), readme=shown.replace("./redline", "./types") + given + "export { title }\n") == []


def test_with_no_kind_installed_there_is_no_event(tsc: Compiler) -> None:
    consumer = "import type { RedlineEvent, RedlineKind } from './types'\nexport const none: [RedlineEvent, RedlineKind][] = []\n"
    assert tsc(types=types(KindRegistry()), consumer=consumer) == []


def test_nothing_that_a_plugin_says_of_itself_is_code(tsc: Compiler) -> None:
    schema = {
        "type": "object",
        "title": HOSTILE,
        "description": HOSTILE,
        "properties": {HOSTILE: {"type": "string", "description": HOSTILE}, "a": {"enum": [HOSTILE]}, "b": {"$ref": "#/$defs/x"}},
        "$defs": {"x": {"title": HOSTILE, "type": "array"}},
        "required": [HOSTILE, "a"],
        "additionalProperties": False,
    }
    kinds = KindRegistry([registered("odd.words", schema, Policy(title=HOSTILE, description=HOSTILE, version=HOSTILE))])
    declared = types(kinds)
    consumer = f"""\
import type {{ RedlineEvent }} from './types'
import * as all from './types'
export const fits: RedlineEvent['data'] = {{ {json.dumps(HOSTILE)}: 'x', a: {json.dumps(HOSTILE)} }}
// @ts-expect-error nothing was smuggled in
all.owned
// @ts-expect-error the type is as strict as it was meant to be
export const not: RedlineEvent['data'] = {{ a: {json.dumps(HOSTILE)} }}
"""
    assert tsc(types=declared, consumer=consumer) == []
    for letter in ("\u2028", "\u202e", "\x00", "\r"):
        assert letter not in declared.decode()


def test_names_that_collide_are_told_apart(tsc: Compiler) -> None:
    one, other = ({"type": "object", "properties": {"x": {"type": kind}}, "required": ["x"]} for kind in ("string", "number"))
    many = {
        "a.bC": one,
        "aB.c": other,
        "run.stage": {**one, "$defs": {"Data": one, "Event": other}, "anyOf": [{"$ref": "#/$defs/Data"}, {"$ref": "#/$defs/Event"}]},
        "run.stageEvent": other,
        "run.stageData": other,
        "redline.event": one,
        "redline.eventMap": other,
        "ar.r": {"type": "array", "items": {"$ref": "#/$defs/ay"}, "$defs": {"ay": one}},
    }
    consumer = """\
import type { RedlineEventMap } from './types'
export const one: RedlineEventMap['a.bC']['data']['x'] = 'text'
export const other: RedlineEventMap['aB.c']['data']['x'] = 1
export const event: RedlineEventMap['redline.event']['kind'] = 'redline.event'
export const list: RedlineEventMap['ar.r']['data'] = [{ x: 'text' }]
"""
    assert tsc(types=types(registry(many)), consumer=consumer) == []


EXACT: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"type": "string"}, ["'x'"], ["1", "null"]),
    ({"type": "integer"}, ["1"], ["'1'"]),
    ({"type": ["string", "null"]}, ["'x'", "null"], ["1"]),
    ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, ["true", "null"], ["0"]),
    ({"enum": ["a", 1, None, [1, "b"], {"c": True}]}, ["'a'", "1", "null", "[1, 'b']", "{c: true}"], ["'b'", "2", "[1]", "{c: false}"]),
    ({"const": -1}, ["-1"], ["1"]),
    ({"type": "array", "items": {"type": "string"}}, ["[]", "['x']"], ["[1]", "{}"]),
    ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "number"}}, ["['x', 1]", "[]"], ["'x'"]),
    ({"type": "object", "additionalProperties": {"type": "number"}}, ["{}", "{a: 1}"], ["{a: 'x'}", "[]['x']"]),
    ({"type": "object", "additionalProperties": False}, ["{}"], ["{a: 1}"]),
    ({"type": "object", "properties": {"a": {"type": "string"}}}, ["{}", "{a: 'x', b: 1}"], ["{a: 1}"]),
    (
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "number"}},
        ["{a: 'x', b: 1}"],
        ["{a: 1}"],
    ),
    ({"type": "object", "properties": {"a": False}}, ["{}", "{b: 1}"], ["{a: 1}"]),
    ({"type": "object", "required": ["a"]}, ["{a: 1}"], ["{}"]),
    ({"type": "object", "properties": {"constructor": {"type": "number"}}}, ["{}", "{constructor: 1}"], []),
    ({"type": "object", "properties": {"a": {"type": "string"}}, "allOf": [{"required": ["a"]}]}, ["{}", "{a: 'x'}"], ["{a: 1}"]),
    ({"properties": {"a": {"type": "string"}}}, ["{a: 1}", "1"], []),
    ({"allOf": [{"type": "string"}]}, ["1"], []),
    ({"$ref": "https://elsewhere.example/schema"}, ["1"], []),
    ({"$ref": "#anchor", "type": "string"}, ["1"], []),
    ({"$ref": "#/nowhere"}, ["1"], []),
    ({"$ref": "#"}, ["1"], []),
    (
        {"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/B"}]}, "B": {"$ref": "#/$defs/A"}}},
        ["'x'"],
        [],
    ),
    (
        {"$ref": "#/$defs/L", "$defs": {"L": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/L"}}]}}},
        ["'x'", "['x', [['y']]]"],
        ["1", "[[1]]"],
    ),
    (
        {
            "type": "object",
            "properties": {"v": {"type": "string"}, "next": {"$ref": "#"}},
            "required": ["v"],
            "additionalProperties": False,
        },
        ["{v: 'x'}", "{v: 'x', next: {v: 'y'}}"],
        ["{v: 'x', next: {}}", "{v: 'x', next: null}"],
    ),
    (
        {
            "oneOf": [
                {"type": "object", "properties": {"t": {"const": "a"}, "n": {"type": "number"}}, "required": ["t", "n"]},
                {"type": "object", "properties": {"t": {"const": "b"}}, "required": ["t"]},
            ]
        },
        ["{t: 'a', n: 1}", "{t: 'b'}"],
        ["{t: 'a'}", "{t: 'c'}"],
    ),
    ({"type": "object", "oneOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "object", "required": ["x"]}}}, ["{x: 1}"], ["{}"]),
    ({"$id": "https://x.example/a", "$ref": "#/$defs/A", "$defs": {"A": {"$id": "b", "type": "string"}}}, ["1"], []),
    ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "string"}, ["1"], []),
    ({"type": "text"}, ["1"], []),
    ({"type": "object", "properties": [], "required": "x"}, ["{}"], ["1"]),
    ({"anyOf": [], "type": "string"}, ["'x'"], ["1"]),
    ({"anyOf": [True, {"type": "string"}]}, ["1"], []),
    ({"anyOf": [False, {"type": "string"}]}, ["'x'"], ["1"]),
]
"""Schemas, with what their types take and what they refuse; only the first half is a promise for all schemas."""


def test_types_are_as_exact_as_they_can_be(tsc: Compiler) -> None:
    consumer = ["import type { RedlineEventMap as M } from './types'"]
    for number, (_, taken, refused) in enumerate(EXACT):
        data = f"M['exact.n{number}']['data']"
        consumer += [f"export const t{number}_{index}: {data} = {text}" for index, text in enumerate(taken)]
        for index, text in enumerate(refused):
            consumer += [f"// @ts-expect-error {EXACT[number][0]}", f"export const r{number}_{index}: {data} = {text}"]
    declared = types(registry({f"exact.n{number}": schema for number, (schema, _, _) in enumerate(EXACT)}))
    assert tsc(types=declared, consumer="\n".join(consumer)) == []


def test_no_type_refuses_what_its_schema_admits(tsc: Compiler) -> None:
    """Some hundred schemas of everything that draft 2020-12 has, each with values that it admits, in one run of the compiler."""
    random = Random(20_261_122)
    schemas: dict[str, Any] = {}
    lines = ["import type { RedlineEventMap as M } from './types'"]
    while len(schemas) < 400:
        schema = terminating_schema(random)
        validator = jsonschema.Draft202012Validator(schema)
        values = {}
        for _ in range(12):
            value = fitting(random, schema, schema)
            if validator.is_valid(value):
                values[json.dumps(value)] = value
        name = f"any.n{len(schemas)}"
        schemas[name] = schema
        lines += [f"export const {name[4:]}_{index}: M['{name}']['data'] = {text}" for index, text in enumerate(list(values)[:4])]
    declared = types(registry(schemas))
    complaints = tsc(types=declared, consumer="\n".join(lines))
    numbers = [int(complaint.partition("(")[2].partition(",")[0]) for complaint in complaints if complaint.startswith("consumer")]
    shown = [(complaint, lines[number - 1]) for complaint, number in zip(complaints[:5], numbers, strict=False)]
    assert complaints == [], shown
    assert len(lines) > 700
    said = declared.decode()
    assert sum("Data = unknown;" in line for line in said.splitlines()) < len(schemas) / 2


def test_a_schema_of_any_depth_has_a_type(tsc: Compiler) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        schema = {"type": "array", "items": schema}
    consumer = "import type { RedlineEvent } from './types'\nexport const list: RedlineEvent['data'] = [[[[]]]]\n"
    assert tsc(types=types(registry({"deep.one": schema})), consumer=consumer) == []
