import { readFile } from "node:fs/promises";

/** Reads a configuration. */
export async function read(path) {
  return JSON.parse(await readFile(path, "utf8"));
}

/** The value at a dotted key, such as `server.ports.0`. */
export function lookup(config, key) {
  return key.split(".").reduce((value, part) => value[part], config);
}
