export { distance } from "./distance.js";
export { bounds } from "./bounds.js";
