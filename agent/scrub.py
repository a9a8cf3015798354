"""Takes secrets and personal data out of text before it leaves the machine.

    scrubber = Scrubber(session)
    report = scrubber.text(report)
    scrubber.counts            # {"e-mail": 3, "github token": 1}

The same value always gets the same placeholder, so that a text stays readable and two texts of one
session stay consistent; scrubbing twice changes nothing. Replacements keep the shape that matters
to a task: a path below a home folder keeps everything but the user's name, an address is an address
still. The originals remain in the raw session alone.

Secrets are found by detect-secrets' patterns and by patterns for what it does not know; personal
data by where it stands (home paths, listings, prompts, authors), never by guessing at words, since
a name may be an identifier of the code. What stands in the repository's own files is public already
and stays: a placeholder there would change what a test sees.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector

from agent.session.model import Session
from agent.session.raw import word_set

MIN_ENTROPY_BITS = 2.7
"""Bits per character from which an assigned value is taken for a secret: words stay below."""
MAX_LOOKED_UP = 100
"""Values that are looked up in the repository; a session with more of them holds a dump."""
MIN_ASSIGNED_CHARS = 8
"""Shortest assigned value that is taken for a secret; shorter ones are examples."""

_NOISY = frozenset(
    (
        "ArtifactoryDetector",
        "CloudantDetector",
        "IbmCloudIamDetector",
        "IbmCosHmacDetector",
        "IPPublicDetector",
        "JwtTokenDetector",
        "NpmDetector",
        "SoftlayerDetector",
        "PrivateKeyDetector",
        "BasicAuthDetector",
    )
)
"""Scanner plugins left aside: slow on long lines, given to false alarms, or done better below."""

_KEY_BLOCK = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----"
    r"[A-Za-z0-9+/=\s\\:,.\-]{0,8000}?-----END (?P=what)-----"
)
_PREFIXED = (
    r"\b(?:hv[sb]\.|dckr_pat_|gl(?:sa|c)_|sntry[su]_|sbp_|nfp_|xai-|pplx-|lsv2_(?:pt|sk)_|tvly-|r8_|"
    r"PMAK-|figd_|sq0(?:atp|csp|idp)-|rubygems_|AGE-SECRET-KEY-1|fo1_|HRKU-|key-(?=[0-9a-f]{32})|"
    r"SK(?=[0-9a-f]{32}\b)|pat(?=[A-Za-z0-9]{14}\.)|ATATT3|lt-oai-|nvapi-|csk-|e2b_|dt0c01\.)"
    r"[A-Za-z0-9_=.-]{20,300}"
)
"""Tokens that many services mark by a prefix, in one pattern for speed."""
_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("private key", _KEY_BLOCK),
    ("anthropic key", re.compile(r"\bsk-ant-[A-Za-z0-9_-]{20,}")),
    ("openai key", re.compile(r"\bsk-(?:proj|svcacct|admin|or-v1|None)-[A-Za-z0-9_-]{20,}")),
    ("api key", re.compile(r"\bsk-[A-Za-z0-9]{20,}\b")),
    ("github token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})")),
    ("gitlab token", re.compile(r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20,}")),
    ("google key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}")),
    ("google token", re.compile(r"\bya29\.[A-Za-z0-9_-]{20,}")),
    ("aws key", re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b")),
    ("slack token", re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}")),
    ("slack hook", re.compile(r"https://hooks\.slack\.com/services/[A-Za-z0-9/_]{20,}")),
    ("stripe key", re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9]{20,}")),
    ("hugging face token", re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    ("npm token", re.compile(r"\bnpm_[A-Za-z0-9]{30,}")),
    ("pypi token", re.compile(r"\bpypi-[A-Za-z0-9_-]{50,}")),
    ("sendgrid key", re.compile(r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{30,}")),
    ("digitalocean token", re.compile(r"\bdo[oprt]_v1_[a-f0-9]{40,}")),
    ("shopify token", re.compile(r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}")),
    ("databricks token", re.compile(r"\bdapi[a-f0-9]{32}\b")),
    ("linear key", re.compile(r"\blin_(?:api|oauth)_[A-Za-z0-9]{30,}")),
    ("notion key", re.compile(r"\b(?:secret|ntn)_[A-Za-z0-9]{40,}")),
    ("groq key", re.compile(r"\bgsk_[A-Za-z0-9]{40,}")),
    ("json web token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),
    ("service token", re.compile(_PREFIXED)),
    ("telegram token", re.compile(r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b")),
    (
        "discord token",
        re.compile(r"\b[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}"),
    ),
)
_IN_ADDRESS = re.compile(
    r"(?P<before>\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"<>]{0,80}:)(?P<value>[^\s/@'\"<>{}$\[\]]{3,200})"
    r"(?=@(?P<host>[\w.-]{0,100}))",
    re.IGNORECASE,
)
_DOCUMENTED = re.compile(
    r"(?:my|your|the|db|test)?[_-]?(?:pass|passwd|password|pwd|secret|token)\d{0,3}", re.IGNORECASE
)
"""Passwords that documentation writes into addresses."""
_HEADER = re.compile(
    r"(?P<before>\b(?:Authorization|Proxy-Authorization|X-Api-Key|Api-Key|PRIVATE-TOKEN)"
    r"['\"]?\s{0,3}[:=]\s{0,3}['\"]?(?P<scheme>Bearer |Basic |Token |token )?)"
    r"(?P<value>[A-Za-z0-9+/_=.~-]{12,500})",
    re.IGNORECASE,
)
_REPEATED = re.compile(r"([xX*0.])\1{7}")
"""What documentation writes where a token's letters would stand."""
_COOKIE = re.compile(
    r"(?P<before>\b(?:session|sessionid|sid|auth|csrftoken|connect\.sid)=)"
    r"(?P<value>[A-Za-z0-9%._-]{16,500})"
)
_ATTRIBUTE = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)+|[a-z]+(?:_[a-z]+)*")
"""A name of a program, alone or of something's attribute: no cookie."""
_ASSIGNED = re.compile(
    r"(?P<before>(?<![A-Za-z0-9])[\w.-]{0,40}?(?:password|passwd|passphrase|secret|token|api[_-]?key|"
    r"access[_-]?key|private[_-]?key|client[_-]?secret|auth[_-]?key|encryption[_-]?key|account[_-]?"
    r"key|signing[_-]?key|_pwd|_pass)[\w-]{0,20}\\{0,3}['\"]?\s{0,3}(?:=>|:=|[:=])\s{0,3}\\{0,3}['\"`]?)"
    r"(?P<value>[A-Za-z0-9+/=_!@#%^&*~.-]{8,300})",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(?P<before>--(?:password|token|api-key|secret|auth-token|access-token)[ =]|"
    r"\b(?:curl|wget|http)\b[^\n]{0,200}? (?:-u|--user)[ =]['\"]?[^\s:'\"]{1,80}:|"
    r"\bdocker login\b[^\n]{0,200}? -p |\blogin \S{1,80} password )"
    r"(?P<value>[A-Za-z0-9+/=_!@#%^&*~.-]{8,300})"
)

_EMAIL = re.compile(
    r"(?<![\w.+/:@-])(?P<name>[A-Za-z0-9_][\w.+-]{0,63})@"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24})(?![\w@/-])"
)
_EMAIL_HOSTS = re.compile(
    r"(?:.*\.)?(?:example\.(?:com|org|net|edu)|test\.com|\w\.\w{1,3}|invalid|test|localhost|local)\Z",
    re.IGNORECASE,
)
_EMAIL_NAMES = frozenset(("git", "noreply", "no-reply", "postmaster", "support", "security", "hg"))
_NOT_TOP_LEVEL = word_set(
    """
    png jpg jpeg gif svg webp ico js ts tsx jsx mjs cjs py pyc rb go rs java kt json yaml yml toml
    md txt css scss html htm xml csv lock tgz gz zip whl patch service timer local sock
    """
)
"""Endings of file names such as `icon@2x.png`, which look like addresses."""

