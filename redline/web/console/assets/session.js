// Whose token the page uses: the demo gives one to its own page; elsewhere somebody pastes one, or comes with one in the address's fragment.
// The law of this module: a token is in memory, and in this tab's session storage only when somebody asks for that. It leaves in requests to
// this server only. A fragment is not sent to any server, and is taken out of the address and the tab's history before anything else happens.

const KEPT = 'redline.token';
const ORG = 'redline.org';

// A token cannot be had; the message says why.
export class TokenError extends Error {
  name = 'TokenError';
}

// Takes a token out of the address, and gives it, or ''. One in the query has been sent to the server already; it is removed and not used.
export function takeFromAddress() {
  const url = new URL(location.href);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const token = fragment.get('token') ?? '';
  const inQuery = url.searchParams.has('token') || url.searchParams.has('ticket');
  if (token || inQuery) {
    url.searchParams.delete('token');
    url.searchParams.delete('ticket');
    if (token) url.hash = '';
    history.replaceState(null, '', url);
  }
  return { token, inQuery };
}

// Storage may be switched off in a browser: then nothing is kept, and nothing breaks.
function stored(act) {
  try {
    return act(sessionStorage);
  } catch {
    return null;
  }
}

export const keptToken = () => stored((storage) => storage.getItem(KEPT)) ?? '';
export const keepToken = (token) => stored((storage) => (token ? storage.setItem(KEPT, token) : storage.removeItem(KEPT)));
export const keptOrg = () => stored((storage) => storage.getItem(ORG)) ?? '';
export const keepOrg = (org) => stored((storage) => storage.setItem(ORG, org));

export async function complaint(response) {
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
    throw new TokenError('The server cannot be reached.');
  }
}

// Gives {token, org, orgs}, or null where this server is no demo. `scope` is what the token is for, by default for reading.
export async function demoToken(org, scope) {
  const query = new URLSearchParams({ ...(org && { org }), ...(scope && { scope }) });
  const response = await request(`demo/token?${query}`);
  if (response.status === 404) return null;
  if (!response.ok) throw new TokenError(await complaint(response));
  return response.json();
}

// Why the server refuses a token, in its words; '' where it does not, or cannot be asked.
export async function whyRefused(token) {
  try {
    const response = await request('v1/stream?follow=false', { headers: { Authorization: `Bearer ${token}`, Accept: 'application/json' } });
    if (!response.ok) return await complaint(response);
    await response.body?.cancel();
    return '';
  } catch {
    return '';
  }
}

// What a token says it may; '' where it cannot be read. Only to know what to offer: what counts is what the server says.
export function scopesOf(token) {
  try {
    const payload = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    return typeof payload.scope === 'string' ? payload.scope.split(' ') : [];
  } catch {
    return [];
  }
}
