// The law of this module: text enters the page as text. Nothing here takes markup, and the page's policy would not let it.

import { clip, number } from './format.js';

const LONGEST = 600;

export const byId = (id) => document.getElementById(id);

// Sets only what differs, so that an idle page is not laid out again, nor a selection in it lost.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

export function button(text, act, className = '') {
  const element = make('button', className, text);
  element.type = 'button';
  element.addEventListener('click', act);
  return element;
}

// Text from the stream, in an element of its own: what it holds of marks for the writing direction ends where it ends.
export const bdi = (text, className = '') => make('bdi', className, String(text));

// The same for text of any length: cut, with a button that shows it all in a box of a bounded height.
export function clipped(text, most = LONGEST, className = '') {
  const whole = String(text);
  const shown = bdi(clip(whole, most));
  const element = make('span', `clipped ${className}`.trim(), shown);
  if (whole.length <= most) return element;
  const more = button(`Show all ${number(whole.length)} characters`, () => {
    const open = element.classList.toggle('open');
    shown.textContent = open ? whole : clip(whole, most);
    if (open) shown.tabIndex = 0;
    else shown.removeAttribute('tabindex');
    more.textContent = open ? 'Show less' : `Show all ${number(whole.length)} characters`;
    more.setAttribute('aria-expanded', String(open));
  }, 'more');
  more.setAttribute('aria-expanded', 'false');
  element.append(more);
  return element;
}

// Copies what `text()` gives. Where the browser has no clipboard for this page (no TLS), `beside` is selected, ready to be copied by hand.
export function copyButton(label, text, beside) {
  const element = button(label, async () => {
    try {
      await navigator.clipboard.writeText(text());
      said('Copied');
    } catch {
      const range = document.createRange();
      range.selectNodeContents(beside());
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      said('Selected: copy it');
    }
  }, 'small');
  element.setAttribute('aria-live', 'polite');
  const said = (words) => {
    element.textContent = words;
    setTimeout(() => {
      element.textContent = label;
    }, 1500);
  };
  return element;
}

// A part of the live view: a heading with a tally, and what the view puts below it.
export function panel(name, title, empty, ...children) {
  const heading = make('h2', '', title);
  heading.id = `${name}-title`;
  const tally = make('p', 'tally');
  const waiting = make('p', 'empty', empty);
  waiting.dataset.empty = empty;
  const element = make('section', `panel ${name}`, make('div', 'head', heading, tally), ...children, waiting);
  element.setAttribute('aria-labelledby', heading.id);
  return { element, tally };
}

// A list that scrolls by itself, and that the keyboard reaches.
export function scroller(name) {
  const element = make('ul', 'list');
  element.tabIndex = 0;
  element.setAttribute('aria-labelledby', `${name}-title`);
  return element;
}

// Keeps a list's elements in step with `items`, in their order: one element for each key, made once and updated, moved only where it must be.
// A scroll position away from the top stays where the reader has put it.
export class KeyedList {
  #parent;
  #make;
  #update;
  #rows = new Map();

  constructor(parent, makeRow, updateRow) {
    this.#parent = parent;
    this.#make = makeRow;
    this.#update = updateRow;
  }

  // Forgets every row: what comes next is of another stream, whose keys and versions may be the same.
  clear() {
    for (const row of this.#rows.values()) row.element.remove();
    this.#rows.clear();
  }

  render(items) {
    const keep = new Set(items.map((item) => item.key));
    for (const [key, row] of this.#rows) {
      if (!keep.has(key)) {
        row.element.remove();
        this.#rows.delete(key);
      }
    }
    let place = this.#parent.firstElementChild;
    for (const item of items) {
      let row = this.#rows.get(item.key);
      if (!row) {
        row = this.#make(item);
        this.#rows.set(item.key, row);
      }
      if (row.seen !== item.version) {
        row.seen = item.version;
        this.#update(row, item);
      }
      if (row.element === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(row.element, place);
    }
  }
}

// Rows by key, at most `most` of them: the oldest goes, of those that `first` names where there are any.
export class Rows extends Map {
  constructor(most, first = () => false) {
    super();
    this.most = most;
    this.first = first;
    this.all = 0;
  }

  put(row) {
    if (!this.has(row.key)) this.all += 1;
    this.set(row.key, row);
    if (this.size <= this.most) return;
    for (const [key, each] of this) {
      if (this.first(each)) {
        this.delete(key);
        return;
      }
    }
    this.delete(this.keys().next().value);
  }

  clear() {
    super.clear();
    this.all = 0;
  }

  // What a bounded list says of itself.
  bound() {
    return this.all > this.size ? `last ${number(this.size)} of ${number(this.all)}` : '';
  }
}

// Lets a row that came live stand out for a moment: the style sheet's own time, so that no timer holds a row that is gone.
export function announce(element, fresh) {
  if (fresh) element.classList.add('fresh');
}
