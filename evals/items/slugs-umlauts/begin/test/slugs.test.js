import assert from "node:assert/strict";
import test from "node:test";

import { slug } from "../src/index.js";

test("words are joined by dashes", () => {
  assert.equal(slug("Hello, World!"), "hello-world");
  assert.equal(slug("  C++ & Rust  "), "c-rust");
});

test("long slugs are cut between words", () => {
  assert.equal(slug("one two three", { max: 8 }), "one-two");
  assert.equal(slug("one two three", { max: 7 }), "one-two");
  assert.equal(slug("extraordinarily", { max: 5 }), "extra");
});
