"""The tokens that a model expects in front of every text."""

from typing import Any


def prompt_start(tokenizer: Any) -> list[int]:
    """What a tokenizer puts in front of a text, such as the beginning-of-text token of Llama and Gemma; often nothing.

    A model trained with such a token gives other, and much worse, likelihoods without it.
    """
    marked: list[int] = tokenizer("a")["input_ids"]
    plain: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
    starts = (k for k in range(len(marked) - len(plain) + 1) if marked[k : k + len(plain)] == plain)
    return marked[: next(starts, 0)]
