import { lookup, read } from "./config.js";

/**
 * The command line: confget FILE KEY...
 *
 * @returns {Promise<number>} the exit code
 */
export async function run(argv, out) {
  const [file, ...keys] = argv;
  const config = await read(file);
  for (const key of keys) {
    out.write(`${text(lookup(config, key))}\n`);
  }
  return 0;
}

/** Text as it is, everything else as JSON. */
function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
