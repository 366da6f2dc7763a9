"""Writes an encoder as a sentence-transformers folder, in the form that its versions from 4.1 on read."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from embedder.encoders.encoder import TextEncoder
from embedder.encoders.older_names import add_older_names
from embedder.types import Side

_CLASSES = "sentence_transformers.models."  # where versions before 6 have them; 6 knows the old names
_ROUTES: Mapping[Side, str] = {"query": "query", "key": "document"}
_POOLINGS = {  # by the name of the mode here; text-embeddings-inference reads these fields too
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "last": "pooling_mode_lasttoken",
}
Module = tuple[str, Callable[[Path], None]]
"""The class of a module, and what writes its folder."""


def write_modules(encoder: TextEncoder, lengths: Mapping[Side, int], directory: Path) -> None:
    """Write weights, tokenizer and the description of the modules.

    Separate encoders become a `Router`, which versions before 5 do not have.

    Args:
        encoder: The model; its adapters are merged into a copy of the weights.
        lengths: Tokens that texts of each side are cut at; this form has one for both sides of a shared encoder.
        directory: An empty folder.
    """
    last: list[Module] = [*_cut(encoder), ("Normalize", partial(_write_config, {}))]
    if not encoder.has_two_sides:
        modules = [*_route(encoder, "key", lengths), *last]
    else:
        sides = {route: _route(encoder, side, lengths) for side, route in _ROUTES.items()}
        modules = [("Router", partial(_write_router, sides)), *last]
    paths = ["" if number == 0 else f"{number}_{kind}" for number, (kind, _) in enumerate(modules)]
    for path, (_, write) in zip(paths, modules, strict=True):
        write(directory / path)
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": _CLASSES + kind}
        for number, (path, (kind, _)) in enumerate(zip(paths, modules, strict=True))
    ]
    write_json(directory / "modules.json", listed)


def write_json(path: Path, content: Any) -> None:
    """Write a file of settings."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _route(encoder: TextEncoder, side: Side, lengths: Mapping[Side, int]) -> list[Module]:
    """What texts of one side go through."""
    backbone, head = encoder.side(side)
    return [
        ("Transformer", partial(_write_transformer, encoder, side, lengths[side])),
        ("Pooling", partial(_write_pooling, str(encoder.config.pooling), backbone.config.hidden_size)),
        *(("Dense", partial(_write_dense, layer)) for layer in head or ()),
    ]


def _cut(encoder: TextEncoder) -> list[Module]:
    """What cuts vectors before they are normalised, if they are cut: the first rows of a unit matrix.

    sentence-transformers has `truncate_dim` for it, which is not saved and leaves vectors shorter than 1.
    """
    from sentence_transformers.sentence_transformer.modules import Dense

    size = encoder.whole_dimension
    if encoder.dimension == size:
        return []
    first = torch.eye(encoder.dimension, size, dtype=encoder.backbone.dtype)
    layer = Dense(size, encoder.dimension, bias=False, activation_function=None, init_weight=first)
    return [("Dense", partial(_write_dense, layer))]


def _write_transformer(encoder: TextEncoder, side: Side, length: int, folder: Path) -> None:
    encoder.exported(side).save_pretrained(folder, safe_serialization=True)
    encoder.tokenizer.save_pretrained(folder)
    add_older_names(folder)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})


def _write_pooling(pooling: str, size: int, folder: Path) -> None:
    modes = {field: name == pooling for name, field in _POOLINGS.items()}
    _write_config({"word_embedding_dimension": size, **modes, "include_prompt": True}, folder)


def _write_dense(layer: Any, folder: Path) -> None:
    """A linear layer, without settings that are as usual: versions before 5.7 refuse those that they do not know."""
    usual = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
    settings = layer.get_config_dict().items()
    _write_config({name: value for name, value in settings if usual.get(name) != value}, folder)
    weights = {name: weight.detach().cpu().contiguous() for name, weight in layer.named_parameters()}
    save_file(weights, folder / "model.safetensors")


def _write_router(sides: Mapping[str, list[Module]], folder: Path) -> None:
    types, structure = {}, {}
    for side, modules in sides.items():
        names = [f"{side}_{number}_{kind}" for number, (kind, _) in enumerate(modules)]
        for name, (kind, write) in zip(names, modules, strict=True):
            write(folder / name)
            types[name] = _CLASSES + kind
        structure[side] = names
    parameters = {"default_route": "document", "allow_empty_key": True}
    write_json(folder / "router_config.json", {"types": types, "structure": structure, "parameters": parameters})


def _write_config(settings: Mapping[str, Any], folder: Path) -> None:
    write_json(folder / "config.json", settings)
