// How values are shown. Nothing here touches the page.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });
const whole = new Intl.NumberFormat();

function formatted(format, moment) {
  const value = typeof moment === 'number' ? moment : Date.parse(moment);
  return Number.isNaN(value) ? '–' : format.format(value);
}

export const timeOf = (moment) => formatted(clock, moment);
export const dayOf = (moment) => formatted(day, moment);

export const number = (value) => (value === null ? 'Unlimited' : typeof value === 'number' ? whole.format(value) : '–');

export function duration(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
}

export const words = (name) => String(name).replaceAll('_', ' ');

// `runId` as people write it.
export function humanised(name) {
  const spaced = String(name).replace(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll('_', ' ').toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

// The first characters of a text, never half of one.
export function clip(text, most) {
  if (text.length <= most) return text;
  const last = text.charCodeAt(most - 1);
  return `${text.slice(0, last >= 0xd800 && last <= 0xdbff ? most - 1 : most)}…`;
}

// Only what the kind promises: a link to anything but http and https is shown, never followed.
export function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : null;
  } catch {
    return null;
  }
}
