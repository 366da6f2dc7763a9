"""Token ids of prompts, and of outputs as they stand behind a prompt."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

Sent = TypeVar("Sent", str, list[int])

_PROBES = ("a", "positive", " Maren", "1712")
_BREAK = "\n"
_TAIL = 48  # characters of a prompt that decide how the text behind it is cut into tokens


def prompt_start(tokenizer: Any) -> list[int]:
    """What a tokenizer puts in front of a text, such as the beginning-of-text token of Llama and Gemma; often nothing.

    A model trained with such a token gives other, and much worse, likelihoods without it.
    """
    marked: list[int] = tokenizer("a")["input_ids"]
    plain: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
    starts = (k for k in range(len(marked) - len(plain) + 1) if marked[k : k + len(plain)] == plain)
    return marked[: next(starts, 0)]


def reads_otherwise_behind(tokenizer: Any) -> bool:
    """Whether a text has other tokens behind a prompt than by itself.

    Tokenizers after SentencePiece put a space in front of a text (Llama 2, Mistral): by itself "positive" is
    "▁positive", and behind a line break "pos", "itive".
    """
    alone = _ids(tokenizer, _PROBES)
    return any(_behind(tokenizer, [_BREAK], [text])[0] != own for text, own in zip(_PROBES, alone, strict=True))


def prompt_ids(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """Token ids of each prompt, with what the tokenizer puts in front.

    Raises:
        ValueError: A prompt has no tokens.
    """
    start = prompt_start(tokenizer) if prompts else []
    return [start + ids for ids in not_empty(prompts, _ids(tokenizer, prompts), "prompt")]


def output_ids(
    tokenizer: Any, prompts: Sequence[str], outputs: Sequence[Sequence[str]], *, behind: bool
) -> list[list[list[int]]]:
    """Token ids of each of `outputs[i]` behind `prompts[i]`.

    Args:
        tokenizer: Of the language model.
        prompts: The prompts.
        outputs: What stands behind each.
        behind: What `reads_otherwise_behind` says of the tokenizer: whether an output is read together with the end of
            its prompt, or by itself.

    Raises:
        ValueError: An output has no tokens, or the numbers of prompts and lists of outputs differ.
    """
    texts = [text for own in outputs for text in own]
    before = [prompt for prompt, own in zip(prompts, outputs, strict=True) for _ in own]
    token_ids = _behind(tokenizer, before, texts) if behind else _ids(tokenizer, texts)
    each: Iterator[list[int]] = iter(not_empty(texts, token_ids, "output"))
    return [[next(each) for _ in own] for own in outputs]


def _behind(tokenizer: Any, prompts: Sequence[str], texts: Sequence[str]) -> list[list[int]]:
    """What is added to the tokens of the end of each prompt by the text behind it.

    Where a token lies across the border, so that nothing is just added, the text is read behind a line break.
    """
    tails = [prompt[-_TAIL:] for prompt in prompts]
    distinct = list(dict.fromkeys([*tails, _BREAK]))
    alone = dict(zip(distinct, _ids(tokenizer, distinct), strict=True))
    joined = _ids(tokenizer, [tail + text for tail, text in zip(tails, texts, strict=True)])
    added = []
    for tail, text, ids in zip(tails, texts, joined, strict=True):
        before = alone[tail]
        if ids[: len(before)] != before:
            before, (ids,) = alone[_BREAK], _ids(tokenizer, [_BREAK + text])
        added.append(ids[len(before) :])
    return added


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = []
    if texts:
        ids = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def not_empty(texts: Sequence[str], sent: list[Sent], what: str) -> list[Sent]:
    """What is read or sent for each text, its tokens or itself.

    Raises:
        ValueError: It is empty for one.
    """
    for text, own in zip(texts, sent, strict=True):
        if not own:
            raise ValueError(f"an empty {what} ({text!r}) has no log-likelihood and cannot be continued")
    return sent
