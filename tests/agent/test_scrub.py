"""Secrets and personal data, planted by the hundred, do not come through; code does."""

from __future__ import annotations

import base64
import random
import string
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.scrub import Scrubber
from agent.session.model import Session

RECALL = 0.99
"""Share of the planted values that must be gone."""
HOSTILE_SECONDS = 20
"""Seconds of processor time that half a megabyte of hostile text may cost."""
EACH = 12
"""Values planted of each kind."""

DICE = random.Random(4)  # noqa: S311 (planted values, the same on every run)
MIXED = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
FIRST = "ann bob carla dmitri elif farid grete hiro ines jonas kofi lena".split()  # noqa: SIM905
LAST = "ahlers brandt cruz dogan evans fiore gupta hansen ito jansen klein lopez".split()  # noqa: SIM905


def pick(alphabet: str, count: int) -> str:
    return "".join(DICE.choice(alphabet) for _ in range(count))


def word(kind: list[str]) -> str:
    return DICE.choice(kind)


def jwt() -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(f'{{"sub":"{pick(MIXED, 12)}"}}'.encode()).decode().rstrip("=")
    return f"{head}.{body}.{pick(MIXED, 43)}"


def key_block() -> str:
    body = "\n".join(pick(MIXED + "+/", 64) for _ in range(6))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"


SECRETS: dict[str, tuple[Callable[[], str], list[str]]] = {
    "github": (lambda: "ghp_" + pick(MIXED, 36), ["remote: https://{}@github.com/x/y", "GH={}"]),
    "github fine": (lambda: "github_pat_" + pick(MIXED, 22) + "_" + pick(MIXED, 59), ["t: {}"]),
    "gitlab": (lambda: "glpat-" + pick(MIXED, 20), ["curl -H 'PRIVATE-TOKEN: {}' https://g"]),
    "anthropic": (lambda: "sk-ant-api03-" + pick(MIXED, 90), ["ANTHROPIC_API_KEY={}", '"{}"']),
    "openai": (lambda: "sk-proj-" + pick(MIXED, 60), ["export OPENAI_API_KEY='{}'"]),
    "openai old": (lambda: "sk-" + pick(MIXED, 48), ["openai.api_key = '{}'"]),
    "aws id": (lambda: "AKIA" + pick(UPPER, 16), ["aws_access_key_id = {}", "id={}&x=1"]),
    "aws secret": (lambda: pick(MIXED + "+/", 40), ["aws_secret_access_key = {}"]),
    "google": (lambda: "AIza" + pick(MIXED + "_-", 35), ["key={}", '{{"apiKey": "{}"}}']),
    "slack": (
        lambda: f"xoxb-{pick(string.digits, 12)}-{pick(string.digits, 12)}-{pick(MIXED, 24)}",
        ["SLACK_TOKEN={}"],
    ),
    "stripe": (lambda: "sk_live_" + pick(MIXED, 24), ["stripe.api_key = '{}'"]),
    "hugging face": (lambda: "hf_" + pick(MIXED, 34), ["huggingface-cli login --token {}"]),
    "npm": (lambda: "npm_" + pick(MIXED, 36), ["//npm.example.org/:_authToken={}"]),
    "pypi": (lambda: "pypi-AgEIcHlwaS5vcmc" + pick(MIXED, 80), ["password = {}"]),
    "sendgrid": (lambda: f"SG.{pick(MIXED, 22)}.{pick(MIXED, 43)}", ["SENDGRID_API_KEY={}"]),
    "jwt": (jwt, ["Authorization: Bearer {}", "cookie {}"]),
    "key": (key_block, ["{}", "cat id_rsa\n{}\n$"]),
    "telegram": (lambda: f"{pick(string.digits, 9)}:AA{pick(MIXED, 33)}", ["BOT={}"]),
    "address": (
        lambda: pick(MIXED, 14),
        ["postgres://shop:{}@db.internal:5432/shop", "redis://:{}@cache:6379/0"],
    ),
    "bearer": (lambda: pick(MIXED, 40), ["Authorization: Bearer {}", '"X-Api-Key": "{}"']),
    "password": (
        lambda: pick(MIXED, 10) + "!7a",
        ["DB_PASSWORD={}", "password: '{}'", '"client_secret": "{}"', "--password {}"],
    ),
    "hex token": (lambda: pick(HEX, 40), ["AUTH_TOKEN={}", "secret_key = '{}'"]),
}
PEOPLE: dict[str, tuple[Callable[[], str], list[str]]] = {
    "e-mail": (
        lambda: f"{word(FIRST)}.{word(LAST)}{pick(string.digits, 3)}@{word(LAST)}-mail.de",
        ["write to {}.", "<{}>", '"{}"', "Author: X <{}>"],
    ),
    "mac home": (lambda: word(FIRST) + word(LAST) + pick(string.digits, 2), ["cd /Users/{}/dev/x"]),
    "linux home": (
        lambda: word(FIRST) + pick(string.digits, 3),
        ['File "/home/{}/x/a.py", line 3'],
    ),
    "windows home": (
        lambda: word(LAST) + pick(string.digits, 3),
        ["C:\\Users\\{}\\dev", "c:/Users/{}/x"],
    ),
    "escaped home": (lambda: word(LAST) + pick(string.digits, 3), ['"C:\\\\Users\\\\{}\\\\dev"']),
    "slug": (
        lambda: word(LAST) + pick(string.digits, 3),
        ["~/.claude/projects/-Users-{}-dev-shop"],
    ),
    "owner": (
        lambda: word(LAST) + pick(string.digits, 3),
        ["-rw-r--r--  1 {}  staff  34 Nov 19 17:15 a.py", "drwxr-xr-x 2 {0} {0} 4096 Jan 1 x"],
    ),
    "author": (
        lambda: f"{word(FIRST).title()} {word(LAST).title()}{pick('xyz', 3)}",
        ["Author: {} <x@example.com>", "Co-authored-by: {} <y@example.com>"],
    ),
    "machine": (
        lambda: f"{word(FIRST).title()}{pick('xyz', 3)}s-MacBook-Pro.local",
        ["root@{} ~ %", "Host: {}"],
    ),
    "desktop": (lambda: "DESKTOP-" + pick(UPPER, 7), ["{}\\x", "on {}"]),
    "variable": (lambda: word(FIRST) + pick(string.digits, 3), ["USER={}", "export LOGNAME={}"]),
}


