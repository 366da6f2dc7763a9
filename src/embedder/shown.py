"""Cleans foreign text (of data, servers, settings, libraries) before it is shown: no control characters, no floods.

What is shown never holds a secret either: a key that was named with `hide`, or anything of the form that keys have.
"""

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from urllib.parse import quote

_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\N{SYMBOL FOR DELETE}"}  # their pictures
# Each holds for all that follows, or breaks a line, or is not seen at all. The marks U+200E and U+200F stay: they
# belong into texts in Hebrew and Arabic, and move nothing that a letter of these would not move.
_HIDDEN = {
    code: f"⟨U+{code:04X}⟩"
    for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080))
}
_BROKEN = dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")
_LINE = _CONTROLS | _HIDDEN | _BROKEN
_LINES = {code: picture for code, picture in _LINE.items() if chr(code) not in "\t\n"}

LIMIT = 200
"""Characters of a value."""
MESSAGE_LIMIT = 2000
"""Characters of a message."""
_NAMES = 3  # of a list in a message
_READ = 200_000  # characters of a longer text are not looked at: all that is shown lies far in front of them

_LONG_SECRET = 16  # characters; shorter placeholders are words
_SHORTEST_SECRET = 6  # a placeholder such as EMPTY is none, and is part of many words
_MASK = "***"
_secrets: set[str] = set()
_LOOKS_SECRET = re.compile(
    r"(?P<kept>"
    r"://(?=[^/\s@'\"]*@)"  # name and password in a URL
    r"|[?&](?:api[_-]?key|key|token|access_token|secret|password)=(?=[^&\s'\"])"
    r"|\b[Bb]earer\s+(?=\S{16})(?=\S*\d)"
    r"|(?<![^\W_])(?="
    r"sk-[\w-]{0,60}?(?=[A-Za-z]{0,15}\d)[A-Za-z0-9]{16}|hf_[A-Za-z0-9]{20}|gh[a-z]_[A-Za-z0-9]{20}|github_pat_\w{20}"
    r"|glpat-[\w-]{16}|xox[a-z]-[\w-]{10}|AKIA[0-9A-Z]{16}|AIza[\w-]{30}|eyJ[\w-]{8,300}\.eyJ[\w-]{8}"
    r"))"
    r"(?:(?<=://)[^/\s@'\"]*(?=@)|[^\s&'\"<>|,;)}\]]+)"
)


def shown(value: object, limit: int = LIMIT) -> str:
    """One line that shows what a text holds: controls as pictures, marks that reorder spelled out, the rest cut.

    Args:
        value: A text, or anything with one.
        limit: Characters that stay; of a longer text its start, with the number of those left out.
    """
    return _cut(value, limit, _LINE)


def shown_lines(value: object, limit: int = MESSAGE_LIMIT) -> str:
    """`shown` for texts of several lines: tabs and line breaks stay."""
    return _cut(str(value).replace("\r\n", "\n"), limit, _LINES)


def shown_message(value: object, limit: int = MESSAGE_LIMIT) -> str:
    """`shown_lines` for messages: of a long one the end stays too, for advice stands there."""
    text = str(value)
    if len(text) <= limit:
        return shown_lines(text, limit)
    start, end = _kept_secret(text[:_READ])[: limit * 3 // 4], _kept_secret(text[-_READ:])[-(limit // 4) :]
    return f"{start.translate(_LINES)}… ({len(text) - limit:,} characters left out) …{end.translate(_LINES)}"


def shown_names(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are.

    >>> shown_names(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return shown(", ".join(names[:_NAMES])) + more


def quantity(n: int, one: str, more: str | None = None) -> str:
    """A number of things.

    >>> quantity(1, "file"), quantity(1200, "file"), quantity(2, "training query", "training queries")
    ('1 file', '1,200 files', '2 training queries')
    """
    return f"{n:,} {one if n == 1 else more or f'{one}s'}"


def nearest(name: str, names: Sequence[str]) -> str:
    """` (did you mean X?)`, or nothing if no name is like it."""
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def hide(secret: str) -> None:
    """Mask a secret in all that is shown from here on, as it is and as URLs and JSON write it."""
    if len(secret) >= _SHORTEST_SECRET:
        in_json = json.dumps(secret)[1:-1]
        _secrets.update((secret, quote(secret, safe=""), in_json, in_json.replace("/", "\\/")))


def holds_hidden(text: str) -> bool:
    """Whether a text holds a secret that was named with `hide`; a word such as `password` or `ollama` is none."""
    keys = (secret for secret in _secrets if len(secret) >= _LONG_SECRET or any(map(str.isdigit, secret)))
    return any(key in text for key in keys)


def holds_secret(text: str) -> bool:
    """Whether a text holds a secret that was named with `hide`, or what looks like one."""
    return _kept_secret(text) != text


def _cut(value: object, limit: int, table: dict[int, str]) -> str:
    text = str(value)
    safe = _kept_secret(text[:_READ])
    rest = len(safe) + max(len(text) - _READ, 0) - limit
    cut = safe[:limit].translate(table)
    return cut if rest <= 0 else f"{cut}… ({rest:,} more characters)"


def _kept_secret(text: str) -> str:
    for secret in sorted(_secrets, key=len, reverse=True):  # a longer one may hold a shorter one
        text = text.replace(secret, _MASK)
    return _LOOKS_SECRET.sub(rf"\g<kept>{_MASK}", text)
