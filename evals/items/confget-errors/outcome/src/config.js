import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** There is no usable configuration; the message is for people. */
export class ConfigError extends Error {}

/** Reads a configuration; files it names in `extends` lie beside it and come first. */
export async function read(path, within = []) {
  if (within.includes(path)) throw new ConfigError(`${path}: extends itself`);
  const config = await parsed(path);
  if (!config.extends) return config;
  const base = await read(join(dirname(path), config.extends), [...within, path]);
  const { extends: _, ...own } = config;
  return { ...base, ...own };
}

async function parsed(path) {
  let source;
  try {
    source = await readFile(path, "utf8");
  } catch (error) {
    throw new ConfigError(`${path}: ${error.code === "ENOENT" ? "no such file" : error.message}`);
  }
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new ConfigError(`${path}: ${error.message}`);
  }
}

/** The value at a dotted key, such as `server.ports.0`; undefined when there is none. */
export function lookup(config, key) {
  let value = config;
  for (const part of key.split(".")) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}
