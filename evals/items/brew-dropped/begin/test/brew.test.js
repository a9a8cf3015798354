import assert from "node:assert/strict";
import { test } from "node:test";
import { convert, scale, text } from "../src/index.js";

const recipe = { cups: 2, parts: [{ name: "coffee", amount: 30, unit: "g" }] };

test("scale", () => assert.equal(text(scale(recipe, 4)), "60 g coffee"));
test("convert", () => assert.equal(convert(1, "lb", "g"), 453.6));
