// Which view is shown: the one that the address's fragment names. So the browser's back button works, and a view can be bookmarked.

import { byId } from './dom.js';

// Returns {current, show(name)}. `changed(name)` is called with the view that is shown.
export function startTabs(nav, changed) {
  const links = [...nav.querySelectorAll('a')];
  const names = links.map((link) => link.hash.slice(1));
  const tabs = {
    current: names[0],
    show(name) {
      location.hash = name;
    },
  };
  const show = (moved) => {
    const named = location.hash.slice(1);
    tabs.current = names.includes(named) ? named : names[0];
    for (const link of links) {
      if (link.hash.slice(1) === tabs.current) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    for (const name of names) byId(name).hidden = name !== tabs.current;
    document.body.dataset.view = tabs.current;
    // Whoever came by the keyboard goes on from the view that was asked for.
    if (moved && names.includes(named)) byId(named).focus({ preventScroll: true });
    changed(tabs.current);
  };
  addEventListener('hashchange', () => show(true));
  show(false);
  return tabs;
}
