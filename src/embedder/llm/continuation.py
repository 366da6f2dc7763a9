"""What every LLM that writes shares: the settings of writing, and where a written text ends."""

from collections.abc import Sequence

from embedder.errors import ConfigError


def check_length(max_new_tokens: int) -> None:
    """Refuse to write nothing.

    Raises:
        ConfigError: `max_new_tokens` is not above 0.
    """
    if max_new_tokens < 1:
        raise ConfigError("max_new_tokens", "1 or more", max_new_tokens)


def check_sampling(prompts: Sequence[str], n: int, temperature: float, seeds: Sequence[int]) -> None:
    """Refuse what no LLM can sample with.

    Raises:
        ConfigError: The temperature is not above 0, or `n` is not.
        ValueError: There is not one seed for each prompt.
    """
    if not temperature > 0:
        raise ConfigError("temperature", "a number above 0", temperature)
    if n < 1:
        raise ConfigError("n", "1 or more", n)
    if len(seeds) != len(prompts):
        raise ValueError(f"{len(prompts)} prompts and {len(seeds)} seeds: one seed a prompt is needed")


def cut_behind(text: str, stop: Sequence[str]) -> str:
    """The text up to and with the stop text that ends first; all of it where there is none.

    Raises:
        ValueError: A stop text is empty, or there is none.
    """
    if not stop or not all(stop):
        raise ValueError(f"stop: expected texts that are not empty, got {list(stop)!r}")
    ends = [text.index(end) + len(end) for end in stop if end in text]
    return text[: min(ends, default=len(text))]
