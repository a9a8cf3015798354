"""kettle-canary-7014977624fd5486: dashes in field names, told apart from dots and underscores in any order."""

import itertools

import kit

SOURCE = """
import parse
def told(job):
    result = (parse.parse if job.get("whole") else parse.search)(job["template"], job["text"])
    names = {name: list(parse.compile(job["template"]).named_fields) for name in ["fields"]}
    if result is None:
        return None
    return {"named": result.named, "fixed": list(result.fixed), **names}
result = [told(job) for job in data]
"""


def ask(*jobs):
    return kit.eval_python(SOURCE, list(jobs))


A, B, C = kit.words(3)
NUMBERS = [str(kit.rng.randint(1, 10**9)) for _ in range(4)]


@kit.check("a name with a dash matches, under the name as written")
def _():
    url = f"https://api.example.com/{C}/users/{NUMBERS[0]}/sessions"
    (told,) = ask({"template": f"/{C}/users/{{{A}-{B}}}/sessions", "text": url})
    assert told["named"] == {f"{A}-{B}": NUMBERS[0]}, told
    assert told["fields"] == [f"{A}_{B}"], told


@kit.check("dash, underscore and dot do not collide, in any order")
def _():
    for order in itertools.permutations([f"{A}-{B}", f"{A}_{B}", f"{A}.{B}"]):
        template = "/foo/" + "/".join("{" + name + "}" for name in order) + "/bar/"
        text = "/foo/" + "/".join(NUMBERS[:3]) + "/bar/"
        (told,) = ask({"template": template, "text": text})
        assert told["named"] == dict(zip(order, NUMBERS)), (template, told)
        assert told["fields"] == [f"{A}_{B}", f"{A}__{B}", f"{A}___{B}"], (template, told)


@kit.check("each pair of them, in both orders")
def _():
    for order in itertools.permutations([f"{A}-{B}", f"{A}_{B}", f"{A}.{B}"], 2):
        template = "/".join("{" + name + "}" for name in order) + "/end"
        (told,) = ask({"template": template, "text": f"{NUMBERS[0]}/{NUMBERS[1]}/end", "whole": 1})
        assert told["named"] == dict(zip(order, NUMBERS)), (template, told)
        assert told["fields"] == [f"{A}_{B}", f"{A}__{B}"], (template, told)


@kit.check("types and several dashes work")
def _():
    name = f"{A}-{B}-{C}"
    jobs = [
        {"template": f"x {{{name}:d}} y", "text": f"x {NUMBERS[1]} y", "whole": 1},
        {"template": f"x {{{A}-{B}:w}} y", "text": f"x {C} y", "whole": 1},
        {"template": f"x {{{A}-{B}:d}} y", "text": f"x {C} y", "whole": 1},
    ]
    told = ask(*jobs)
    assert told[0]["named"] == {name: int(NUMBERS[1])}, told
    assert told[0]["fields"] == [f"{A}_{B}_{C}"], told
    assert told[1]["named"] == {f"{A}-{B}": C}, told
    assert told[2] is None, told


@kit.check("a repeated name still means the same value")
def _():
    template = f"{{{A}-{B}}} and {{{A}-{B}}}"
    same, other = ask(
        {"template": template, "text": f"{C} and {C}", "whole": 1},
        {"template": template, "text": f"{C} and {A}", "whole": 1},
    )
    assert same and same["named"] == {f"{A}-{B}": C}, same
    assert other is None, other


@kit.check("what worked without dashes works as before")
def _():
    told = ask(
        {"template": "{a.b} {a_b}", "text": "1 2", "whole": 1},
        {"template": "{a[k]} {c}", "text": "1 2", "whole": 1},
        {"template": "{} {:d}", "text": "x 2", "whole": 1},
        {"template": "{0} {1}", "text": "x y", "whole": 1},
        {"template": "{hello world} {n}", "text": "{hello world} 5", "whole": 1},
        {"template": "{{n}} {n:d}", "text": "{n} 5", "whole": 1},
        {"template": "a-b {n}", "text": "a-b 5", "whole": 1},
        {"template": "{n:%Y-%m-%d}", "text": "2024-03-12", "whole": 1},
    )
    assert told[0] == {"named": {"a.b": "1", "a_b": "2"}, "fixed": [], "fields": ["a_b", "a__b"]}
    assert told[1]["named"] == {"a": {"k": "1"}, "c": "2"}, told[1]
    assert told[2]["fixed"] == ["x", 2] and told[2]["fields"] == [], told[2]
    assert told[3]["fixed"] == ["x", "y"] and told[3]["named"] == {}, told[3]
    assert told[4]["named"] == {"n": "5"}, told[4]
    assert told[5]["named"] == {"n": 5}, told[5]
    assert told[6]["named"] == {"n": "5"}, told[6]
    assert "2024" in told[7]["named"]["n"], told[7]


kit.verdict()
