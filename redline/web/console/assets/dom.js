// The law of this module: text enters the page as text. Nothing here takes markup, and the page's policy would not let it.

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
