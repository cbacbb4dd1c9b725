// The form that publishes one event: made from its kind's schema, checked by the server, with the server's errors beside the fields.
// The law of this module: one submission is one event, however often the button is hit and whatever becomes of the answer.

import { bdi, byId, clipped, copyButton, make, setText } from './dom.js';
import { clip, number } from './format.js';
import { formOf } from './form.js';
import { complaint } from './session.js';

const ENVELOPE = {
  type: 'object',
  properties: {
    key: { type: 'string', title: 'Key', maxLength: 128, description: 'An idempotency key: the same key within its window gives the first id again.' },
    at: { type: 'string', title: 'At', format: 'date-time', description: 'When it happened, for display; left out, it is now.' },
    org: { type: 'string', title: 'Org', maxLength: 128, description: 'Only for a token that may publish anywhere (org *).' },
  },
};
const MOST_EARLY = 500;
const UNKNOWN = 500; // from this status on an answer may say nothing of whether the event was taken

export class Publisher {
  #kinds = new Map();
  #token;
  #form = null;
  #envelope = formOf(ENVELOPE, ENVELOPE);
  // What was published last, until it has come over the stream; and what came while an answer was awaited.
  #published = {};
  #sending = false;
  // What was sent last and not answered for, with the key that it was sent under: sent again as it is, it is the same event.
  #open = { text: '', key: '' };
  #early = new Map();

