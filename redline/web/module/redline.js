// Redline's stream for a page: import { openStream } from 'https://your.redline/redline.js'
// The law of this module: it is all that a page imports, and the only part that touches the page and the browser's globals. Types: redline.d.ts.

import { Stream } from './redline/stream.js';

// Opens a stream of the service that this file came from, or of `options.url`; see redline.d.ts.
export const openStream = (options) => new Stream(options, browser());

// What the other modules know of the world.
function browser() {
  return {
    base: import.meta.url,
    EventSource: globalThis.EventSource,
    BroadcastChannel: globalThis.BroadcastChannel,
    locks: globalThis.navigator?.locks, // only in a secure context: https, or this very machine
    fetch: (...request) => fetch(...request),
    setTimeout: (call, delay) => setTimeout(call, delay),
    clearTimeout: (timer) => clearTimeout(timer),
    now: () => performance.now(),
    time: () => Date.now(),
    random: Math.random,
    report: globalThis.reportError ?? ((error) => console.error(error)),
    watchPage,
  };
}

// Tells of the page's life: frozen or put into the back-forward cache (suspend), back from there (resume), seen again, or in another network (wake).
function watchPage({ suspend, resume, wake }) {
  const off = new AbortController();
  const listen = (target, name, call) => target?.addEventListener?.(name, call, { signal: off.signal });
  const { document } = globalThis;
  listen(globalThis, 'pagehide', suspend);
  listen(globalThis, 'pageshow', resume);
  listen(globalThis, 'online', () => wake(true));
  listen(document, 'freeze', suspend);
  listen(document, 'resume', resume);
  listen(document, 'visibilitychange', () => document.visibilityState === 'visible' && wake(false));
  return () => off.abort();
}
