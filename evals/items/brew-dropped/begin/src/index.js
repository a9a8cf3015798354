export { scale } from "./scale.js";
export { convert } from "./units.js";
export { text } from "./text.js";