  // `token()` gives a promise of a token that may publish, or '' where one has to be pasted; `needsToken()` says whether that is so.
  constructor(token) {
    this.#token = token;
    byId('publish-envelope').append(this.#envelope.element);
    byId('publish-kind').addEventListener('change', () => this.#choose());
    byId('publish-form').addEventListener('input', () => this.#preview());
    byId('request').prepend(copyButton('Copy', () => byId('request-text').textContent, () => byId('request-text')));
    byId('publish-example').addEventListener('click', () => this.#fillIn());
    byId('publish-check').addEventListener('click', () => this.#send(true));
    // The second half of a double click, which may come after the answer to the first. The keyboard's click has no count.
    byId('publish-send').addEventListener('click', (event) => event.detail > 1 && event.preventDefault());
    byId('publish-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send(false);
    });
  }

  show(kinds) {
    this.#kinds = kinds;
    const select = byId('publish-kind');
    const chosen = select.value;
    select.replaceChildren(...[...kinds.keys()].map((name) => {
      const option = make('option', '', name);
      option.value = name;
      return option;
    }));
    if (kinds.has(chosen)) select.value = chosen;
    else this.#choose();
  }

  // Whether somebody must paste a token to publish with.
  wantToken(wanted) {
    byId('publish-token-field').hidden = !wanted;
  }

  choose(name) {
    byId('publish-kind').value = name;
    this.#choose();
  }

  // An event has come over the stream: it may be the one that was published here, and sooner than the answer to that.
  arrived(id) {
    if (id === this.#published.id) this.#tellArrival(performance.now());
    else if (this.#sending) {
      this.#early.set(id, performance.now());
      if (this.#early.size > MOST_EARLY) this.#early.delete(this.#early.keys().next().value);
    }
  }

  #tellArrival(moment) {
    byId('publish-done').append(` It came over this page's stream ${number(Math.max(1, Math.round(moment - this.#published.sent)))} ms after it was sent.`);
    this.#published = {};
  }

  #choose() {
    const kind = this.#kinds.get(byId('publish-kind').value);
    this.#clear();
    setText(byId('publish-about'), kind?.description ?? '');
    this.#form = kind ? formOf(kind.schema ?? {}, kind.schema ?? {}, '/data', 'Data') : null;
    byId('publish-fields').replaceChildren(...(this.#form ? [this.#form.element] : []));
    byId('publish-example').disabled = !kind?.example;
    this.#fillIn();
  }

  #fillIn() {
    const example = this.#kinds.get(byId('publish-kind').value)?.example;
    if (example) this.#form.write(example);
    this.#clear();
    this.#preview();
  }

  #clear() {
    for (const field of this.#fields()) field.mark('');
    byId('publish-errors').hidden = true;
    byId('publish-errors').replaceChildren();
    setText(byId('publish-done'), '');
  }

  #fields() {
    return [...(this.#form?.fields() ?? []), ...this.#envelope.fields()];
  }

  #body() {
    return { kind: byId('publish-kind').value, data: this.#form.read() ?? {}, ...this.#envelope.read() };
  }

  #preview() {
    this.#show(this.#form && this.#body());
  }

  #show(body) {
    setText(byId('request-text'), body ? clip(JSON.stringify(body, null, 2), 20_000) : '');
  }

  // Returns the event with a key: the reader's own, that of the same event where nothing is known of it, or a new one.
  #keyed(body) {
    if (body.key !== undefined) return body;
    const text = JSON.stringify(body);
    if (text !== this.#open.text) this.#open = { text, key: newKey() };
    return { ...body, key: this.#open.key };
  }

  // Not by `disabled`, which would take the focus away from who is at the keyboard.
  #occupy(sending) {
    this.#sending = sending;
    for (const id of ['publish-send', 'publish-check']) byId(id).setAttribute('aria-disabled', String(sending));
  }

  async #send(dryRun) {
    if (!this.#form || this.#sending) return;
    this.#clear();
    const sent = performance.now();
    this.#published = {};
    this.#occupy(true);
    try {
      const token = (await this.#token()) || byId('publish-token').value.trim();
      if (!token) {
        this.#refused('A token with the scope events:publish is needed. Paste one above.', []);
        return;
      }
      const body = dryRun ? this.#body() : this.#keyed(this.#body());
      this.#show(body);
      const response = await fetch(new URL(`v1/events${dryRun ? '?dry_run=true' : ''}`, document.baseURI), {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        credentials: 'same-origin',
      });
      if (!dryRun && response.status < UNKNOWN) this.#open = { text: '', key: '' };
      await (response.ok ? this.#accepted(response, dryRun, sent) : this.#answered(response));
    } catch (error) {
      this.#refused(error.name === 'TokenError' ? error.message : 'The server cannot be reached. Nothing is known of whether it took the event.', []);
    } finally {
      this.#occupy(false);
      this.#early.clear();
    }
  }

  async #accepted(response, dryRun, sent) {
    const answer = await response.json();
    if (dryRun) {
      setText(byId('publish-done'), 'It is valid. Nothing was published.');
      return;
    }
    byId('publish-done').replaceChildren('Published as ', make('code', '', answer.id), answer.duplicate ? ': the key was used before, so this is the first one.' : '.');
    if (answer.duplicate) return;
    this.#published = { id: answer.id, sent };
    if (this.#early.has(answer.id)) this.#tellArrival(this.#early.get(answer.id));
  }

  async #answered(response) {
    const text = await response.clone().json().catch(() => null);
    this.#refused(text?.error?.message ?? (await complaint(response)), text?.error?.details ?? []);
  }

  // Says what is wrong: once above the form, with a way to each field, and at each field.
  #refused(message, details) {
    const fields = this.#fields();
    const told = new Map();
    const rest = [];
    for (const { pointer, message: words } of details) {
      const field = nearest(fields, pointer) ?? under(fields, pointer);
      if (field) told.set(field, [...(told.get(field) ?? []), pointer === field.pointer ? words : `${pointer}: ${words}`]);
      else rest.push(pointer ? `${pointer}: ${words}` : words);
    }
    for (const [field, words] of told) field.mark(words.join(' · '));
    const list = make('ul', '', ...rest.map((words) => make('li', '', clipped(words, 400))));
    for (const [field, words] of told) {
      const link = make('a', '', bdi(field.title));
      link.href = `#${field.control.id}`;
      link.addEventListener('click', (event) => {
        event.preventDefault();
        field.control.focus();
      });
      list.append(make('li', '', link, ': ', bdi(clip(words.join(' · '), 400))));
    }
    const box = byId('publish-errors');
    box.replaceChildren(make('p', '', clipped(message, 1000)), ...(list.firstChild ? [list] : []));
    box.hidden = false;
    const first = fields.find((field) => told.has(field));
    (first?.control ?? box).focus();
  }
}

// In any context, secure or not, which crypto.randomUUID is not.
const newKey = () => `console-${[...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;

// The field that `pointer` names, or whose value it points into.
function nearest(fields, pointer) {
  return fields.find((field) => pointer === field.pointer || pointer.startsWith(`${field.pointer}/`));
}

// The first field of the group that `pointer` names: a whole object that is missing.
function under(fields, pointer) {
  return pointer && pointer !== '/data' ? fields.find((field) => field.pointer.startsWith(`${pointer}/`)) : undefined;
}
