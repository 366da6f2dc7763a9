"""Check the composed configuration by the code that it describes, without importing that code.

Torch, transformers and Lightning take ten seconds and more to import; `embedder.entry.signatures` reads the sources.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from embedder.checks import check_value
from embedder.entry.signatures import parameters
from embedder.errors import ConfigError, EmbedderError
from embedder.shown import nearest

_REFERENCE = re.compile(r"\$\{(?:oc\.select:)?([A-Za-z_][\w.@]*)(?:,null)?\}")

_OF_HYDRA = {"_target_": str, "_partial_": bool, "_recursive_": bool, "_args_": list, "_convert_": str}
"""What says how a node is built; Hydra takes nothing else, and does not say so in one line."""
_RAISED_HERE = "ConfigError raised while resolving interpolation: "


def check_settings(config: Any, overrides: Sequence[str] = ()) -> None:
    """Look at every setting that the run reads, following references to the key that a user sets.

    Args:
        config: The composed configuration (a DictConfig).
        overrides: Of the command line, to say how a value that was read as a number is written as text.

    Raises:
        ConfigError: The first value that is missing, of another type than the code takes, or of no known setting; or
            an engine for a run that shares no work.
    """
    from omegaconf import OmegaConf

    tree: Any = OmegaConf.to_container(config, resolve=False)
    check = _Check(config, tree, overrides)
    check.visit("run")
    # Parts of a paper's table take what the command sets.
    if tree.get("engine") is not None and "engine" not in check.seen and "paper" not in tree:
        given = next((one for one in overrides if re.match(r"\+*engine\b", one)), None)
        if given is not None:
            raise ConfigError("engine", "no setting of it, since this action has no work that an engine shares", given)


def users_key(config: Any, path: str) -> str:
    """The key that a user sets for a path below `run`: `run.preparation.source.path` is `source.path`."""
    from omegaconf import OmegaConf

    tree = OmegaConf.to_container(config, resolve=False)
    return _followed(tree, path)


def _check_mix(tasks: Any) -> None:
    """Refuse a task that has settings, as of an experiment, and no file in the mix."""
    for name, task in tasks.items() if isinstance(tasks, dict) else ():
        if isinstance(task, dict) and "_target_" not in task:
            raise ConfigError("task_mix", f"a mix with the task {name!r}, since something is set of it", sorted(tasks))


class _Check:
    def __init__(self, config: Any, tree: dict[str, Any], overrides: Sequence[str]) -> None:
        self._config, self._tree, self._overrides = config, tree, overrides
        self.seen: set[str] = set()

    def visit(self, path: str) -> None:
        """Check a node and all below it."""
        path = _followed(self._tree, path)
        if path in self.seen:
            return
        self.seen.add(path)
        node = _at(self._tree, path)
        if path == "run" and not isinstance(node, dict):
            raise ConfigError("run", "settings with a _target_, which an action has (action=...)", node)
        if isinstance(node, dict):
            for name, kind in _OF_HYDRA.items():
                if name in node:
                    self._check_value(f"{path}.{name}", kind)
            if isinstance(target := node.get("_target_"), str):
                self._check_node(path, node, target)
            for name in node:
                self.visit(f"{path}.{name}")
        elif node == "???":
            raise ConfigError(path, f"a value ({path}=...), since it has no default", None)

    def _check_node(self, path: str, node: Mapping[str, Any], target: str) -> None:
        found = parameters(target)
        if found is None:
            return
        if isinstance(found, str):
            raise ConfigError(f"{path}._target_", found, target)
        names = [name for name in node if not name.startswith("_")]
        for name in names:
            if name not in found and "**" not in found:
                near = nearest(name, list(found))
                raise ConfigError(f"{path}.{name}", f"a setting that exists: {', '.join(found)}{near}", node[name])
        for name, parameter in found.items():
            if name in node:
                self._check_value(f"{path}.{name}", parameter.kind)
            elif parameter.required and not node.get("_partial_"):
                raise ConfigError(f"{path}.{name}", "a value, since it has no default", None)

    def _check_value(self, path: str, kind: Any) -> None:
        path = _followed(self._tree, path)
        value = _at(self._tree, path)
        if value == "???":
            return self.visit(path)
        if isinstance(value, str) and "${" in value:
            value = self._resolved(path)
        if path == "tasks":
            _check_mix(value)
        try:
            check_value(path, _built(value), kind)
        except ConfigError as error:
            raise ConfigError(path, error.expected + self._advice(path, value, error.expected), value) from None
        return None

    def _resolved(self, path: str) -> Any:
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        try:
            value = OmegaConf.select(self._config, path)
        except OmegaConfBaseException as error:
            if _RAISED_HERE in str(error):  # by an interpolation of this project; OmegaConf keeps its words alone
                raise EmbedderError(str(error).partition(_RAISED_HERE)[2].splitlines()[0]) from error
            raise ConfigError(path, "a value that can be worked out", str(error).splitlines()[0]) from error
        return OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value

    def _advice(self, path: str, value: object, expected: str) -> str:
        """How a number is written where text belongs: the command line reads `1_000` as a number."""
        written = next((o.partition("=")[2] for o in self._overrides if o.lstrip("+").partition("=")[0] == path), None)
        if written is None or "text" not in expected or isinstance(value, str | dict):
            return ""
        one = isinstance(value, list)
        items = written.strip("[]").split(",") if one else [written]
        quoted = ",".join(f'"{item.strip()}"' for item in items)
        advised = f"[{quoted}]" if one else quoted
        return f"; text that looks like a number, true, false, nan or null is quoted twice: '{path}={advised}'"


class _Built:
    """Stands for what a node with a `_target_` becomes."""

    def __call__(self) -> None: ...


def _built(value: Any) -> Any:
    if isinstance(value, dict):
        return _Built() if "_target_" in value else {name: _built(one) for name, one in value.items()}
    return [_built(one) for one in value] if isinstance(value, list) else value


def _at(tree: Any, path: str) -> Any:
    node = tree
    for name in path.split("."):
        if isinstance(node, list):
            node = node[int(name)] if name.isdecimal() and int(name) < len(node) else None
        else:
            node = node.get(name) if isinstance(node, dict) else None
    return node


def _followed(tree: Any, path: str) -> str:
    """The path with each reference on its way, such as `${source}`, replaced by what it refers to."""
    done = ""
    for name in path.split("."):
        done = f"{done}.{name}" if done else name
        for _ in range(10):  # references to references
            value = _at(tree, done)
            if not isinstance(value, str) or (found := _REFERENCE.fullmatch(value)) is None:
                break
            done = found[1]
    return done
