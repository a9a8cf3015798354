import assert from "node:assert/strict";
import { test } from "node:test";
import { bounds } from "../src/index.js";

test("bounds", () => assert.deepEqual(bounds([[1, 2], [3, 0]]), [1, 0, 3, 2]));
