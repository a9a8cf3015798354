/** Letters that are no letter with a mark, and how they are written without. */
const SPELLED = { "\u00df": "ss", "\u00e6": "ae", "\u0153": "oe", "\u00f8": "o", "\u0142": "l", "\u0111": "d", "\u00fe": "th" };

/**
 * A slug for a heading: lower case, words joined by dashes. Marks on letters go, and marks that are
 * on no letter (an emoji's); letters of other scripts stay.
 *
 * @param {string} heading
 * @param {{ max?: number }} options `max` cuts at a dash, so that no word is cut in two
 */
export function slug(heading, { max = 60 } = {}) {
  const plain = heading
    .toLowerCase()
    .replace(/[\u00df\u00e6\u0153\u00f8\u0142\u0111\u00fe]/g, (letter) => SPELLED[letter])
    .normalize("NFD")
    .replace(/(\p{Script=Latin})\p{M}+/gu, "$1")
    .replace(/(^|[^\p{L}\p{M}])\p{M}+/gu, "$1")
    .normalize("NFC")
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, "-")
    .replace(/^-|-$/g, "");
  if (plain.length <= max) return plain;
  const cut = plain.slice(0, max + 1).lastIndexOf("-");
  return plain.slice(0, cut > 0 ? cut : max);
}
