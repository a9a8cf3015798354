import assert from "node:assert/strict";
import { test } from "node:test";
import { format, parse } from "../src/index.js";

test("there and back", () => {
  for (const text of ["5m", "1h", "1h 20m"]) assert.equal(format(parse(text)), text);
});

test("nonsense is refused", () => assert.throws(() => parse("soon"), TypeError));
