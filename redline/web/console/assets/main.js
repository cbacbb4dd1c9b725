// The page: which org is followed with which token, what each event goes to, and when it is drawn.
// The law of this module: however many events come, the page is drawn at most once a frame, and once a second for what moves with the time.

import { Catalogue, installedKinds } from './catalogue.js';
import { Connection } from './connection.js';
import { byId, make, setText } from './dom.js';
import { timeOf, number } from './format.js';
import { Inspector } from './inspector.js';
import { Publisher } from './publish.js';
import { Rate, rateChart } from './rate.js';
import * as session from './session.js';
import { EventStore } from './store.js';
import { follow } from './stream.js';
import { startTabs } from './tabs.js';
import { startTheme } from './theme.js';
import { views } from './views/index.js';
import { others } from './views/others.js';

const arrived = session.takeFromAddress();

let kinds = new Map();
let stream = null;
let following = null;
let asked = false;
const store = new EventStore();
const rate = new Rate();
const connection = new Connection();
const rest = others((name) => kinds.get(name));
const shown = [...views.map((view) => view()), rest];
const takers = new Map();
for (const view of shown) for (const kind of view.kinds ?? []) takers.set(kind, [...(takers.get(kind) ?? []), view]);
byId('live').append(...shown.map((view) => view.element));

const drawRate = rateChart(rate);
const inspector = new Inspector(store, ask);
const publisher = new Publisher(publishToken);
const catalogue = new Catalogue((name) => {
  publisher.choose(name);
  tabs.show('publish');
});
const tabs = startTabs(byId('tabs'), ask);

// Draws at the next frame.
function ask() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

function draw() {
  asked = false;
  setText(byId('count'), number(store.received));
  if (tabs.current === 'live') for (const view of shown) view.draw();
  if (tabs.current === 'inspector') inspector.draw();
}

function second() {
  const now = Date.now();
  drawRate(now);
  connection.second(now);
  for (const view of shown) view.second?.(now);
}

// Takes one event. `live` is false for history that is being replayed. The tests of the page feed it through here as well.
export function take(envelope, live) {
  const now = Date.now();
  store.add(envelope);
  // History has its place in the chart as well: by its own time, which is the publisher's word.
  rate.count(live ? now : Date.parse(envelope.at), now);
  if (!live) connection.replayed();
  const known = takers.get(envelope.kind) ?? [rest];
  try {
    for (const view of known) view.take(envelope.kind, envelope.data, envelope.at, live);
  } catch {
    // Another plugin's kind by the name of one that a view knows: it is shown by its schema.
    rest.take(envelope.kind, envelope.data, envelope.at, live);
  }
  publisher.arrived(envelope.id);
  ask();
}

function reset() {
  store.clear();
  rate.reset();
  inspector.reset();
  for (const view of shown) view.reset?.();
  ask();
}

function banner(name, text) {
  byId(name).hidden = !text;
  setText(byId(`${name}-text`), text);
}

// Until the stream has opened once, an empty list means nothing yet.
function waiting(isWaiting) {
  for (const empty of document.querySelectorAll('.panel > .empty')) setText(empty, isWaiting ? 'Waiting for the stream.' : empty.dataset.empty);
}

// Follows one org from the beginning of its retained history on. `token` gives a promise of a token, and a newer one each time.
function startFollowing(token, on = {}) {
  reset();
  connection.reset();
  waiting(true);
  banner('gap', '');
  banner('notice', '');
  following = { token, on, lastId: '' };
  open();
}

function open() {
  stream?.close();
  const { token, on, lastId } = following;
  stream = follow({
    token,
    lastEventId: lastId || 'earliest',
    on: {
      event: take,
      opened(data) {
        waiting(false);
        if (connection.opened(data)) learnKinds();
        on.opened?.(data);
      },
      caughtUp: () => connection.caughtUp(),
      gap({ reason, oldest }) {
        reset();
        connection.gap();
        const why = reason === 'evicted' ? 'Events that this page has not seen are no longer kept' : 'The server cannot tell which events this page has missed';
        banner('gap', `Gap at ${timeOf(Date.now())}. ${why}. What you see was built anew from ${oldest ? 'everything that is kept' : 'an empty history'}.`);
      },
      moved(id) {
        following.lastId = id;
        connection.moved(id);
      },
      beat: () => connection.beat(),
      broken: (reason) => connection.broken(reason),
      expiring: (data) => on.expiring?.(data),
      refused: (error) => (on.refused ?? askForToken)(error.message),
    },
  });
}

