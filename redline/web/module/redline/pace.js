// How long to wait: before another try, and before a credential is renewed.
// The law of this module: what many pages do at once is spread, and nothing is ever done in a tight loop. Times are in milliseconds.

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const WARNING = 30_000; // how long before a credential's end the server says so
const SOONEST_RENEWAL = 500;

// Full jitter: those who were cut together do not come back together.
export const backoff = (failures, random) => random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures);

// When to renew a credential after its warning: spread, early enough for a second try, and never in a tight loop, however short it lives and
// however wrong the clock is.
export function renewal(expiresAt, time, random) {
  const left = Math.min(Math.max(Date.parse(expiresAt) - time, 0), WARNING) || 0;
  return Math.max(SOONEST_RENEWAL, left * (0.25 + random() / 4));
}