_HOME = re.compile(
    r"(?P<before>(?:/Users/|/home/|\b[A-Za-z]:(?:/|\\{1,4})Users(?:/|\\{1,4})|/[a-z]/Users/|"
    r"(?<=[\s'\"/(=:`\[])-Users-|(?<=[\s'\"/(=:`\[])-home-))(?P<name>[A-Za-z0-9_][\w.-]{0,63})"
)
_PLAIN_NAMES = word_set(
    """
    user users shared public runner root admin administrator default guest ubuntu debian ec2-user
    node app vscode codespace circleci jenkins travis gitpod coder builder worker solver someone
    username name you your me redacted home staff wheel everyone nobody www-data system daemon
    openhands agent sandbox foo bar baz test tester testuser myuser developer dev demo example jdoe
    johndoe
    """
)
"""Names of accounts that say nothing about a person."""

_LISTED = re.compile(
    r"(?P<before>^[ \t|>]*[dlcbps-][rwxsStT-]{9}[.@+]?[ \t]+\d+[ \t]+)(?P<owner>[\w.-]{1,64})"
    r"(?P<between>[ \t]+)(?P<group>[\w.-]{1,64})(?=[ \t]+\d)",
    re.MULTILINE,
)
_AUTHOR = re.compile(
    r"(?P<before>\b(?:Author|Committer|Co-authored-by|Signed-off-by|Reviewed-by|Commit):[ \t]{1,5})"
    r"(?P<name>[^\n<>\"']{2,60}?)(?=[ \t]*<[^\n<>]{3,100}>)",
    re.IGNORECASE,
)
_AUTHORS_OF_MACHINES = re.compile(
    r"(?:claude|codex|copilot|cursor|aider|.*\[bot\]|.*\bbot\b)", re.I
)
_PROMPT = re.compile(
    r"(?<![\w.@/-])(?P<name>[a-z_][\w-]{0,31})@(?P<host>[A-Za-z][\w-]{2,62})(?=[:~ ][~/$#%\w])"
)
_MACHINE = re.compile(
    r"\b[A-Za-z0-9][\w-]{0,40}?(?:MacBook|iMac|Mac-mini|Mac-Studio|ThinkPad|XPS)[\w-]{0,40}(?:\.local|\.lan|\.home)?"
    r"|\b(?:MacBook|iMac|Mac-mini|Mac-Studio)[\w-]{1,40}(?:\.local|\.lan|\.home)?"
    r"|\b(?:DESKTOP|LAPTOP)-[A-Z0-9]{5,10}\b"
)
_IDENTITY = re.compile(
    r"(?P<before>\b[ug]id=\d{1,10}\(|\buser\.name=|\buser\.name[ \t]+['\"]?)"
    r"(?P<name>[A-Za-z][\w .-]{1,60}?)(?=[)'\"\n]|$)",
    re.MULTILINE,
)
_PUBLIC_KEY = re.compile(
    r"(?P<before>\b(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S{1,20}) AAAA[A-Za-z0-9+/=]{40,1000} )"
    r"(?P<name>[\w.-]{1,64})@(?P<host>[\w.-]{1,64})"
)
_VARIABLE = re.compile(
    r"(?P<before>^[ \t]*(?:export[ \t]+)?"
    r"(?P<which>USER|USERNAME|LOGNAME|HOSTNAME|COMPUTERNAME)=['\"]?)"
    r"(?P<value>[A-Za-z0-9][\w.-]{0,63})",
    re.MULTILINE,
)


