import assert from "node:assert/strict";
import test from "node:test";

import { slug, slugs } from "../src/index.js";

test("words are joined by dashes", () => {
  assert.equal(slug("Hello, World!"), "hello-world");
  assert.equal(slug("  C++ & Rust  "), "c-rust");
});

test("long slugs are cut between words", () => {
  assert.equal(slug("one two three", { max: 8 }), "one-two");
  assert.equal(slug("one two three", { max: 7 }), "one-two");
  assert.equal(slug("extraordinarily", { max: 5 }), "extra");
});

test("repeated headings are numbered", () => {
  assert.deepEqual(slugs(["Usage", "Notes", "usage"]), ["usage", "notes", "usage-2"]);
});

test("marks go, other scripts stay", () => {
  assert.equal(slug("\u00dcbung macht den Meister"), "ubung-macht-den-meister");
  assert.equal(slug("Cr\u00e8me br\u00fbl\u00e9e"), "creme-brulee");
  assert.equal(slug("Stra\u00dfe"), "strasse");
  assert.equal(slug("\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440"), "\u043f\u0440\u0438\u0432\u0435\u0442-\u043c\u0438\u0440");
  assert.equal(slug("\u65e5\u672c\u8a9e"), "\u65e5\u672c\u8a9e");
});

test("slugs never collide", () => {
  assert.deepEqual(slugs(["A", "A", "A 2", "A-2"]), ["a", "a-2", "a-2-2", "a-2-3"]);
  assert.deepEqual(slugs(["!!!", "???"]), ["section", "section-2"]);
});
