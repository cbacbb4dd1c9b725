// One org's stream as the page wants it: redline.js, and whether an event is history or news.

import { openStream } from '../redline.js';

// `token()` gives a promise of a token; it fails with a TokenError. `lastEventId` is where to go on, or 'earliest'.
// `on` has event(envelope, live), opened(data), caughtUp(), gap(data), moved(id), beat(), broken(reason), expiring(data), refused({code, message}).
export function follow({ token, lastEventId, on }) {
  // The last event of what is replayed; null when everything that comes is news.
  let head = null;
  // Whether the stream has been open since its beginning, or the last break: one that opens then only takes over, with another token.
  let unbroken = false;
  const caughtUp = () => {
    if (head === null) return;
    head = null;
    on.caughtUp();
  };
  const begin = ({ cursor, head: last }) => {
    head = last;
    if (cursor === last) caughtUp();
  };
  const stream = openStream({
    token,
    lastEventId,
    onstate({ state, reason, error }) {
      unbroken = state === 'open';
      if (state === 'waiting') on.broken(reason);
      if (state === 'refused') on.refused(error ?? { code: reason, message: '' });
    },
  });
  const listen = (kind, take) => stream.on(kind, ({ data }) => {
    take(data);
    on.moved(stream.lastEventId);
  });
  listen('stream.open', (data) => {
    if (unbroken) {
      on.beat();
      return;
    }
    on.opened(data);
    begin(data);
  });
  listen('stream.gap', (data) => {
    on.gap(data);
    begin({ cursor: data.oldest === null ? data.head : null, head: data.head });
  });
  listen('stream.cursor', caughtUp);
  listen('stream.heartbeat', () => {
    on.beat();
    caughtUp();
  });
  listen('stream.expiring', on.expiring);
  stream.on('*', (envelope) => {
    on.event(envelope, head === null);
    on.moved(envelope.id);
    if (envelope.id === head) caughtUp();
  });
  return stream;
}