function cutOrResume() {
  if (connection.isCut) {
    connection.broken('cut');
    open();
    return;
  }
  stream.close();
  connection.cut();
}

// After a reconnect the server may be another one, with other plugins.
async function learnKinds() {
  const found = await installedKinds();
  if (!found.size || JSON.stringify([...found]) === JSON.stringify([...kinds])) return;
  kinds = found;
  catalogue.show(kinds);
  publisher.show(kinds);
  rest.expect([...kinds.keys()].some((kind) => !takers.has(kind)));
}

function title(org) {
  setText(document.querySelector('title'), `${org} · Redline console`);
}

// The demo: its orgs to choose from, and tokens on request.
function startDemo(first) {
  let given = first;
  const followOrg = (org) => {
    session.keepOrg(org);
    title(org);
    startFollowing(async () => {
      const ready = given;
      given = null;
      if (ready?.org === org) return ready.token;
      const answer = await session.demoToken(org);
      if (!answer) throw new session.TokenError('This server is no longer the demo. Reload the page.');
      return answer.token;
    });
    following.publishToken = async () => (await session.demoToken(org, 'events:publish'))?.token ?? '';
    publisher.wantToken(false);
  };
  byId('orgs').append(
    ...first.orgs.map((org) => {
      const input = make('input');
      Object.assign(input, { type: 'radio', name: 'org', value: org, checked: org === first.org });
      input.addEventListener('change', () => followOrg(org));
      return make('label', '', input, make('span', '', org));
    }),
  );
  byId('orgs').hidden = false;
  followOrg(first.org);
}

// Everywhere else: a token that somebody pastes.
function askForToken(why) {
  stream?.close();
  session.keepToken('');
  connection.refused();
  if (why) setText(byId('token-why'), why);
  byId('token-form').hidden = false;
  byId('main').dataset.asking = '';
  byId('forget').hidden = true;
  byId('org').hidden = true;
  byId('token').focus();
}

function startWithToken(token) {
  byId('token-form').hidden = true;
  delete byId('main').dataset.asking;
  byId('orgs').hidden = true;
  startFollowing(
    async () => token,
    {
      opened({ org }) {
        setText(byId('org'), org);
        byId('org').hidden = false;
        byId('forget').hidden = false;
        title(org);
      },
      // What the server says of the token is more than that there is no better one.
      refused: async (message) => askForToken((await session.whyRefused(token)) || message),
      expiring({ expiresAt }) {
        banner('notice', `The token ends at ${timeOf(expiresAt)}. Paste another one to go on.`);
      },
    },
  );
  const may = session.scopesOf(token).includes('events:publish');
  following.publishToken = async () => (may ? token : '');
  publisher.wantToken(!may);
}

async function publishToken() {
  return (await following?.publishToken?.()) ?? '';
}

async function begin() {
  for (const name of ['gap', 'notice']) byId(`${name}-close`).addEventListener('click', () => banner(name, ''));
  startTheme(byId('theme'));
  byId('cut').addEventListener('click', cutOrResume);
  byId('forget').addEventListener('click', () => askForToken('Paste the token to go on with.'));
  byId('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const token = byId('token').value.trim();
    byId('token').value = '';
    if (!token) return;
    session.keepToken(byId('keep').checked ? token : '');
    startWithToken(token);
  });
  setInterval(second, 1000);
  second();
  connection.reset();
  waiting(true);
  await learnKinds();
  if (!kinds.size) catalogue.show(kinds);
  if (arrived.token || session.keptToken()) startWithToken(arrived.token || session.keptToken());
  else await startWithoutToken();
  if (arrived.inQuery) banner('notice', 'A token stood in the address, where the server and proxies see it. It was removed and not used: treat it as known to others.');
}

async function startWithoutToken() {
  const wanted = session.keptOrg();
  try {
    const first = (wanted && (await session.demoToken(wanted).catch(() => null))) || (await session.demoToken(''));
    if (first) startDemo(first);
    else askForToken('');
  } catch (error) {
    if (!(error instanceof session.TokenError)) throw error;
    askForToken(error.message);
  }
}

begin();
