from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent.environment import Environment
from agent.gate import Check, CheckVerdict, GateReport
from agent.gate.page import as_html, diff, shown
from tests.agent.gate.environments import make
from tests.browser import Browser, chromium

HOSTILE = (
    "</pre></details><script>document.title='owned'</script><img src=x onerror=\"document."
    "title='owned'\"><style>*{display:none}</style><a href='javascript:alert(1)'>{{ 7*7 }}"
)
DIFF = f"""\
--- a/ledger.py
+++ b/ledger.py
@@ -1,3 +1,3 @@ def balance(lines):
     total = 0
-    return int(total)
+    return total  # {HOSTILE}
"""


def report_with(text: str) -> GateReport:
    checks = [
        Check(name="builds", verdict=CheckVerdict.PASS, summary="12 MiB", seconds=1.5),
        Check(
            name="mutants-fail",
            verdict=CheckVerdict.FAIL,
            summary=f"1 of 2 mutants goes unnoticed {text}",
            evidence=[f"1234abcd  a mutant\n{DIFF}", f"What to do. {text}"],
            details={
                "tried": [{"what": text, "verdict": "reward 1", "seconds": 0.5}],
                "survivors": [
                    {"id": "1234abcd", "what": text, "diff": DIFF, "argument": f"Equal. {text}"}
                ],
            },
            seconds=3.0,
        ),
        Check(
            name="alternatives-pass",
            verdict=CheckVerdict.FAIL,
            summary="1 right solution is rejected",
            evidence=[f"names renamed: reward 0\n{text}\n{DIFF}", "x" * 3000],
            seconds=2.0,
        ),
        Check(name="exploits-fail", verdict=CheckVerdict.UNTRIED, summary="budget spent"),
    ]
    return GateReport(
        environment_digest="0" * 64,
        kettle_version="0",
        isolation="isolated",
        checks=checks,
        seconds=7.0,
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return make(tmp_path_factory.mktemp("page") / "e", instruction=f"Keep the cents. {HOSTILE}\n")


@pytest.fixture(scope="module")
def page(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "report.html"
    path.write_text(as_html(report_with(HOSTILE), environment), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    program = chromium()
    if not program:
        pytest.skip("Chromium is not here, and apt-get install chromium does not work")
    return Browser(program, tmp_path_factory.mktemp("profiles"))


class Tags(HTMLParser):
    """The elements and the visible text of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


class TestInABrowser:
    def test_text_of_an_environment_stays_text(self, browser: Browser, page: Path) -> None:
        seen = Tags(browser.dom(page))
        assert "owned" not in re.findall(r"<title>(.*?)</title>", browser.dom(page))[0]
        assert not {"script", "img", "a href"} & set(seen.tags)
        assert seen.tags.count("style") == 1
        assert not any(name.startswith("on") for name in seen.attributes)
        # Told whole in the instruction, two summaries, argument, heading, evidence and the table.
        assert seen.text.count(HOSTILE) >= 7

    def test_every_check_and_every_diff_is_there(self, browser: Browser, page: Path) -> None:
        document = browser.dom(page)
        for name in ("builds", "mutants-fail", "alternatives-pass", "exploits-fail"):
            assert f'id="{name}"' in document
        assert document.count('class="add"') == document.count('class="del"') == 2
        assert '<span class="k">return</span>' in document
        text = Tags(document).text
        assert "Argued for" in text
        assert "Small mistakes in the oracle's lines are noticed" in text

    @pytest.mark.parametrize("width", [360, 1200])
    def test_nothing_is_wider_than_the_screen(
        self, browser: Browser, page: Path, width: int
    ) -> None:
        measuring = page.parent / f"measure-{width}.html"
        measuring.write_text(
            f'<iframe src="{page.name}" width="{width}" height="900"></iframe><script>'
            "onload = () => { document.title = document.querySelector('iframe')"
            ".contentDocument.documentElement.scrollWidth; };</script>"
        )
        titles = re.findall(r"<title>(\d+)</title>", browser.dom(measuring))
        assert int(titles[0]) <= width

    def test_it_has_a_light_and_a_dark_face(
        self, browser: Browser, page: Path, tmp_path: Path
    ) -> None:
        dark = page.parent / "dark.html"
        forced = page.read_text().replace("(prefers-color-scheme: dark)", "all")
        dark.write_text(forced)
        pictures = [
            browser.picture(one, tmp_path / f"{one.stem}.png", width=800) for one in (page, dark)
        ]
        assert pictures[0] != pictures[1]
        assert all(len(p) > 20_000 for p in pictures)


def test_what_needs_a_look_comes_first(page: Path) -> None:
    text = page.read_text()
    assert text.index('id="mutants-fail"') < text.index('id="builds"')
    assert re.search(r'id="mutants-fail" open', text)
    assert not re.search(r'id="builds" open', text)


def test_the_page_asks_for_nothing_from_elsewhere(page: Path) -> None:
    tags = Tags(page.read_text())
    assert not {"src", "srcset", "data", "action"} & tags.attributes
    assert "default-src 'none'" in page.read_text()
    assert not {"link", "iframe", "object", "embed", "base"} & set(tags.tags)


def test_letters_that_deceive_are_made_visible() -> None:
    assert shown("a\x1b[31mred\x1b[0m b\u202ec\x00\ud800") == "ared b⟨202e⟩c⟨0⟩⟨d800⟩"
    assert shown("tabs\tand\nlines stay, é and 漢 too") == "tabs\tand\nlines stay, é and 漢 too"


def test_a_diff_of_any_shape_is_shown_line_by_line() -> None:
    lines = diff(
        "--- a/x.js\n+++ b/x.js\n@@ -1 +1 @@\n-let a\n+let b\n\\ No newline at end of file\n"
    )
    assert [line.kind for line in lines] == ["file", "file", "hunk", "del", "add", ""]
    assert "…" in diff("+x\n" * 100_000)[-1].code
    assert len(diff("+x\n" * 100_000)) < 500
    assert len(diff("+" + "y" * 10**6)[0].code) < 5000


def test_details_of_any_shape_leave_the_page_whole(environment: Environment) -> None:
    odd = Check(
        name="stable",
        verdict=CheckVerdict.PASS,
        summary="fine",
        details={"tried": "no list", "survivors": [1, None], "seconds": {"nop": [1, "x", None]}},
    )
    report = GateReport(environment_digest="", kettle_version="", checks=[odd])
    assert "nop, number 3" in as_html(report, environment)
