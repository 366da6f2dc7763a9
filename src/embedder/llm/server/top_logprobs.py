"""Estimate log-likelihoods of outputs from the top-logprobs of what a chat server writes by itself."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any

from embedder.errors import EmbedderError
from embedder.llm.server.scores import log_probability
from embedder.types import OutputScore

_LOWEST = -20.0  # nats: what is less likely counts as this, and so does every output after an empty reply
RULE = 1
"""Version of what `estimate` computes, which its stored results belong to."""
_NEEDED = (
    "the answer has no `top_logprobs` of the written tokens, which llm.top_logprobs asks for (vLLM, SGLang, llama.cpp "
    "and Ollama from 0.12.11 give them); llm.top_logprobs=0 with reward=f1, correct, contains, judged or listwise "
    "needs none"
)


@dataclass(frozen=True, slots=True)
class Position:
    """A position of what was written: its token, and the likeliest tokens there, each with its log-probability."""

    token: bytes
    logprob: float
    listed: tuple[tuple[bytes, float], ...]

    def onward(self, rest: bytes) -> list[float]:
        """Log-probabilities of the listed tokens that a text begins with."""
        return [value for text, value in self.listed if text.strip() and rest.startswith(_bare(text))]


def positions_of(logprobs: Any) -> list[Position]:
    """The positions of a reply, from its list of `{token, logprob, top_logprobs}`.

    Raises:
        EmbedderError: It is no such list.
    """
    if not isinstance(logprobs, list):
        raise EmbedderError(_NEEDED)
    return [Position(*_pair(entry), tuple(_pairs(entry))) for entry in logprobs]


def estimate(positions: Sequence[Position], output: str, max_new_tokens: int) -> OutputScore:
    """The log-likelihood of an output as far as a greedy reply shows it, at most 0.

        log p(written tokens that spell the output) + log p(listed tokens that would have gone on with it)

    The second term is that of the first position whose token does not spell the output; where no listed token goes on
    with it, the lowest of the listed log-probabilities stands for it. What comes behind counts as certain, so that this
    is an upper bound. A chat model may say something before the answer: of all positions at which the output could
    begin, the one where it is likeliest counts. A reply that ends before the output does counts as if nothing that
    goes on were listed. Spaces do not count, since servers show them differently.

    Args:
        positions: Of the reply.
        output: Text.
        max_new_tokens: With fewer positions than this the reply ended by itself.

    Returns:
        Nats, over one token, since the tokens of the output are not known.
    """
    text = _bare(output.strip().encode())
    written = list(dropwhile(lambda position: not position.token.strip(), positions))  # white space before the answer
    starts = [k for k, position in enumerate(written) if k == 0 or position.onward(text)]
    ended = len(positions) < max_new_tokens
    return OutputScore(max((_from(written[k:], text, ended=ended) for k in starts), default=_LOWEST), 1)


def _from(positions: Sequence[Position], rest: bytes, *, ended: bool) -> float:
    """The estimate of an output that begins at the first position."""
    total, lowest = 0.0, _LOWEST
    for position in positions:
        token, lowest = _bare(position.token), min(value for _, value in position.listed)
        if not rest.startswith(token):
            onward = position.onward(rest)
            return min(total + (math.log(sum(map(math.exp, onward))) if onward else lowest), 0.0)
        total += position.logprob
        rest = rest.removeprefix(token)
        if not rest:
            return total
    return total + (lowest if ended else 0.0)


def _bare(text: bytes) -> bytes:
    return text.replace(b" ", b"")


def _pair(entry: Any) -> tuple[bytes, float]:
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        raise EmbedderError(_NEEDED)
    # A character that is spread over several tokens is whole in their bytes alone.
    raw = entry.get("bytes")
    if isinstance(raw, list) and all(type(byte) is int and 0 <= byte < 256 for byte in raw):
        text = bytes(raw)
    else:
        text = entry["token"].encode(errors="replace")
    # A share of 0 is -inf, or the lowest number that there is, as servers have it; only after this is it looked at.
    value: Any = entry.get("logprob")
    return text, log_probability(max(value, _LOWEST) if type(value) in (int, float) else value)


def _pairs(entry: Any) -> Iterator[tuple[bytes, float]]:
    listed = entry.get("top_logprobs")
    if not isinstance(listed, list) or not listed:
        raise EmbedderError(_NEEDED)
    return map(_pair, listed)
