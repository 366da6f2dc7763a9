"""Hold the composed configuration against the code that it describes, without importing that code.

Torch, transformers and Lightning take ten seconds and more to import; what annotations are is read off the sources.
"""

import ast
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import embedder
from embedder.bounds import Bound
from embedder.checks import check_value
from embedder.errors import ConfigError

_REFERENCE = re.compile(r"\$\{(?:oc\.select:)?([A-Za-z_][\w.@]*)(?:,null)?\}")
_PLAIN = {"int": int, "float": float, "str": str, "bool": bool, "None": None, "Any": Any, "object": object}
_GENERIC: dict[str, Any] = {"list": list, "Sequence": Sequence, "tuple": tuple, "dict": dict, "Mapping": Mapping}


@dataclass(frozen=True)
class _Parameter:
    kind: Any
    required: bool


def check_settings(config: Any, overrides: Sequence[str] = ()) -> None:
    """Look at every setting that the run reads, following references to the key that a user sets.

    Args:
        config: The composed configuration (a DictConfig).
        overrides: Of the command line, to say how a value that was read as a number is written as text.

    Raises:
        ConfigError: The first value that is missing, of another type than the code takes, or of no known setting.
    """
    from omegaconf import OmegaConf

    tree: Any = OmegaConf.to_container(config, resolve=False)
    _Check(config, tree, overrides).visit("run")


def users_key(config: Any, path: str) -> str:
    """The key that a user sets for a place below `run`: `run.preparation.source.path` is `source.path`."""
    from omegaconf import OmegaConf

    tree = OmegaConf.to_container(config, resolve=False)
    return _followed(tree, path)


def nearest(name: str, names: Sequence[str]) -> str:
    """` (did you mean X?)`, or nothing if no name is like it."""
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


class _Check:
    def __init__(self, config: Any, tree: dict[str, Any], overrides: Sequence[str]) -> None:
        self._config, self._tree, self._overrides = config, tree, overrides
        self._seen: set[str] = set()

    def visit(self, path: str) -> None:
        """Check a node and all below it."""
        path = _followed(self._tree, path)
        if path in self._seen:
            return
        self._seen.add(path)
        node = _at(self._tree, path)
        if path == "run" and not isinstance(node, dict):
            raise ConfigError("run", "settings with a _target_, which an action has (action=...)", node)
        if isinstance(node, dict):
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


@cache
def parameters(target: str) -> dict[str, _Parameter] | str | None:
    """What a class or function of this package is called with, by name.

    Args:
        target: Its dotted name.

    Returns:
        None for what lies in other packages or inherits its parameters; a text that says what was expected if there is
        no such thing here.
    """
    module, _, name = target.rpartition(".")
    package = module.partition(".")[0]
    if package != embedder.__name__:
        found = package.isidentifier() and importlib.util.find_spec(package) is not None
        return None if found else "a class or function of an installed package, by its full name"
    path = _source(module)
    if path is None:
        owner, _, class_name = module.rpartition(".")
        of_class = (source := _source(owner)) is not None and class_name in _names(_parsed(source))
        return None if of_class else "a class or function of this package, by its full name"
    tree = _parsed(path)
    if name not in (names := _names(tree)):
        return None if name in _imported(tree) else f"a class or function of {module}{nearest(name, names)}"
    node = next(node for node in _definitions(tree) if node.name == name)
    if isinstance(node, ast.FunctionDef):
        return _of_function(node.args, tree, skip=0)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return _of_dataclass(node, tree)
    init = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if init is None:
        return None
    return _of_function(init.args, tree, skip=1)


def _of_dataclass(node: ast.ClassDef, tree: ast.Module) -> dict[str, _Parameter] | None:
    inherited: dict[str, _Parameter] = {}
    for name in {ast.unparse(base) for base in node.bases} - {"ABC", "Generic", "Protocol"}:
        base = next((one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name), None)
        of_base = None if base is None else _of_dataclass(base, tree)
        if of_base is None:  # of another module
            return None
        inherited |= of_base
    return inherited | {
        field.target.id: _Parameter(_kind(field.annotation, tree), field.value is None)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def _of_function(arguments: ast.arguments, tree: ast.Module, skip: int) -> dict[str, _Parameter]:
    some = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(some) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(some, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)][skip:]
    others = {} if arguments.kwarg is None else {"**": _Parameter(Any, required=False)}  # names that it hands on
    return {one.arg: _Parameter(_kind(one.annotation, tree), default is None) for one, default in pairs} | others


def _kind(node: ast.expr | None, tree: ast.Module) -> Any:
    """The type that an annotation names, as far as plain types, bounds, lists, mappings and words go; or else Any."""
    if node is None or isinstance(node, ast.Constant):
        return None if node is not None and node.value is None else Any
    if isinstance(node, ast.BinOp):
        return Union[_kind(node.left, tree), _kind(node.right, tree)]  # noqa: UP007  # made of values
    if isinstance(node, ast.Name):
        return _PLAIN[node.id] if node.id in _PLAIN else _GENERIC.get(node.id) or _named(node.id, tree)
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
        return Any
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if node.value.id == "Literal":
        return Literal[tuple(part.value for part in parts if isinstance(part, ast.Constant))]
    if node.value.id == "Annotated":
        return Annotated[_kind(parts[0], tree), *map(_bound, parts[1:])]
    if node.value.id == "Callable":
        return Callable
    generic = _GENERIC.get(node.value.id)
    if generic is None:
        return Any
    kinds = [... if isinstance(part, ast.Constant) and part.value is ... else _kind(part, tree) for part in parts]
    return generic[tuple(kinds)] if len(kinds) > 1 else generic[kinds[0]]


def _bound(node: ast.expr) -> Bound:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != Bound.__name__:
        raise ValueError(f"an annotation that is no bound: {ast.unparse(node)}")
    keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    return Bound(*map(ast.literal_eval, node.args), **keywords)


def _named(name: str, tree: ast.Module) -> Any:
    """What a name of a module stands for: a class of settings, or an alias such as `Keep`."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return type(name, (), {})
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return _kind(node.value, tree)
    if (module := _imported(tree).get(name)) and (path := _source(module)):
        return _named(name, _parsed(path))
    return Any


def _definitions(tree: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    return (node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))


def _names(tree: ast.Module) -> list[str]:
    return [node.name for node in _definitions(tree)]


def _imported(tree: ast.Module) -> dict[str, str]:
    nodes = (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.asname or alias.name: str(node.module) for node in nodes for alias in node.names}


def _source(module: str) -> Path | None:
    first, *parts = module.split(".")
    if first != embedder.__name__:
        return None
    place = Path(str(embedder.__file__)).parent.joinpath(*parts)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
