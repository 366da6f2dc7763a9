"""What a class or a function takes, read off the sources without importing them.

Torch, transformers and Lightning take ten seconds and more to import.
"""

import ast
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import embedder
from embedder.bounds import Bound
from embedder.shown import nearest

_PLAIN = {"int": int, "float": float, "str": str, "bool": bool, "None": None, "Any": Any, "object": object}
_GENERIC: dict[str, Any] = {"list": list, "Sequence": Sequence, "tuple": tuple, "dict": dict, "Mapping": Mapping}

_HANDED_ON = 5  # from package to package, at most, until what a name stands for is defined


@dataclass(frozen=True)
class Parameter:
    """What an argument may be, and whether it has to be given."""

    kind: Any
    required: bool


@cache
def parameters(target: str) -> dict[str, Parameter] | str | None:
    """What a class or function of this package is called with, by name.

    Args:
        target: Its dotted name.

    Returns:
        None for what lies in other packages or inherits from another file; a text that says what was expected if there
        is no such thing here.
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
    init = _init_of(node)
    return None if init is None else _of_function(init.args, tree, skip=1)


@cache
def taken_names(target: str) -> tuple[str, ...]:
    """What a class or function of any package is called with; `**` for names that it hands on.

    Returns:
        Nothing where the sources do not say it. This is advice, no ground to refuse a setting: decorators take more.
    """
    module, _, name = target.rpartition(".")
    if module.partition(".")[0] == embedder.__name__:
        found = parameters(target)
        return tuple(found) if isinstance(found, dict) else ()
    for _ in range(_HANDED_ON):
        if (path := _source(module, anywhere=True)) is None:
            return ()
        tree = _parsed(path)
        if (node := next((node for node in _definitions(tree) if node.name == name), None)) is not None:
            function = node if isinstance(node, ast.FunctionDef) else _init_of(node)
            return () if function is None else _argument_names(function.args)[int(function is not node) :]
        module = _imported(tree).get(name, "")
    return ()


def _argument_names(arguments: ast.arguments) -> tuple[str, ...]:
    named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return (*(one.arg for one in named), *(() if arguments.kwarg is None else ("**",)))


def _init_of(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)


def _of_dataclass(node: ast.ClassDef, tree: ast.Module) -> dict[str, Parameter] | None:
    inherited: dict[str, Parameter] = {}
    for name in {ast.unparse(base) for base in node.bases} - {"ABC", "Generic", "Protocol"}:
        base = next((one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name), None)
        of_base = None if base is None else _of_dataclass(base, tree)
        if of_base is None:  # of another module
            return None
        inherited |= of_base
    return inherited | {
        field.target.id: Parameter(_kind(field.annotation, tree), field.value is None)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def _of_function(arguments: ast.arguments, tree: ast.Module, skip: int) -> dict[str, Parameter]:
    some = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(some) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(some, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)][skip:]
    others = {} if arguments.kwarg is None else {"**": Parameter(Any, required=False)}  # names that it hands on
    return {one.arg: Parameter(_kind(one.annotation, tree), default is None) for one, default in pairs} | others


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


def _source(module: str, *, anywhere: bool = False) -> Path | None:
    """The file of a module of this package, or of any that is installed."""
    first, *parts = module.split(".")
    if not anywhere and first != embedder.__name__:
        return None
    spec = importlib.util.find_spec(first) if first.isidentifier() else None  # of the package, which it does not import
    if spec is None or not spec.submodule_search_locations:
        return None
    place = Path(spec.submodule_search_locations[0]).joinpath(*parts)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
