"""Overrides that are wrong in every way: taken, or refused in one line, never with a traceback.

ROBUSTNESS_SEED draws others.
"""

import copy
import logging
import os
import re
from random import Random
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from embedder.entry.command_line import mended
from embedder.entry.faults import message_for_user
from embedder.entry.settings import check_settings
from embedder.errors import EmbedderError
from tests.entry_points import composed

SEED = os.environ.get("ROBUSTNESS_SEED", "")
N = 300
"""Overrides of an entry point; a check takes a tenth of a second."""
_VALUES = (
    *("null", "true", "0", "-1", "1", "3", "2.5", "-0.0", "1e-300", "1e400", "nan", "-inf", "9" * 400, "0x10", "1_000"),
    *(
        "''",
        "' '",
        "abc",
        "été",
        '"\\x00"',
        '"a\x00b"',
        '"\x1b[2J"',
        '"\ud800"',
        "x" * 5000,
        '"%s {0} $"',
        "../..",
        "/",
    ),
    *("[]", "[1]", "[null]", "[a,a]", "[[]]", "[a,1,{}]", "{}", "{a:1}", "{_target_:nowhere.at.all}", "{a:{b:[1]}}"),
    *("{_target_:embedder.nowhere}", "{_target_:builtins.dict}", "{_target_:1}", "{_target_:''}", "{_partial_:true}"),
    *("${no.such}", "${seed}", "${oc.env:NO_SUCH}", "${nowhere:1}", "${", "$", "'${seed}'", "???", "'???'", "${paths}"),
    *("[", "]", "{", "}", "(", "a=b", "a:b", "a,b", "'", '"', "\\", "choice(1,2)", "range(1,3)", "glob(*)", "[" * 300),
    *("gpu", "cpu", "auto", "last", "ddp", "bf16", "rank", "[none,bm25]", "corpus", "flat", "2", "100000000000"),
)
_WHOLE = (
    "",
    "=",
    "==",
    "a",
    "a=",
    "=a",
    "~",
    "+",
    "++",
    "~seed",
    "+seed=1",
    "++seed=x",
    "@",
    "a@b=c",
    "seed@=1",
    ".=1",
    "a..b=1",
)


def settings_of(node: Any, prefix: str = "") -> list[str]:
    """The names of all settings, groups among them."""
    found: list[str] = []
    for name, value in node.items() if isinstance(node, dict) else ():
        found += [f"{prefix}{name}", *settings_of(value, f"{prefix}{name}.")]
    return found


def wrong_override(settings: list[str], draw: Random) -> str:
    kind = draw.randrange(12)
    if kind == 0:
        return draw.choice(_WHOLE)
    name, value = draw.choice(settings), draw.choice(_VALUES)
    if kind == 1:
        place = draw.randrange(len(name) + 1)
        name = name[:place] + draw.choice(("x", ".", "@", " ", "é", "0", "_")) + name[place:]
    elif kind == 2:
        name = f"{draw.choice(('+', '++', '~'))}{name}"
    elif kind == 3:
        name = f"+{name}.{draw.choice(('more', '_target_', '_partial_', '0'))}"
    return f"{name}={value}"


@pytest.mark.parametrize("n", [8, pytest.param(N, marks=pytest.mark.slow)])
@pytest.mark.parametrize("entry", ["prepare", "train", "evaluate"])
def test_a_wrong_override_is_taken_or_refused_in_one_line(entry, n, caplog):
    caplog.set_level(logging.CRITICAL)
    config, draw, parser = composed(entry), Random(f"{entry} {n}{SEED}"), OverridesParser.create()
    OmegaConf.set_struct(config, True)
    settings = settings_of(OmegaConf.to_container(config, resolve=False))
    whole = copy.deepcopy(config)
    outcomes = {"taken": 0, "refused": 0}
    for number in range(n):
        override = wrong_override(settings, draw)
        try:
            line = None
            try:
                ConfigLoaderImpl._apply_overrides_to_config(parser.parse_overrides([override]), config)
            except Exception as error:
                line = mended(error, entry, [override])[0] or pytest.fail(f"{number} {override[:500]!r}: {error!r}")
            if line is None:
                try:
                    check_settings(config, [override])
                    instantiate(config.run, _convert_="all")
                except Exception as error:
                    line = message_for_user(error, config)
                    if line is None:
                        raise
        except Exception as error:
            raise AssertionError(f"{entry}, override {number}: {override[:500]!r}") from error
        outcomes["taken" if line is None else "refused"] += 1
        if line is not None:
            shown = str(EmbedderError(line))
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", shown), (override[:500], shown)
            assert len(shown) < 5000, override[:500]
        put_back(config, whole, override)
    assert outcomes["refused"] > 0, outcomes
    assert outcomes["taken"] > 0 or n < N, outcomes


def put_back(config: DictConfig, whole: DictConfig, override: str) -> None:
    """Undo an override: it changed what is below its first name, and a copy of all takes longer than the check."""
    first = re.split(r"[.@=]", override.lstrip("+~"))[0]
    with open_dict(config):
        for name in {*config} - {*whole}:
            del config[name]
        if first in whole:
            config[first] = copy.deepcopy(whole._get_node(first))
