const GRAMS = { g: 1, oz: 28.35, lb: 453.6, kg: 1000 };

export function convert(amount, from, to) {
  if (!(from in GRAMS) || !(to in GRAMS)) throw new RangeError(`no such unit: ${from in GRAMS ? to : from}`);
  return (amount * GRAMS[from]) / GRAMS[to];
}