class Scrubber:
    """Replaces what must not leave the machine, always in the same way."""

    def __init__(
        self, session: Session | None = None, *, public: Callable[[str], bool] | None = None
    ) -> None:
        """Prepare for the texts of one session.

        Args:
            session: its working directory and commands tell the user's name early, so that
                placeholders do not depend on which text is scrubbed first.
            public: tells of a value whether it stands in the repository's own files; such values
                stay as they are.
        """
        self._public = public
        self._is_public: dict[str, bool] = {}
        self.counts: Counter[str] = Counter()
        """How many replacements were made, by kind."""
        self._given: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self._people: set[str] = set()
        """Account names that were met in home paths."""
        if session is not None:
            self._learn(session)

    def text(self, text: str) -> str:
        """The text without secrets and personal data.

        Args:
            text: any text; megabytes are fine.
        """
        for kind, pattern in _patterns():
            text = pattern.sub(lambda match, kind=kind: self._secret(match, kind), text)  # type: ignore[misc]
        text = _IN_ADDRESS.sub(self._in_address, text)
        text = _HEADER.sub(self._header, text)
        text = _OPTION.sub(self._option, text)
        text = _COOKIE.sub(self._cookie, text)
        text = _ASSIGNED.sub(self._assigned, text)
        text = _AUTHOR.sub(self._author, text)
        text = _PUBLIC_KEY.sub(self._public_key, text)
        text = _EMAIL.sub(self._email, text)
        text = _HOME.sub(self._home, text)
        text = _LISTED.sub(self._listed, text)
        text = _VARIABLE.sub(self._variable, text)
        text = _IDENTITY.sub(self._identity, text)
        text = _PROMPT.sub(self._prompt, text)
        return _MACHINE.sub(self._machine, text)

    def _learn(self, session: Session) -> None:
        for text in _telling(session):
            for match in _HOME.finditer(text):
                self._home(match)
        self.counts.clear()

    def work(self, content: bytes, committed: bytes | None) -> bytes:
        """A file's uncommitted content without secrets and personal data.

        Args:
            content: the content, as a session showed it.
            committed: what the commit has in its place; None when the file is new. Lines that
                stand there are public and stay.
        """
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return content
        lines = text.split("\n")
        scrubbed = self.text(text).split("\n")
        if len(scrubbed) == len(lines):
            known = set((committed or b"").decode("utf-8", "replace").split("\n"))
            pairs = zip(lines, scrubbed, strict=True)
            scrubbed = [old if old in known else new for old, new in pairs]
        return "\n".join(scrubbed).encode()

    def _stays(self, value: str) -> bool:
        """True for a value that the repository itself makes public."""
        if self._public is None or "\n" in value:
            return False
        if value not in self._is_public:
            if len(self._is_public) >= MAX_LOOKED_UP:
                return False
            self._is_public[value] = self._public(value)
        return self._is_public[value]

    def _placeholder(self, kind: str, value: str, form: str) -> str:
        """The placeholder of a value: `form` with the value's number within its kind."""
        self.counts[kind] += 1
        key = (form, value)
        if key not in self._given:
            self._numbers[form] += 1
            self._given[key] = form.format(self._numbers[form])
        return self._given[key]

    def _secret(self, match: re.Match[str], kind: str) -> str:
        value = match.group()
        if (
            _is_ours(value)
            or value.endswith("EXAMPLE")
            or _REPEATED.search(value)
            or self._stays(value)
        ):
            return value
        return self._placeholder(kind, value, f"REDACTED_{_word(kind)}_{{}}")

    def _behind(self, match: re.Match[str], kind: str) -> str:
        value = match["value"]
        bare = value.rstrip(".")
        if _is_ours(bare) or _is_example(bare) or self._stays(bare):
            return match.group()
        placeholder = self._placeholder(kind, bare, f"REDACTED_{_word(kind)}_{{}}")
        return match["before"] + placeholder + value[len(bare) :]

    def _in_address(self, match: re.Match[str]) -> str:
        value, host = match["value"], match["host"]
        # A word for a server of one's own machine or network is an example or a local default.
        inner = "." not in host or host.startswith(("127.", "192.168.", "10."))
        if _DOCUMENTED.fullmatch(value) or (inner and re.fullmatch(r"[a-z]{3,12}", value)):
            return match.group()
        return self._behind(match, "password")

    def _header(self, match: re.Match[str]) -> str:
        if _is_code(match):
            return match.group()
        bare = match["before"][-1] in ":= "
        if bare and not match["scheme"] and not _looks_random(match["value"]):
            return match.group()
        return self._behind(match, "credential")

    def _option(self, match: re.Match[str]) -> str:
        return self._behind(match, "credential")

    def _cookie(self, match: re.Match[str]) -> str:
        if _ATTRIBUTE.fullmatch(match["value"]):
            return match.group()
        return self._behind(match, "cookie")

    def _assigned(self, match: re.Match[str]) -> str:
        if _is_code(match) or not _looks_random(match["value"].rstrip(".")):
            return match.group()
        return self._behind(match, "credential")

    def _author(self, match: re.Match[str]) -> str:
        name = match["name"]
        if _AUTHORS_OF_MACHINES.match(name) or name.startswith("Person "):
            return match.group()
        return match["before"] + self._placeholder("name", name, "Person {}")

    def _email(self, match: re.Match[str]) -> str:
        name, host = match["name"].lower(), match["host"].lower()
        known = name in _EMAIL_NAMES or _EMAIL_HOSTS.match(host)
        if known or host.rsplit(".", 1)[-1] in _NOT_TOP_LEVEL or self._stays(match.group()):
            return match.group()
        return self._placeholder("e-mail", match.group().lower(), "person{}@example.com")

    def _home(self, match: re.Match[str]) -> str:
        name = match["name"]
        if match["before"].startswith("-"):
            # A folder's name made of a path: the account ends at the first dash.
            name = name.split("-")[0]
        if name.lower() in _PLAIN_NAMES or re.fullmatch(r"user\d*|\w", name):
            return match.group()
        if name not in self._people and self._stays(match["before"] + name):
            return match.group()
        self._people.add(name)
        rest = match["name"][len(name) :]
        return match["before"] + self._placeholder("home path", name, "user{}") + rest

    def _person(self, name: str, kind: str) -> str:
        if name.lower() in _PLAIN_NAMES or re.fullmatch(r"_?user\d*|\d+", name):
            return name
        return self._placeholder(kind, name, "user{}")

    def _listed(self, match: re.Match[str]) -> str:
        owner = self._person(match["owner"], "user name")
        group = match["group"]
        if group == match["owner"] or group in self._people:
            group = self._person(group, "user name")
        return match["before"] + owner + match["between"] + group

    def _variable(self, match: re.Match[str]) -> str:
        if match["which"] in ("HOSTNAME", "COMPUTERNAME"):
            return match["before"] + self._host(match["value"])
        return match["before"] + self._person(match["value"], "user name")

    def _identity(self, match: re.Match[str]) -> str:
        return match["before"] + self._person(match["name"], "user name")

    def _public_key(self, match: re.Match[str]) -> str:
        name = self._person(match["name"], "user name")
        return f"{match['before']}{name}@{self._host(match['host'])}"

    def _prompt(self, match: re.Match[str]) -> str:
        name = match["name"]
        if name == "git" or (name.lower() not in _PLAIN_NAMES and name not in self._people):
            return match.group()
        return f"{self._person(name, 'user name')}@{self._host(match['host'])}"

    def _machine(self, match: re.Match[str]) -> str:
        return self._host(match.group())

    def _host(self, name: str) -> str:
        if re.fullmatch(r"host\d+|localhost|example", name):
            return name
        return self._placeholder("host name", name, "host{}")


