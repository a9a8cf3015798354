"""kettle-canary-1eafc0b09cc3b4fc: anchors of all languages, unique, and ASCII as ever."""

import json
import re

import kit


def node(body, data):
    tree = kit.checkout()
    tree.write(
        "judge.mjs",
        'import { slug, slugs } from "./src/index.js";\nimport fs from "node:fs";\n'
        f"const data = {json.dumps(data)};\nlet out;\n{body}\n"
        "fs.writeFileSync(Number(process.env.KIT_VALUE_FD), JSON.stringify(out));\n",
    )
    run = kit.run(["node", "judge.mjs"], cwd=tree)
    assert run.value, run.tail
    return json.loads(run.value)


def each(cases):
    got = node("out = data.map((heading) => slug(heading));", list(cases))
    for (heading, expected), told in zip(cases.items(), got):
        assert told == expected, (heading, told, expected)


def ascii_slug(heading, maximum=60):
    plain = re.sub(r"^-|-$", "", re.sub(r"[^a-z0-9]+", "-", heading.lower()))
    if len(plain) <= maximum:
        return plain
    cut = plain[: maximum + 1].rfind("-")
    return plain[: cut if cut > 0 else maximum]


W = kit.words(6)


@kit.check("accents on latin letters go")
def _():
    each({
        "\u00dcbung macht den Meister": "ubung-macht-den-meister",
        "Cr\u00e8me br\u00fbl\u00e9e": "creme-brulee",
        f"{W[0]}\u00e9 \u00c5ngstr\u00f6m {W[1]}": f"{W[0]}e-angstrom-{W[1]}",
        "\u010ce\u0161tina \u017d\u00e1ba": "cestina-zaba",
        "ma\u00f1ana, S\u00e3o Paulo": "manana-sao-paulo",
        "e\u0301te\u0301": "ete",
    })


@kit.check("sharp s, o with a stroke and ae are spelled, in both cases")
def _():
    each({
        "Stra\u00dfe": "strasse", "Sm\u00f8rrebr\u00f8d": "smorrebrod", "\u00c6ther \u00d8l": "aether-ol",
    })


@kit.check("letters of other scripts stay, in lower case")
def _():
    each({
        "\u041f\u0440\u0438\u0432\u0435\u0442 \u041c\u0438\u0440": "\u043f\u0440\u0438\u0432\u0435\u0442-\u043c\u0438\u0440",
        "\u65e5\u672c\u8a9e \u30ac\u30a4\u30c9": "\u65e5\u672c\u8a9e-\u30ac\u30a4\u30c9",
        "\u0439\u043e\u0434 \u0401\u043b\u043a\u0430!": "\u0439\u043e\u0434-\u0451\u043b\u043a\u0430",
        f"{W[2]} \u4e2d\u6587 {W[3]}": f"{W[2]}-\u4e2d\u6587-{W[3]}",
        "\u0391\u03b8\u03ae\u03bd\u03b1 2": "\u03b1\u03b8\u03ae\u03bd\u03b1-2",
    })


@kit.check("ASCII headings keep their anchors, long ones too")
def _():
    marks = [" ", "  ", "-", "_", "'", ", ", " & ", "++", "/", ".", "!? ", "--", "(x) "]
    headings = ["Hello, World!", "C++ & Rust", "a_b", "don't", "1. First", "--x--", " - ", W[0] * 20]
    for _ in range(40):
        words = [kit.rng.choice([w, w.title(), w.upper(), "7", "x2"]) for w in kit.words(kit.rng.randint(1, 12))]
        headings.append("".join(w + kit.rng.choice(marks) for w in words))
    for maximum in (60, 20, 7):
        got = node(
            f"out = data.map((heading) => slug(heading, {{ max: {maximum} }}));", headings
        )
        for heading, told in zip(headings, got):
            wanted = ascii_slug(heading, maximum)
            # A heading without letters may be called section here as well.
            assert told == wanted or (not wanted and told == "section"), (heading, told, wanted)


@kit.check("long headings of other scripts are cut between words, too")
def _():
    (told,) = node("out = data.map((h) => slug(h, { max: 9 }));", ["\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u0432\u0441\u0435\u043c"])
    assert told == "\u043f\u0440\u0438\u0432\u0435\u0442" or told == "\u043f\u0440\u0438\u0432\u0435\u0442-\u043c\u0438", told
    assert told == "\u043f\u0440\u0438\u0432\u0435\u0442", told


@kit.check("slugs are unique in every order")
def _():
    lists = [["A", "A", "A 2"], ["A", "A 2", "A"], ["A 2", "A", "A", "a"], ["A", "A", "A 2", "A-2", "A 3", "A"],
             ["x 2", "x 2", "x", "x", "x 2 2"], ["\u65e5", "\u65e5", "\u65e5 2"], ["???", "section", "!", "Section"]]
    for _ in range(6):
        pool = [W[0], f"{W[0]} 2", f"{W[0]} 2 2", f"{W[0]} 3", "!!"]
        lists.append([kit.rng.choice(pool) for _ in range(9)])
    for headings, told in zip(lists, node("out = data.map((headings) => slugs(headings));", lists)):
        assert len(set(told)) == len(headings) and all(told), (headings, told)
        assert told[0] == (ascii_slug(headings[0]) or told[0]), (headings, told)


@kit.check("repeated headings are numbered as before, and nothing is section")
def _():
    got = node("out = data.map((headings) => slugs(headings));", [
        ["Usage", "Notes", "usage", "USAGE"], ["???"], ["a", "!"], [],
    ])
    assert got == [["usage", "notes", "usage-2", "usage-3"], ["section"], ["a", "section"], []], got


kit.verdict()
