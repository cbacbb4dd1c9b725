// Light or dark: as the system has it, until somebody says otherwise on this page.

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
  const show = () => {
    const isDark = theme ? theme === 'dark' : dark.matches;
    if (theme) document.documentElement.dataset.theme = theme;
    button.setAttribute('aria-pressed', String(isDark));
  };
  button.addEventListener('click', () => {
    theme = button.getAttribute('aria-pressed') === 'true' ? 'light' : 'dark';
    keep(theme);
    show();
  });
  dark.addEventListener('change', show);
  show();
}
