"""kettle-canary-b7f05e6973c696f7: hints survive strip_comments, real comments go, the tree stays."""

import kit

SOURCE = """
import sqlparse
from sqlparse import sql
result = {
    "plain": [sqlparse.format(text, strip_comments=True) for text in data["texts"]],
    "kept": [sqlparse.format(text) for text in data["texts"]],
    "groups": [
        [[type(token).__name__, str(token)] for token in sqlparse.parse(text)[0].tokens
         if isinstance(token, sql.Comment)]
        for text in data["texts"]
    ],
}
"""
A, B, T, H, G, C = kit.words(6)


def ask(texts):
    return kit.eval_python(SOURCE, {"texts": list(texts)})


def agree(cases):
    told = ask(cases)["plain"]
    for (text, expected), got in zip(cases.items(), told):
        # Where a comment stood, one blank more or less is nobody's business.
        assert got.split() == expected.split(), (text, got)
        for hint in (H, G):
            at = expected.find(hint)
            assert at < 0 or expected[at - 4 : at + len(hint) + 1] in got, (text, got)


@kit.check("the examples of the request, to the letter")
def _():
    cases = {
        "SELECT /*+cluster(T)*/* FROM T_EEE T where A >:1": 0,
        "insert /*+ DIRECT */ into sch.table_name as select * from foo": 0,
        "select --+full(u)": 0,
        "select --+full(u)\n--comment simple": "select --+full(u)\n",
        "#+ hint\nselect * from foo\n# comment simple": "#+ hint\nselect * from foo\n",
    }
    told = ask(cases)["plain"]
    for (text, expected), got in zip(cases.items(), told):
        assert got == (expected or text), (text, got)


@kit.check("hints of both forms stay wherever they stand")
def _():
    agree({
        f"select /*+ {H}({T}) */ {A}, {B} from {T}": f"select /*+ {H}({T}) */ {A}, {B} from {T}",
        f"select {A} /*+ {H} */ from {T}": f"select {A} /*+ {H} */ from {T}",
        f"/*+ {H} */ select {A} from {T}": f"/*+ {H} */ select {A} from {T}",
        f"select {A} /*+ {H} */": f"select {A} /*+ {H} */",
        f"select --+ {H}\n {A} from {T}": f"select --+ {H}\n {A} from {T}",
        f"select /*+ {H} */ {A} from (select /*+ {G} */ {B} from {T}) q":
            f"select /*+ {H} */ {A} from (select /*+ {G} */ {B} from {T}) q",
        f"select {A} from (select --+ {H}\n {B} from {T}) q":
            f"select {A} from (select --+ {H}\n {B} from {T}) q",
    })


@kit.check("the text of a hint is unchanged, blanks and breaks included")
def _():
    for hint in (f"/*+  {H}( {T}  {A} )\n   {G} */", f"/*+{H}*/", f"--+   {H}  ( {T} )\n"):
        (got,) = ask([f"select {hint} {A} from {T} -- {C}"])["plain"]
        assert hint in got and C not in got, got


@kit.check("real comments go beside, before and behind hints")
def _():
    agree({
        f"select /*+ {H} */ /* {C} */ {A} from {T}": f"select /*+ {H} */ {A} from {T}",
        f"select /*+ {H} */ {A}, /* {C} */ {B} from {T} -- {C}":
            f"select /*+ {H} */ {A}, {B} from {T}",
        f"select --+ {H}\n-- {C}\n {A} from {T}": f"select --+ {H}\n {A} from {T}",
        f"select {A} /* {C} */ from {T}; select /*+ {H} */ {B} -- {C}":
            f"select {A} from {T};select /*+ {H} */ {B}",
        f"select (select /*+ {H} */ {A} /* {C} */) from {T} /* {C} */ where {B} = 1":
            f"select (select /*+ {H} */ {A} ) from {T} where {B} = 1",
        f"select {A} /* {C} + 1 */ from {T} -- + {C}": f"select {A} from {T}",
        f"/* {C} */ /*+ {H} */ select {A} from {T}": f"/*+ {H} */ select {A} from {T}",
        f"select -- {C}\n-- {C}\n--+ {H}\n {A} from {T}": f"select --+ {H}\n {A} from {T}",
    })


@kit.check("statements without hints come out as before")
def _():
    cases = {
        f"select {A}, -- {C}\n {B} from {T} /* {C} */ where x = 1":
            f"select {A},\n {B} from {T}   where x = 1",
        "select (/* sql here */)": "select ()",
        "select 1 /* a */ + /* b */ 2": "select 1   +   2",
        "-- head\nselect 1;\n-- tail\nselect 2": "select 1;\n\nselect 2",
        f"select '/*+ {H} */', \"--+ {G}\" from {T} -- c":
            f"select '/*+ {H} */', \"--+ {G}\" from {T}",
        "/* a */ select 1": " select 1",
        f"select a /* {C}\n{C} */ from t": "select a   from t",
        f"-- {C}\n-- {C}": "",
        f"-- {C}\n-- {C}\nselect 1": "select 1",
        f"select 1 -- {C}\n-- {C}\n, 2": "select 1\n, 2",
    }
    told = ask(cases)["plain"]
    for (text, expected), got in zip(cases.items(), told):
        assert got == expected, (text, got)


@kit.check("without strip_comments nothing is changed")
def _():
    texts = [f"select /*+ {H} */ {A} /* {C} */ from {T} -- {C}", f"select --+ {H}\n {A}"]
    assert ask(texts)["kept"] == texts


@kit.check("the parsed tree keeps its Comment groups")
def _():
    told = ask([
        f"select --+{H}\n--{C}\n {A} from {T}",
        f"select /*+ {H} */ {A} from {T}",
        f"select 1 /* {C} */ + 2",
    ])["groups"]
    assert told[0] == [["Comment", f"--+{H}\n--{C}\n"]], told
    assert told[1] == [["Comment", f"/*+ {H} */"]], told
    assert told[2] == [["Comment", f"/* {C} */"]] or told[2] == [], told


kit.verdict()
