"""Read log-likelihoods off the answer of a completion server that echoes what it was sent."""

import math
import re
from collections.abc import Sequence
from typing import Any

from embedder.errors import EmbedderError
from embedder.shown import holds_hidden, shown
from embedder.types import OutputScore

Choice = dict[str, Any]

_ROUNDING = 1e-4  # nats: float32 rounds the logarithm of a share of nearly 1 to a little above 0
_LOWEST = -1e6  # nats for a token: far below what any server sends for a share of 0
_HALVES = re.compile("[\ud800-\udfff]")  # of characters, which no file and no other server takes

_NEEDED = (
    "; scoring needs a server whose /v1/completions answers `echo: true, logprobs: 1` with the log-probabilities of "
    "the prompt: vLLM and SGLang do; for other servers, llm=chat with reward=correct, f1, contains, judged or listwise"
)


def choices_of(answer: Any, n: int) -> list[Choice]:
    """The `n` choices of an answer, by index; as they come where a server gives no index.

    Raises:
        EmbedderError: There are not `n` of them, or their indices are not 0 to n - 1.
    """
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise EmbedderError("the answer has no list of `choices`: is this an OpenAI-compatible server?")
    if len(choices) != n:
        raise EmbedderError(f"{len(choices)} choices came, and {n} were asked for")
    indices = [choice.get("index") for choice in choices]
    if all(index is None for index in indices):
        return choices
    if not all(type(index) is int for index in indices) or sorted(indices) != list(range(n)):
        raise EmbedderError(f"expected choices with each `index` from 0 to {n - 1} once, got {shown(indices)}")
    return sorted(choices, key=lambda choice: int(choice["index"]))


def text_of(choice: Choice) -> str:
    """The text of a choice; a half character in it becomes U+FFFD.

    Raises:
        EmbedderError: It has none, or it repeats the API key, which is not to be kept.
    """
    text = choice.get("text")
    if not isinstance(text, str):
        raise EmbedderError("a choice without `text` came: is this the completion endpoint?")
    return plain_text(text)


def plain_text(text: str) -> str:
    """What a server wrote; a half character in it becomes U+FFFD.

    Raises:
        EmbedderError: It repeats the API key, which is not to be kept.
    """
    if holds_hidden(text):
        raise EmbedderError("a text that repeats the API key came, and it is not kept: is the server to be trusted?")
    return _HALVES.sub("\N{REPLACEMENT CHARACTER}", text)


def stopped_by(choice: Choice, stop: Sequence[str]) -> str:
    """The stop text that ended the text of a choice and was cut off, as vLLM and SGLang name it; otherwise nothing."""
    named = choice.get("stop_reason", choice.get("matched_stop"))
    return named if isinstance(named, str) and named in stop else ""


def tokens_of(choice: Choice) -> list[str]:
    """The text of each token, of the echoed ones and of the written one.

    Raises:
        EmbedderError: They are missing.
    """
    tokens = _column(choice, "tokens")
    if not all(isinstance(token, str) for token in tokens):
        raise EmbedderError("`logprobs.tokens` are not all strings")
    return [_HALVES.sub("\N{REPLACEMENT CHARACTER}", token) for token in tokens]


def score_tokens(choice: Choice, n_prompt: int, n_output: int) -> OutputScore:
    """Log-likelihood of the last `n_output` of `n_prompt + n_output` tokens that were sent as ids.

    Raises:
        EmbedderError: The server did not return what this needs.
    """
    logprobs = _column(choice, "token_logprobs")
    tokens = choice["logprobs"].get("tokens")
    if isinstance(tokens, list) and len(tokens) != len(logprobs):
        raise EmbedderError(f"{len(logprobs)} log-probabilities came for {len(tokens)} tokens")
    n_sent = n_prompt + n_output
    if len(logprobs) - n_sent not in (0, 1):  # with the written token, or without where it ends the text
        if len(logprobs) <= 1:
            raise EmbedderError(f"the log-probabilities of the prompt are missing from the answer{_NEEDED}")
        raise EmbedderError(
            f"{len(logprobs)} log-probabilities came for {n_sent} tokens sent and 1 written: "
            "does the server cut long prompts, or put tokens in front?"
        )
    return _summed(logprobs[n_prompt:n_sent])


def score_text(choice: Choice, prompt: str, output: str) -> OutputScore:
    """Log-likelihood of `output` in `prompt + output`, sent as text and tokenised by the server.

    The border is found from the texts of the tokens, which give the same position as a right `text_offset`: SGLang
    sends -1 for it, and others count the text of special tokens.

    Raises:
        EmbedderError: The server did not return what this needs, or no token begins where the output begins.
    """
    logprobs, tokens = _column(choice, "token_logprobs"), tokens_of(choice)
    if len(logprobs) != len(tokens):
        raise EmbedderError(f"{len(logprobs)} log-probabilities came for {len(tokens)} tokens")
    if len(tokens) <= 1:
        raise EmbedderError(f"the log-probabilities of the prompt are missing from the answer{_NEEDED}")
    for n_echoed in (len(tokens) - 1, len(tokens)):  # the written token may be left out where it ends the text
        n_prompt = _border(tokens[:n_echoed], prompt, output)
        if n_prompt is not None:
            return _summed(logprobs[n_prompt:n_echoed])
    raise EmbedderError(
        f"the tokens that came do not part into prompt and output {output!r}: a token lies across the border, the "
        "server put a token in front, or its token texts are not those of the text; with llm.tokenizer, token ids are "
        f"sent and this cannot happen. The first token: {tokens[0]!r}, the last: {tokens[-4:]!r}"
    )


def _border(tokens: list[str], prompt: str, output: str) -> int | None:
    """How many tokens make the prompt; None if no number of them does."""
    n_prompt, rest = len(tokens), output
    while rest and n_prompt > 0 and rest.endswith(tokens[n_prompt - 1]):
        n_prompt -= 1
        rest = rest.removesuffix(tokens[n_prompt])
    if rest:
        return None
    # A character of the prompt that is spread over several tokens comes as replacement characters.
    pattern = ".+".join(map(re.escape, re.split("\N{REPLACEMENT CHARACTER}+", "".join(tokens[:n_prompt]))))
    return n_prompt if n_prompt > 0 and tokens[0] and re.fullmatch(pattern, prompt, re.DOTALL) else None


def _column(choice: Choice, name: str) -> list[Any]:
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        raise EmbedderError(f"`logprobs` are missing from the answer{_NEEDED}")
    column = logprobs.get(name)
    if not isinstance(column, list):
        raise EmbedderError(f"`logprobs.{name}` is missing from the answer{_NEEDED}")
    return column


def _summed(logprobs: list[Any]) -> OutputScore:
    if None in logprobs:
        raise EmbedderError(f"the log-probability of a token of the output is null{_NEEDED}")
    return OutputScore(math.fsum(map(log_probability, logprobs)), len(logprobs))


def log_probability(value: Any) -> float:
    """What a server says of a token, in nats.

    Raises:
        EmbedderError: It is not a finite number of 0 or less.
    """
    if type(value) not in (int, float) or not _LOWEST < value <= _ROUNDING:
        raise EmbedderError(
            f"the log-probability of a token is {shown(repr(value), 40)} and not a finite number of 0 or less: "
            "is the model sound?"
        )
    return min(float(value), 0.0)
