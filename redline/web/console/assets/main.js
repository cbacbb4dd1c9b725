// The page: which org is followed, with which token, and what happens when that ends.

import { byId, make, setText } from './dom.js';
import { LiveStream } from './live.js';
import { Model } from './model.js';
import { TokenError, checkToken, demoToken, installedKinds } from './tokens.js';
import { View } from './view.js';
import { timeOf } from './format.js';

const FIRST_KINDS = ['scheduler.tick', 'run.stage', 'change.detected', 'action.delivered', 'change.stateChanged', 'org.entitlements.changed'];
const QUIET_CATCH_UP = 400;

const model = new Model();
const view = new View(model);
let kinds = FIRST_KINDS;
let stream = null;
let quiet = 0;

function notice(text) {
  byId('notice').hidden = !text;
  setText(byId('notice-text'), text);
}

// A catch-up of a blink is not worth a word.
function showPhase(name, words) {
  clearTimeout(quiet);
  if (name === 'replaying') quiet = setTimeout(() => view.phase(name, words), QUIET_CATCH_UP);
  else view.phase(name, words);
}

// Follows one org from the beginning of its retained history on. `token` is what LiveStream asks for one.
function follow(token, on = {}) {
  stream?.stop();
  model.reset();
  view.cursor('');
  view.ask();
  notice('');
  stream = new LiveStream(kinds, token, {
    onEvent(envelope, live) {
      model.apply(envelope, live);
      view.ask();
    },
    onOpen(data) {
      on.opened?.(data);
    },
    onGap({ reason, oldest }) {
      model.reset();
      view.ask();
      const why = reason === 'evicted' ? 'Older events are no longer retained' : 'The server cannot tell which events this page has missed';
      notice(`${why}. What you see was built anew from ${oldest ? 'everything that is retained' : 'an empty history'}.`);
    },
    onCursor: (id) => view.cursor(id),
    onBeat: () => view.beat(),
    onPhase: showPhase,
    onExpiring: (data) => on.expiring?.(data),
    onRefused: (message) => askForToken(message),
  });
  stream.start();
}

// The demo: its orgs to choose from, and tokens on request.
function startDemo(first) {
  let given = first;
  const chosen = () => byId('orgs').querySelector('input:checked')?.value;
  const followOrg = (org) =>
    follow(async () => {
      const ready = given;
      given = null;
      if (ready?.org === org) return ready.token;
      const answer = await demoToken(org);
      if (!answer) throw new TokenError('This server is no longer the demo. Reload the page.', true);
      return answer.token;
    });
  byId('orgs').append(
    ...first.orgs.map((org) => {
      const input = make('input');
      Object.assign(input, { type: 'radio', name: 'org', value: org, checked: org === first.org });
      input.addEventListener('change', () => {
        history.replaceState(null, '', `#${org}`);
        setText(document.querySelector('title'), `${org} · Redline console`);
        followOrg(org);
      });
      return make('label', '', input, make('span', '', org));
    }),
  );
  byId('orgs').hidden = false;
  setText(document.querySelector('title'), `${first.org} · Redline console`);
  followOrg(chosen());
}

// Everywhere else: a token that somebody pastes.
function askForToken(why) {
  stream?.stop();
  view.phase('refused', 'Not connected');
  if (why) setText(byId('token-why'), why);
  byId('token-form').hidden = false;
  byId('main').hidden = true;
  byId('forget').hidden = true;
  byId('org').hidden = true;
  byId('token').focus();
}

function startWithToken(token) {
  byId('token-form').hidden = true;
  byId('main').hidden = false;
  byId('orgs').hidden = true;
  follow(
    async (expiring) => {
      if (expiring) throw new TokenError('The token ends soon.', true);
      await checkToken(token);
      return token;
    },
    {
      opened({ org }) {
        setText(byId('org'), org);
        byId('org').hidden = false;
        byId('forget').hidden = false;
        setText(document.querySelector('title'), `${org} · Redline console`);
      },
      expiring({ expiresAt }) {
        notice(`The token ends at ${timeOf(expiresAt)}. Paste another one to go on.`);
      },
    },
  );
}

async function begin() {
  byId('notice-close').addEventListener('click', () => notice(''));
  byId('forget').addEventListener('click', () => askForToken('Paste the token to go on with.'));
  byId('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const token = byId('token').value.trim();
    byId('token').value = '';
    if (token) startWithToken(token);
  });
  showPhase('connecting', 'Connecting');
  kinds = await installedKinds(FIRST_KINDS);
  const wanted = location.hash.slice(1);
  try {
    const first = (wanted && (await demoToken(wanted).catch(() => null))) || (await demoToken(''));
    if (first) startDemo(first);
    else askForToken('');
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    askForToken(error.message);
  }
}

begin();
