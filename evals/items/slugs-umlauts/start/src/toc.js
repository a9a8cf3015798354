import { slug } from "./slug.js";

/** Slugs for all headings of a page; a second one of the same name gets `-2`, and so on. */
export function slugs(headings, options) {
  const seen = new Map();
  return headings.map((heading) => {
    const name = slug(heading, options);
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name}-${count}`;
  });
}
