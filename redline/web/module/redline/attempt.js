// One EventSource, with what is known of it; and the question why one was refused.
// The law of this module: a credential stands in the address and nowhere else.

export class Attempt {
  opened = 0; // how often stream.open has come
  live = false; // between stream.open and an end
  told = false; // whether the server has said when to come back: its answers do
  reason = null; // of the last stream.closing
  expiresAt = null; // the credential's end
  held = null; // what waits for the names of new kinds

  constructor({ url, kinds, cursor, follow }, credential, names, env) {
    this.credential = credential;
    this.names = names;
    this.heard = env.now();
    this.url = new URL(url);
    const params = this.url.searchParams;
    if (typeof credential === 'string') params.set('token', credential);
    else params.set('ticket', credential.ticket);
    if (kinds.wanted) params.set('kinds', kinds.wanted.join(','));
    if (cursor()) params.set('last_event_id', cursor());
    if (!follow) params.set('follow', 'false');
    params.set('heartbeat', 'event');
    this.source = new env.EventSource(this.url.href);
  }
}

// Asks why a stream was refused, which an EventSource does not tell. Returns { status, error, after }: 0 where nobody answers, the error as the
// service names it, and the milliseconds that it wants to be left alone.
export async function inquire(url, env) {
  const asked = new URL(url);
  asked.searchParams.set('follow', 'false');
  asked.searchParams.delete('last_event_id');
  try {
    const answer = await env.fetch(asked.href, {
      headers: { Accept: 'application/json' },
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(10_000),
    });
    const { status } = answer;
    const after = Number(answer.headers.get('Retry-After')) * 1000 || 0;
    if (answer.ok) {
      await answer.body?.cancel();
      return { status, error: null, after };
    }
    const error = await answer.json().then((body) => body.error, () => null);
    return { status, error: error ?? { code: `status_${status}`, message: `The server answered ${status}.` }, after };
  } catch {
    return { status: 0, error: null, after: 0 };
  }
}
