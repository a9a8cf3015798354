/**
 * A slug for a heading: lower case, words joined by dashes.
 *
 * @param {string} heading
 * @param {{ max?: number }} options `max` cuts at a dash, so that no word is cut in two
 */
export function slug(heading, { max = 60 } = {}) {
  const plain = heading
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  if (plain.length <= max) return plain;
  const cut = plain.slice(0, max + 1).lastIndexOf("-");
  return plain.slice(0, cut > 0 ? cut : max);
}
