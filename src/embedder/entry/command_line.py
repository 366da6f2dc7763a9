"""Errors of Hydra about a command line, as messages in terms of the existing settings."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from embedder.entry.faults import message_for_user
from embedder.entry.project import conf_folder
from embedder.entry.signatures import taken_names
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
        return _unknown_key(unknown[1] or unknown[2], conf, name, arguments), 2
    if (twice := _TWICE.search(text)) is not None:
        group = twice[1] or twice[2]
        if any(argument.startswith(f"+{group}=") for argument in arguments):
            return f"{shown(group)}: this command has that group already, so its choice is set without the +", 2
        placed = "/" + shown(group).partition("@")[0]
        return f"{shown(group)}: chosen twice; a file whose defaults have _base writes `override {placed}@...: ...`", 2
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


def _unknown_key(key: str, conf: Path, name: str, arguments: Sequence[str]) -> str:
    """Which setting or group of choices was meant, or how the setting is added."""
    group, last = key.partition("@")[0], key.rpartition(".")[2]
    groups = sorted(str(path.relative_to(conf)) for path in conf.glob("**/") if path != conf)
    config = _composed(conf, name, [one.partition(",")[0] for one in arguments if one.partition("=")[0] in groups])
    keys = list(_keys(config))
    if group in groups and group not in keys:
        return _group_of_others(group, conf)
    if owners := _owners(key, conf):
        return f"{shown(key)}: a setting of {' or '.join(owners)}, which this command does not choose"
    first = get_close_matches(
        key.partition(".")[0], sorted({known.partition(".")[0] for known in (*groups, *keys)}), n=1
    )
    # `source.paht` is meant to be a setting of `source=corpus`, whichever choice of its group is the default.
    choices = [path for one in first for path in sorted((conf / one).glob("[!_]*.yaml"))]
    of_choices = (f"{first[0]}.{known}" for path in choices for known in _keys_of(path))
    target, taken = _taken(key, config)
    of_target = () if last in taken else (f"{key.rpartition('.')[0]}.{one}" for one in taken if one != "**")
    candidates = sorted({*groups, *keys, *of_choices, *of_target})
    near = get_close_matches(key, candidates, n=1, cutoff=0.8)
    added = next((shlex.quote(f"+{shown(one)}") for one in arguments if one.partition("=")[0] == key), "")
    if last in taken and added:
        more = f", or did you mean {near[0]}?" if near else ""
        return f"{shown(key)}: not in the configuration, but {target} takes it: {added} adds it{more}"
    near = near or [known for known in candidates if known.endswith(f".{last}")][:3] or first
    meant = f"did you mean {' or '.join(near)}?" if near else f"{command(name)} --cfg job shows all"
    handed_on = f" {added} hands it to {target} as it is" if "**" in taken and added else ""
    return f"{shown(key)}: there is no such setting; {meant}{handed_on}"


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


def _owners(key: str, conf: Path) -> list[str]:
    """The choices of a group that have a setting which the chosen one has not, such as `source=corpus` for its path."""
    group, _, rest = key.partition(".")
    if not rest:
        return []
    paths = sorted((conf / group).glob("[!_]*.yaml"))
    return [f"{group}={path.stem}" for path in paths if rest in _keys_of(path)]


def _taken(key: str, config: Any) -> tuple[str, tuple[str, ...]]:
    """What the node of a setting builds, and the names that this is called with."""
    node, parents = config, key.split(".")[:-1]
    for parent in parents:
        node = node.get(parent) if isinstance(node, Mapping) else None
    target = node.get("_target_") if isinstance(node, Mapping) else None
    return (target, taken_names(target)) if isinstance(target, str) else ("", ())


def _composed(conf: Path, name: str, choices: Sequence[str]) -> Any:
    """The configuration with these choices of its groups, where they exist, and no other overrides."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            config = compose(name, overrides=list(choices))
        except HydraException:  # one of them is what is unknown
            config = compose(name)
    composed: Any = OmegaConf.to_container(config, resolve=False)
    return composed


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
