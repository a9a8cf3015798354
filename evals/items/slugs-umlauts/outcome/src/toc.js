import { slug } from "./slug.js";

/** Slugs for all headings of a page; a second one of the same name gets `-2`, and so on, skipping what is
 *  taken. One that leaves nothing is `section`. */
export function slugs(headings, options) {
  const taken = new Set();
  return headings.map((heading) => {
    const name = slug(heading, options) || "section";
    let unique = name;
    for (let count = 2; taken.has(unique); count += 1) unique = `${name}-${count}`;
    taken.add(unique);
    return unique;
  });
}
