export { parse } from "./parse.js";
export { format } from "./format.js";
