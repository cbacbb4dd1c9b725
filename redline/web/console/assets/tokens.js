// Where the page's token comes from: the demo gives one to its own page; elsewhere somebody pastes one.
// The law of this module: a token is kept in memory and leaves in requests for the stream only; never in the page's address, its history or its storage.

// `final`: asking again will not help.
export class TokenError extends Error {
  constructor(message, final) {
    super(message);
    this.final = final;
  }
}

async function complaint(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered with status ${response.status}.`;
  }
}

async function request(path, options) {
  try {
    return await fetch(new URL(path, document.baseURI), { cache: 'no-store', credentials: 'same-origin', ...options });
  } catch {
    throw new TokenError('The server cannot be reached.', false);
  }
}

// Gives {token, org, orgs}, or null where this server is no demo.
export async function demoToken(org) {
  const response = await request(`demo/token${org ? `?org=${encodeURIComponent(org)}` : ''}`);
  if (response.status === 404) return null;
  if (!response.ok) throw new TokenError(await complaint(response), response.status < 500);
  return response.json();
}

// Asks the server what it thinks of a token: an EventSource is not told why it was refused.
export async function checkToken(token) {
  const response = await request('v1/stream?follow=false', { headers: { Authorization: `Bearer ${token}`, Accept: 'application/json' } });
  if (!response.ok) throw new TokenError(await complaint(response), response.status < 500 && response.status !== 429);
  await response.body?.cancel();
}

// All kinds that are installed: an EventSource hears only the names that it was told to listen for.
export async function installedKinds(fallback) {
  try {
    const response = await request('v1/kinds');
    const names = (await response.json()).kinds.map((kind) => kind.name);
    return [...new Set([...fallback, ...names])];
  } catch {
    return fallback;
  }
}
