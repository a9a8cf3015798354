"""A corpus of planted secrets and personal data, made anew from one seed, and code without any."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable, Iterator

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


PREFIXES = """hvs. dckr_pat_ glsa_ sntrys_ sbp_ nfp_ xai- pplx- lsv2_pt_ tvly- r8_ PMAK- figd_
    sq0atp- rubygems_ AGE-SECRET-KEY-1 HRKU- nvapi- e2b_""".split()  # noqa: SIM905
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
    "service": (
        lambda: DICE.choice(PREFIXES) + pick(MIXED, 40),
        ["TOKEN {}", "with --api-key {}", "header: {}", "'{}'"],
    ),
    "netrc": (lambda: pick(MIXED, 16), ["machine h.io login ann password {}"]),
    "curl": (lambda: pick(MIXED, 18), ["curl -s -u ann:{} https://h.io/x", "curl --user 'a:{}' h"]),
    "docker": (lambda: pick(MIXED, 18), ["docker login -u ann -p {} registry.io"]),
    "escaped json": (lambda: pick(MIXED, 24), ['{{\\"api_key\\": \\"{}\\"}}']),
    "cookie": (lambda: pick(MIXED, 32), ["Cookie: theme=dark; sessionid={}; a=b"]),
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
    "id": (lambda: word(FIRST) + pick(string.digits, 3), ["uid=501({}) gid=20(staff)"]),
    "git config": (
        lambda: f"{word(FIRST).title()} {word(LAST).title()}{pick('xyz', 3)}",
        ["user.name={}", "git config user.name '{}'"],
    ),
    "public key": (
        lambda: word(FIRST) + pick(string.digits, 3),
        ["ssh-ed25519 AAAA" + "C3Nza" * 12 + " {}@laptop"],
    ),
    "variable": (lambda: word(FIRST) + pick(string.digits, 3), ["USER={}", "export LOGNAME={}"]),
}


def planted() -> Iterator[tuple[str, str, str]]:
    for kind, (make, contexts) in {**SECRETS, **PEOPLE}.items():
        for number in range(EACH):
            value = make()
            yield kind, value, contexts[number % len(contexts)].format(value)


CORPUS = list(planted())

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
EMAIL = re.compile(r"[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}")
EMAIL = /^[^@]+@[^@]+\.[^@]+$/
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904  index 8283ecf4..e46fe815 100644
"session_id": "01a00b7d-a585-7bf2-977a-d0ac53e48f1d", "parentUuid": null
"call_id": "call_6SFjmp183IKxWZXqQocjxZFB"  toolu_01A9b8c7D6e5F4g3H2i1J0kL
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk
AKIAIOSFODNN7EXAMPLE  sk_test_example  Bearer <token>  password: "********"
uid=1000(user) gid=1000(user)  user.name=$NAME  login user password prompt
keyword-argument  key-value-pairs-are-plain  fw_update_in_progress_of_the_device
for (const key in tokens) secrets.push(tokens[key].toString());
token = b64encode(user_pass).decode()  token = base32_decode2(text)
headers = {'x-date': now, 'Authorization': v4auth_header}  {"api-key": self.api_key}
authorization = request.headers.get("Authorization")
auth = {"x-api-key": self.api_key2, "secret": secrets2.token_hex3}
Link(session=finder._link_collector.session)  account SID (ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx)
create_engine("mysql+pymysql://scott:tiger@localhost/test")  postgresql://user:pass@db.io/name
"git://[path-to-repo[:]][ref@]path/to/file"  github://org:repo@/precip  smb://me:mypassword@s.com
"GIT_AUTHOR_EMAIL": "test@test.com", "t@t.com"  -c user.name=Test
/home/u/venv/lib  C:/Users/foo/x
tokenizer.tokenize(text)  csrf_token_field_name  passwordResetTokenExpiresInHours
"""
