export { Queue, TimeoutError } from "./queue.js";
