"""Errors of Hydra about a command line, as messages in terms of the existing settings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from embedder.entry.faults import message_for_user
from embedder.entry.project import conf_folder
from embedder.errors import ConfigError
from embedder.shown import nearest, shown
from embedder.started import command

_UNKNOWN = re.compile(r"Could not (?:override|delete|append to) '([^']+)'|Key '([^']+)' is not in struct")
_NO_CHOICE = re.compile(r"Could not find '([^']+)'")
_NO_GROUP = "Config group override must be a string or a list"
_TWICE = re.compile(r"Multiple values for (\S+)\. To override|^(\S+) appears more than once in the final defaults list")


def mended(error: Exception, name: str, arguments: Sequence[str]) -> tuple[str | None, int]:
    """The line for a user, and the exit status.

    Args:
        error: What Hydra or the system raised before the run was built.
        name: The entry point.
        arguments: Its overrides.

    Returns:
        None, and any status, if it is an error in this project.
    """
    from hydra.errors import CompactHydraException, OverrideParseException

    text = str(error)
    if isinstance(error, OverrideParseException):
        kinds = "blanks, commas, =, brackets or letters beyond a to z"
        quoted = f"a value with {kinds} is quoted for Hydra and for the shell: 'KEY=\"VALUE\"'"
        return f"{text.splitlines()[0]}\n{quoted}", 1  # as Hydra itself ends
    conf = conf_folder()
    if (choice := _NO_CHOICE.search(text)) is not None:
        group, _, chosen = choice[1].rpartition("/")
        names = sorted(path.stem for path in (conf / group).glob("[!_]*.yaml"))
        if group and names:
            return str(ConfigError(group, f"one of {', '.join(names)}{nearest(chosen, names)}", chosen)), 2
    if (unknown := _UNKNOWN.search(text)) is not None:
        return _unknown_key(unknown[1] or unknown[2], conf, name), 2
    if (twice := _TWICE.search(text)) is not None:
        group = twice[1] or twice[2]
        if any(argument.startswith(f"+{group}=") for argument in arguments):
            return f"{shown(group)}: this command has that group already, so its choice is set without the +", 2
    if _NO_GROUP in text:
        return _no_group(conf, arguments), 2
    if isinstance(error, CompactHydraException | ValueError):
        return shown(" ".join(text.split()), 500), 2
    return message_for_user(error), 2


def _no_group(conf: Path, arguments: Sequence[str]) -> str:
    """`llm=null`, `llm=5` or `llm={...}`: Hydra does not say of which group."""
    for argument in arguments:
        key, _, value = argument.lstrip("+").partition("=")
        names = sorted(path.stem for path in (conf / key.partition("@")[0]).glob("[!_]*.yaml"))
        if names and value not in names and not value.startswith("["):
            return str(ConfigError(key, f"one of {', '.join(names)}", value))
    return _NO_GROUP


def _unknown_key(key: str, conf: Path, name: str) -> str:
    """Which setting or group of choices was meant."""
    group = key.partition("@")[0]
    groups = sorted(str(path.relative_to(conf)) for path in conf.glob("**/") if path != conf)
    config = _composed(conf, name)
    keys = list(_keys(config))
    candidates = sorted({*groups, *keys})
    last = key.rpartition(".")[2]
    if group in groups and group not in keys:
        return _group_of_others(group, conf)
    if owners := _owners(key, conf):
        return f"{shown(key)}: a setting of {' or '.join(owners)}, which this command does not choose"
    near = _beside(key, config, keys, all_words=True)
    if not near and (near := [known for known in candidates if known.endswith(f".{last}")][:3]):
        near += [known for known in _beside(key, config, keys, all_words=False) if known not in near][:1]
    if not near:
        first, _, rest = group.partition(".")
        mended_first = get_close_matches(first, sorted({known.partition(".")[0] for known in candidates}), n=1)
        whole = ".".join([*mended_first, rest]).strip(".") if mended_first else ""
        near = [whole] if whole in candidates or _owners(whole, conf) else _of_group(whole, conf)
        near = near or get_close_matches(group, candidates, n=1, cutoff=0.7) or mended_first
    meant = f"did you mean {' or '.join(near)}?" if near else f"{command(name)} --cfg job shows all"
    return f"{shown(key)}: there is no such setting; {meant}"


def _group_of_others(group: str, conf: Path) -> str:
    """A group that exists, but that this command does not choose from by itself."""
    commands: list[str] = []
    for path in sorted(conf.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        if placed := re.search(rf"^  - ({re.escape(group)}@\S+): ", text, re.MULTILINE):
            return f"{group}: there is no such setting; did you mean {placed[1]}?"
        commands += [path.stem] if re.search(rf"^  - {re.escape(group)}: ", text, re.MULTILINE) else []
    if commands:
        return f"{group}: a group of {' and '.join(commands)} alone"
    choice = next((path.stem for path in sorted((conf / group).glob("[!_]*.yaml"))), "CHOICE")
    return f"{group}: a choice of this group is put into a setting, as in +{group}@SETTING={choice}"


def _beside(key: str, config: Any, keys: Sequence[str], *, all_words: bool) -> list[str]:
    """Settings of the same node with all words of the name, or with its first one of several.

    Of `run.max_queries` that is `run.max_test_queries`, of `rag.max_queries` by its first word `rag.max_answered`.
    """
    node, _, last = key.rpartition(".")
    value = config
    for name in node.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str) and (elsewhere := re.fullmatch(r"\$\{([\w.]+)\}", value)) is not None:
        node = elsewhere[1]  # where the settings are written: `rag.competitors` is `${llm_outputs}`
    words = last.split("_")
    names = [(known, known.removeprefix(f"{node}.").split("_")) for known in keys if known.rpartition(".")[0] == node]
    if all_words:
        return [known for known, parts in names if set(words) <= set(parts)][:3]
    return [known for known, parts in names if parts[0] == words[0] and len(words) > 1]


def _of_group(key: str, conf: Path) -> list[str]:
    """Settings like it that any choice of its group has: `source.paht` is meant to be that of `source=corpus`."""
    group, _, rest = key.partition(".")
    known = (_keys_of(path) for path in sorted((conf / group).glob("[!_]*.yaml")))
    near = get_close_matches(rest, sorted({name for keys in known for name in keys}), n=1, cutoff=0.7)
    return [f"{group}.{name}" for name in near]


def _owners(key: str, conf: Path) -> list[str]:
    """The choices of a group that have a setting which the chosen one has not, such as `source=corpus` for its path."""
    group, _, rest = key.partition(".")
    if not rest:
        return []
    paths = sorted((conf / group).glob("[!_]*.yaml"))
    return [f"{group}={path.stem}" for path in paths if rest in _keys_of(path)]


def _composed(conf: Path, name: str) -> Any:
    """The configuration without overrides."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        config: Any = OmegaConf.to_container(compose(name), resolve=False)
    return config


def _keys_of(path: Path) -> Iterator[str]:
    """The settings of a file of `conf`."""
    from omegaconf import OmegaConf

    return _keys(OmegaConf.to_container(OmegaConf.load(path)))


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            path = f"{prefix}.{name}" if prefix else str(name)
            yield path
            yield from _keys(value, path)
