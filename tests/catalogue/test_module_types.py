"""``redline.d.ts`` over the generated ``types.d.ts``, as the TypeScript compiler reads the two side by side.

The law of these tests: a handler's event has the type of what its pattern takes, and a pattern that takes nothing is refused.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from redline.catalogue.typescript import types
from redline.kinds.registry import KindRegistry, load_kinds

if TYPE_CHECKING:
    from tests.catalogue.readers import Compiler

pytestmark = pytest.mark.toolchain("node", "npm")

PAGE = """\
import { openStream, type Status } from './redline.js'

const stream = openStream({
  token: async () => 'a token',
  kinds: ['run.stage', 'change.*', 'org.*', 'org.entitlements.*'],
  lastEventId: 'earliest',
  share: { org: 'acme', user: 'ada' },
  gap: ({ reason, oldest }) => void (reason === 'evicted' ? oldest?.length : oldest),
  onstate: ({ state, error }: Status) => void (state === 'refused' ? error?.message : state),
})

stream.on('run.stage', ({ id, org, at, data }) => {
  const stage: 'queued' | 'fetching' | 'extracting' | 'diffing' | 'classifying' | 'completed' = data.stage
  // @ts-expect-error change.detected has this, run.stage has not
  data.severity
  return [id, org, at, stage].join()
})
stream.on('change.*', (event) => {
  const kind: 'change.detected' | 'change.stateChanged' = event.kind
  // @ts-expect-error only one of the two has it
  event.data.severity
  if (event.kind === 'change.detected') return event.data.severity
  return kind + event.data.actor.type
})
stream.on('*', (event) => {
  if (event.kind === 'scheduler.tick') return event.data.dueRuns.toFixed()
  // @ts-expect-error a control event is no event of a kind
  if (event.kind === 'stream.open') return ''
  return event.at
})
stream.on('stream.open', ({ id, data }) => id?.length ?? data.heartbeatSeconds.toFixed())
stream.on('stream.*', (event) => (event.kind === 'stream.closing' ? event.data.reason : event.id))
// @ts-expect-error no such kind
stream.on('run.stages', () => undefined)
// @ts-expect-error no kind begins so
stream.on('invoice.*', () => undefined)
// @ts-expect-error control events always come; they cannot be asked for
openStream({ token: () => '', kinds: ['stream.open'] })
// @ts-expect-error both, so that no other user's tabs are on the channel
openStream({ token: () => '', share: { org: 'acme' } })
// @ts-expect-error a function
openStream({ token: 'a token' })
openStream({ token: () => ({ ticket: 'a ticket' }) })
openStream({ token: () => null })

const off: () => void = stream.on('scheduler.tick', () => undefined)
off()
stream.ready.then(() => stream.lastEventId.length)
stream.reconnect()
stream.close()

// A map of one's own, for a page that knows its kinds by itself.
type Own = { 'invoice.paid': { id: string; kind: 'invoice.paid'; org: string; at: string; data: { cents: number } } }
openStream<Own>({ token: () => '', kinds: ['invoice.*'] }).on('invoice.paid', ({ data }) => data.cents.toFixed())
"""


def beside(tsc: Compiler, kinds: KindRegistry) -> None:
    """Put the declarations into the compiler's folder as a page would keep them."""
    (tsc.folder / "v1").mkdir()
    (tsc.folder / "v1" / "types.d.ts").write_bytes(types(kinds))
    (tsc.folder / "redline.d.ts").write_text(files("redline.web.module").joinpath("redline.d.ts").read_text("utf-8"))


def test_a_handlers_event_has_the_type_of_what_its_pattern_takes(tsc: Compiler) -> None:
    beside(tsc, load_kinds())
    assert tsc(page=PAGE) == []


def test_a_wrong_use_is_refused_line_by_line(tsc: Compiler) -> None:
    """What the page's expectations hide is there: without them every one of those lines is a complaint."""
    beside(tsc, load_kinds())
    bare = "\n".join(line for line in PAGE.splitlines() if "@ts-expect-error" not in line)
    assert len({complaint.partition("):")[0].partition(",")[0] for complaint in tsc(page=bare)}) == PAGE.count("@ts-expect-error")


def test_with_no_kind_installed_a_page_hears_the_stream_itself(tsc: Compiler) -> None:
    beside(tsc, KindRegistry())
    page = "import { openStream } from './redline.js'\nopenStream({ token: () => '' }).on('stream.open', ({ data }) => data.org)\n"
    assert tsc(page=page) == []
