const UNITS = { h: 60, m: 1 };

/** Minutes of a text such as "1h 20m". */
export function parse(text) {
  let total = 0;
  for (const part of text.trim().split(/\s+/)) {
    const found = /^(\d+)([hm])$/.exec(part);
    if (!found) throw new TypeError(`not a number of minutes: ${part}`);
    total += Number(found[1]) * UNITS[found[2]];
  }
  return total;
}
