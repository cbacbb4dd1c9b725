// Light or dark: as the system has it, until somebody says otherwise on this page.

import { setText } from './dom.js';

const KEPT = 'redline.theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // storage is switched off: then it is as the system has it
  }
}

function keep(theme) {
  try {
    localStorage.setItem(KEPT, theme);
  } catch {
    // as above
  }
}

export function startTheme(button) {
  let theme = kept();
  const isDark = () => (theme ? theme === 'dark' : dark.matches);
  // The button says what it gives.
  const show = () => {
    if (theme) document.documentElement.dataset.theme = theme;
    setText(button, isDark() ? 'Light theme' : 'Dark theme');
  };
  button.addEventListener('click', () => {
    theme = isDark() ? 'light' : 'dark';
    keep(theme);
    show();
  });
  dark.addEventListener('change', show);
  show();
}
