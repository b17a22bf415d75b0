// Amounts for people: about three digits and a unit, as the agent's own texts have them.

const byteUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const counts = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

const digits = (value, whole) => whole || value >= 99.95 ? value.toFixed(0) : String(Math.round(value * 10) / 10);

export const count = (value) => counts.format(value ?? 0);

export function bytes(value) {
  let unit = 0;
  while (value >= 999.5 && unit < byteUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${digits(value, unit === 0)} ${byteUnits[unit]}`;
}

export const rate = (perSecond) => perSecond > 0 ? `${bytes(perSecond)}/s` : "0";

export const perSecond = (value) => value > 0 ? `${value < 99.95 ? Math.round(value * 10) / 10 : counts.format(value)}/s` : "0";

/** Both what reads well and what is exact. */
export const exactBytes = (value) => value < 1000 ? `${count(value)} B` : `${bytes(value)} (${count(value)} B)`;

export function duration(seconds) {
  if (seconds < 999.5e-9) return `${digits(seconds * 1e9, true)} ns`;
  if (seconds < 999.5e-6) return `${digits(seconds * 1e6, false)} µs`;
  if (seconds < 0.9995) return `${digits(seconds * 1e3, false)} ms`;
  if (seconds < 99.95) return `${digits(seconds, false)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds) % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
}

export const percent = (share) => `${Math.round(share * 10000) / 100} %`;

export const timeOfDay = (date) => clock.format(date);

export const dateAndTime = (date) => moment.format(date);

export function ago(date, now) {
  const seconds = Math.max(0, (now - date) / 1000);
  if (seconds < 1.5) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return dateAndTime(date);
}

/** "connection_refused" as words. */
export const words = (name) => name === "_OTHER" ? "another error" : name.replaceAll("_", " ");
