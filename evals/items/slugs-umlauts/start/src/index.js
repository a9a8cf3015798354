export { slug } from "./slug.js";
export { slugs } from "./toc.js";
