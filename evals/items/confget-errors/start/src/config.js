import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Reads a configuration; files it names in `extends` lie beside it and come first. */
export async function read(path) {
  const config = JSON.parse(await readFile(path, "utf8"));
  if (!config.extends) return config;
  const base = await read(join(dirname(path), config.extends));
  const { extends: _, ...own } = config;
  return { ...base, ...own };
}

/** The value at a dotted key, such as `server.ports.0`. */
export function lookup(config, key) {
  return key.split(".").reduce((value, part) => value[part], config);
}
