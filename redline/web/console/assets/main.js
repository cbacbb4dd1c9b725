// The page: which org is followed with which token, and what is said of that.

import { Board } from './board.js';
import { Catalogue, installedKinds } from './catalogue.js';
import { Connection } from './connection.js';
import { byId, make, setText } from './dom.js';
import { timeOf } from './format.js';
import { Publisher } from './publish.js';
import * as session from './session.js';
import { follow } from './stream.js';
import { startTabs } from './tabs.js';
import { startTheme } from './theme.js';

// Before anything else: a token in the address does not stay there.
const arrived = session.takeFromAddress();
// Nor does one that is entered while the page is open.
addEventListener('hashchange', () => {
  const { token } = session.takeFromAddress();
  if (token) startWithToken(token);
});

let stream = null;
let following = null;

const connection = new Connection();
const board = new Board(byId('live'));
const publisher = new Publisher(publishToken);
const catalogue = new Catalogue((name) => {
  publisher.choose(name);
  tabs.show('publish');
});
const tabs = startTabs(byId('tabs'), (name) => {
  board.shown = name;
  board.ask();
});

// Takes one event, as the stream gives it; the tests of the page give it theirs.
export function take(envelope, live) {
  if (!live) connection.replayed();
  board.take(envelope, live);
  publisher.arrived(envelope.id);
}

function banner(name, text) {
  byId(name).hidden = !text;
  setText(byId(`${name}-text`), text);
}

// Follows one org from the beginning of its retained history on. `token` gives a promise of a token, and a newer one each time.
function startFollowing(token, on = {}) {
  board.reset();
  connection.reset();
  board.waiting(true);
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
        board.waiting(false);
        if (connection.opened(data)) learnKinds();
        on.opened?.(data);
      },
      caughtUp: () => connection.caughtUp(),
      gap({ reason, oldest }) {
        board.reset();
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
  if (!found.size || JSON.stringify([...found]) === JSON.stringify([...board.kinds])) return;
  board.learn(found);
  // A schema is anyone's: one that cannot be shown keeps no stream waiting.
  for (const view of [catalogue, publisher]) {
    try {
      view.show(found);
    } catch (error) {
      reportError(error);
    }
  }
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
    const token = async () => {
      const ready = given;
      given = null;
      return ready?.org === org ? ready.token : (await session.demoToken(org))?.token;
    };
    startFollowing(token, { refused: () => askForToken('This server is no longer the demo. Paste a token for it.') });
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
  following = null;
  session.keepToken('');
  connection.refused();
  publisher.wantToken(true);
  banner('notice', '');
  if (why) setText(byId('token-why'), why);
  byId('token-form').hidden = false;
  byId('main').dataset.asking = '';
  byId('forget').hidden = true;
  byId('orgs').hidden = true;
  byId('org').hidden = true;
  byId('token').focus();
}

function startWithToken(token) {
  if (session.keptToken() !== token) session.keepToken('');
  byId('token-form').hidden = true;
  delete byId('main').dataset.asking;
  byId('orgs').hidden = true;
  let isEnding = false;
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
      async refused(message) {
        const mine = following;
        const why = await session.whyRefused(token);
        if (following === mine) askForToken(why || (isEnding ? 'The token has ended. Paste another one to go on.' : message));
      },
      expiring({ expiresAt }) {
        isEnding = true;
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
  byId('forget').addEventListener('click', () => {
    board.reset();
    connection.reset();
    askForToken('Paste the token to go on with.');
  });
  byId('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const token = byId('token').value.trim();
    byId('token').value = '';
    if (!token) return;
    session.keepToken(byId('keep').checked ? token : '');
    startWithToken(token);
  });
  setInterval(() => connection.second(Date.now()), 1000);
  connection.reset();
  board.waiting(true);
  await learnKinds();
  if (!board.kinds.size) catalogue.show(board.kinds);
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
