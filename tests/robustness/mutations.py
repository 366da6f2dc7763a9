"""Ways in which one line of JSON goes wrong, drawn from a seeded generator."""

import json
from copy import deepcopy
from random import Random
from typing import Any

_RAW = {
    "DEEP": "[" * 3000 + "]" * 3000,
    "DEEPER": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "HUGE": "1" + "0" * 400,
    "DIGITS": "9" * 5000,
    "FLOAT": "1e999",
}
"""Values that `json.dumps` does not write."""
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2.5, 1e300, float("nan"), float("inf"), -float("inf"), -0.0, 2**63, -(2**70)),
    *("", " ", "\n", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\u202e", "\ufeff", "\u2028", "é", "x" * 100_000),
    *(
        "0",
        "k0",
        "a",
        "q0",
        "a/0",
        "[]",
        "null",
        "\x1b[31m",
        "<script>alert(1)</script>",
        "%s %d {0}",
        "../../etc/passwd",
    ),
    *([], {}, [[]], [None], [{}], [""], [" "], ["\ud800"], ["k0", "k0"], ["nowhere"], [0], [True], [1.5], ["k0", 1]),
    *([float("nan")], [1e39], [10**400], {"a": {"b": [None]}}, {"text": "a"}, [["k0"]], ["x"] * 10_000),
    *_RAW,
)
_NAMES = ("", "id", "query", "text", "pos", "\x00", "\ud800", "x" * 10_000, ":origin", "_target_", "__class__")


def mutated(line: str, others: list[str], draw: Random) -> bytes:
    """A line that differs from a valid one in one place or more, as the bytes of a file.

    Args:
        line: It.
        others: Lines that it may repeat.
        draw: The source of chance.
    """
    text = json.loads(line)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        _change(text, draw)
    written = json.dumps(text, ensure_ascii=draw.random() < 0.7)
    for name, raw in _RAW.items():
        written = written.replace(f'"{name}"', raw)
    kind = draw.randrange(14)
    if kind == 0:
        written = draw.choice(others)
    elif kind == 1:
        written = written[: draw.randrange(len(written))]
    elif kind == 2:
        written = draw.choice(
            (f"[{written}]", f"{written},", f"{written}{written}", f"// {written}", written.replace('"', "'"))
        )
    content = written.encode("utf-8", "surrogatepass")
    if kind == 3:
        place = draw.randrange(len(content) + 1)
        content = (
            content[:place] + draw.choice((b"\x00", b"\xff", b"\xc3", b"\r", b"\n", b"\xed\xa0\x80")) + content[place:]
        )
    elif kind == 4:
        content = written.encode(draw.choice(("utf-16", "utf-8-sig", "utf-32-le", "utf-7")), "replace")
    elif kind == 5:
        content = draw.choice((b"", b" ", b"\r", b"null", b"1", b'"a"', b"{}", b"\xef\xbb\xbf", b"NaN", b"\x00" * 100))
    elif kind == 6 and content:
        place = draw.randrange(len(content))
        content = content[:place] + bytes([content[place] ^ (1 << draw.randrange(8))]) + content[place + 1 :]
    return content


def _value(draw: Random) -> Any:
    return deepcopy(draw.choice(_VALUES))


def _change(value: Any, draw: Random) -> None:
    """Change something in an object or in a list in it."""
    if isinstance(value, list):
        if value and draw.random() < 0.5:
            value[draw.randrange(len(value))] = _value(draw)
        else:
            value.append(_value(draw))
        return
    name = draw.choice([*value] or [""])
    kind = draw.randrange(8)
    if kind == 0:
        value.pop(name, None)
    elif kind == 1:
        value[draw.choice(_NAMES)] = value.pop(name, None)
    elif kind == 2:
        value[draw.choice(_NAMES)] = _value(draw)
    elif kind < 5 and isinstance(value.get(name), list | dict):
        _change(value[name], draw)
    else:
        value[name] = _value(draw)
