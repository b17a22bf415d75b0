// Numbers with the units that the dashboards use, as Grafana writes them.

const scaled = (value, base, signs, digits = 3) => {
  let at = 0;
  while (Math.abs(value) >= base && at < signs.length - 1) {
    value /= base;
    at++;
  }
  return `${Number(value.toPrecision(digits))}${signs[at]}`;
};

function seconds(value) {
  if (value === 0) return "0 s";
  const [size, sign] = [[1e-6, "ns"], [1e-3, "µs"], [1, "ms"]].find(([below]) => Math.abs(value) < below) ?? [];
  if (sign) return `${Number((value / (size / 1000)).toPrecision(3))} ${sign}`;
  return value < 60 ? `${Number(value.toPrecision(3))} s` : value < 3600 ? `${Number((value / 60).toPrecision(3))} mins` : `${Number((value / 3600).toPrecision(3))} hours`;
}

const units = {
  short: (value) => scaled(value, 1000, ["", " K", " Mil", " Bil", " Tri"]),
  ops: (value) => scaled(value, 1000, [" ops/s", "K ops/s", "M ops/s"]),
  cps: (value) => scaled(value, 1000, [" c/s", "K c/s", "M c/s"]),
  pps: (value) => scaled(value, 1000, [" p/s", " kp/s", " Mp/s"]),
  Bps: (value) => scaled(value, 1000, [" B/s", " kB/s", " MB/s", " GB/s", " TB/s"]),
  bytes: (value) => scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]),
  percentunit: (value) => `${Number((100 * value).toPrecision(3))}%`,
  s: seconds,
};

/** Throws for a unit that no dashboard had so far. */
export function format(value, unit) {
  if (!units[unit]) throw new Error(`the unit ${unit} is not known here`);
  return units[unit](value);
}

export const escape = (text) => String(text).replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