def scrub_session(
    session: Session, *, public: Callable[[str], bool] | None = None
) -> tuple[Session, Counter[str]]:
    """A session with every text in it scrubbed, and what was replaced, counted by kind.

    Whatever compares a session with a repository must do so before: paths below a home folder
    change, consistently.

    Args:
        session: the session.
        public: see `Scrubber`.
    """
    scrubber = Scrubber(session, public=public)

    # Texts stand in a session twice: as a result, and as what it shows.
    done: dict[str, str] = {}

    def scrub(value: Any) -> Any:
        if isinstance(value, str):
            if value not in done:
                done[value] = scrubber.text(value)
            return done[value]
        if isinstance(value, dict):
            return {key: scrub(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [scrub(inner) for inner in value]
        return value

    # The path and the digest name the raw file; neither is said by anybody.
    kept = {"path": session.path, "digest": session.digest}
    scrubbed = Session.model_validate(scrub(session.model_dump(exclude=set(kept))) | kept)
    return scrubbed, scrubber.counts


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Patterns of tokens that are secrets wherever they stand."""
    found = list(_TOKENS)
    plugins: dict[str, Any] = get_mapping_from_secret_type_to_class()
    for kind, plugin in plugins.items():
        if issubclass(plugin, RegexBasedDetector) and plugin.__name__ not in _NOISY:
            found += [(kind.lower(), pattern) for pattern in plugin().denylist]
    return tuple(found)


def _telling(session: Session) -> Iterator[str]:
    if session.cwd:
        yield f" {session.cwd}"
    for call in session.calls():
        for edit in call.edits:
            yield f" {edit.path}"
        for view in call.views:
            yield f" {view.path}"


def _word(kind: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", kind.upper()).strip("_")


def _is_code(match: re.Match[str]) -> bool:
    """True when what is assigned is an expression of a program, not a text."""
    end = match.end("value")
    if match.string[end : end + 1] == "(":
        return True
    # A name in quotes with a value without: a dictionary that holds what a variable holds.
    return re.search(r"\w['\"]\s{0,3}(?:=>|[:=])\s{0,3}\Z", match["before"]) is not None


def _is_ours(value: str) -> bool:
    """True for a placeholder, our own or the recorder's."""
    return value.startswith("REDACTED") or "[REDACTED]" in value


def _is_example(value: str) -> bool:
    """True for what documentation writes instead of a secret."""
    low = value.lower()
    if low in ("password", "secret", "token", "changeme", "postgres", "root", "admin", "example"):
        return True
    return (
        any(
            mark in low
            for mark in ("your_", "your-", "xxxx", "****", "placeholder", "<", "example", "...")
        )
        or re.fullmatch(r"(.)\1+", value) is not None
    )


def _looks_random(value: str) -> bool:
    """True for a value that no person would write as a word, a path or an expression."""
    if (
        len(value) < MIN_ASSIGNED_CHARS
        or not re.search(r"\d", value)
        or not re.search(r"[A-Za-z]", value)
    ):
        return False
    if re.fullmatch(r"[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)+", value) or value.startswith(
        ("./", "../", "/")
    ):
        return False
    if re.fullmatch(r"[a-z]+(?:[_-][a-z0-9]+)*|[A-Z]+(?:_[A-Z0-9]+)*|v?\d+(?:\.\d+)+\S*", value):
        # An identifier, a constant or a version.
        return False
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return bits >= MIN_ENTROPY_BITS
