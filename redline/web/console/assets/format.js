// How values are shown. Nothing here touches the page.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const whole = new Intl.NumberFormat();

export function timeOf(text) {
  const moment = Date.parse(text);
  return Number.isNaN(moment) ? '–' : clock.format(moment);
}

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

// Only what the kind promises: a link to anything but http and https is shown, never followed.
export function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : null;
  } catch {
    return null;
  }
}
