import { ConfigError, lookup, read } from "./config.js";

const USAGE = "usage: confget [--default VALUE] FILE KEY...";
const MISSING = 1;
const TROUBLE = 2;

/**
 * The command line.
 *
 * @returns {Promise<number>} 0; 1 when a key is missing and has no default; 2 when there is no
 *   usable configuration or the command line is wrong
 */
export async function run(argv, out, err) {
  let fallback;
  if (argv[0] === "--default") {
    fallback = argv[1];
    argv = argv.slice(2);
  }
  const [file, ...keys] = argv;
  if (file === undefined || keys.length === 0) {
    err.write(`${USAGE}\n`);
    return TROUBLE;
  }
  try {
    const config = await read(file);
    const values = keys.map((key) => lookup(config, key));
    if (fallback === undefined && values.includes(undefined)) return MISSING;
    for (const value of values) out.write(`${text(value ?? fallbackFor(value, fallback))}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    err.write(`confget: ${error.message}\n`);
    return TROUBLE;
  }
}

/** A value of null is there, and is no reason for the default. */
function fallbackFor(value, fallback) {
  return value === null ? null : fallback;
}

/** Text as it is, everything else as JSON. */
function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