def planted() -> Iterator[tuple[str, str, str]]:
    for kind, (make, contexts) in {**SECRETS, **PEOPLE}.items():
        for number in range(EACH):
            value = make()
            yield kind, value, contexts[number % len(contexts)].format(value)


CORPUS = list(planted())


def test_what_was_planted_is_gone() -> None:
    assert len(CORPUS) >= 200
    scrubber = Scrubber()
    missed = [(kind, text) for kind, value, text in CORPUS if value in scrubber.text(text)]
    assert len(missed) <= (1 - RECALL) * len(CORPUS), missed


def test_and_it_is_gone_from_one_long_text() -> None:
    whole = "\n".join(text for _, _, text in CORPUS)
    scrubbed = Scrubber().text(whole)
    missed = [kind for kind, value, _ in CORPUS if value in scrubbed]
    assert len(missed) <= (1 - RECALL) * len(CORPUS), missed


def test_scrubbing_twice_changes_nothing() -> None:
    whole = "\n".join(text for _, _, text in CORPUS)
    once = Scrubber().text(whole)
    again = Scrubber()
    assert again.text(once) == once
    assert not again.counts


CODE = r"""
import os, re, hashlib
password = input("Password: ")
token = os.environ["API_TOKEN"]
API_KEY = settings.API_KEY_PRIMARY
secret = generate_secret(length=32)
password: str | None = None
assert token == tokens[index2]
def authenticate(user, password, token=None): ...
SECRET_KEY_BASE_LENGTH = 64
access_token = response.json()["access_token"]
"password": "changeme"
const accessToken = await getAccessToken2(client);
token_count = 123456789
max_tokens: 4096
git clone git@github.com:ann/shop.git
ssh://git@example.org/x.git
icon@2x.png  logo@3x.svg  @types/node@18.19.0  left-pad@1.3.0.tgz
user@example.com  noreply@github.com
integrity sha512-Q8qn9jzXTDg0ZQ+3rpEE3PJuBl4wKwzh9r4uqPqKD7vDGtb0yKvPn4hWlQ2lqk3hI==
commit 0123456789abcdef0123456789abcdef01234567
id = "123e4567-e89b-12d3-a456-426614174000"
/usr/lib/python3.11/site-packages/x.py  /home/user/app  /root/.cache  /Users/Shared
@decorator.with_args
entity = Entity(user_name="x")
sk-learn  ghp_short  .env.local  settings.local.json
http://localhost:8000/a@b
x = {"key": "value", "token": "abc"}
"""


def test_code_comes_through_unchanged() -> None:
    scrubber = Scrubber()
    for line in CODE.splitlines():
        assert scrubber.text(line) == line
    assert not scrubber.counts


def test_the_same_value_gets_the_same_placeholder() -> None:
    scrubber = Scrubber()
    first = scrubber.text("mail ann@ahlers.de and bob@brandt.de")
    second = scrubber.text("again bob@brandt.de")
    assert first == "mail person1@example.com and person2@example.com"
    assert second == "again person2@example.com"
    assert scrubber.counts == {"e-mail": 3}


def test_paths_of_the_repository_stay_usable() -> None:
    session = Session(format="x", path=Path("x"), digest="", cwd="/Users/annahlers/dev/shop")
    scrubber = Scrubber(session)
    text = scrubber.text("see /Users/annahlers/dev/shop/src/till.py:12 and /Users/bob/x")
    assert text == "see /Users/user1/dev/shop/src/till.py:12 and /Users/user2/x"


@pytest.mark.parametrize(
    "nasty",
    [
        "-----BEGIN PRIVATE KEY-----\n" * 20_000,
        "a.b" * 200_000,
        "password=" * 60_000,
        "://" * 100_000,
        "a@" * 200_000,
        "Author: " * 60_000,
        "x-" * 200_000,
        "eyJ" * 100_000,
    ],
)
def test_hostile_text_takes_no_time(nasty: str) -> None:
    began = time.process_time()
    Scrubber().text(nasty)
    assert time.process_time() - began < HOSTILE_SECONDS
