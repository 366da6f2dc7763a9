"""An LLM that is asked nothing twice while the process lives."""

import hashlib
from collections.abc import Sequence

from embedder.types import LanguageModel, OutputScore


class PromptCache:
    """Remembers what an LLM wrote and scored, by hashes of prompts and outputs.

    Args:
        language_model: What is asked when the answer is not known yet.
    """

    def __init__(self, language_model: LanguageModel) -> None:
        self._language_model = language_model
        self._written: dict[bytes, str] = {}
        self._scored: dict[bytes, OutputScore] = {}

    @property
    def fingerprint(self) -> str:
        """That of the LLM."""
        return self._language_model.fingerprint

    @property
    def tokens_run(self) -> int:
        """Those of the LLM."""
        return self._language_model.tokens_run

    def generate(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """The greedy continuation of each prompt; see `LanguageModel`."""
        addresses = [_address(prompt, str(max_new_tokens)) for prompt in prompts]
        new = {
            address: prompt for address, prompt in zip(addresses, prompts, strict=True) if address not in self._written
        }
        if new:
            written = self._language_model.generate(list(new.values()), max_new_tokens)
            self._written.update(zip(new, written, strict=True))
        return [self._written[address] for address in addresses]

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """Log-likelihood of each output after its prompt; see `LanguageModel`."""
        new: dict[str, dict[bytes, str]] = {}
        for prompt, some in zip(prompts, outputs, strict=True):
            for output in some:
                if (address := _address(prompt, output)) not in self._scored:
                    new.setdefault(prompt, {})[address] = output
        if new:
            scored = self._language_model.score(list(new), [list(some.values()) for some in new.values()])
            for addresses, scores in zip(new.values(), scored, strict=True):
                self._scored.update(zip(addresses, scores, strict=True))
        return [
            [self._scored[_address(prompt, output)] for output in some]
            for prompt, some in zip(prompts, outputs, strict=True)
        ]

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """Sampled continuations, which are not remembered; see `LanguageModel`."""
        return self._language_model.sample(prompts, n, max_new_tokens, temperature, seeds)


def _address(prompt: str, what: str) -> bytes:
    return hashlib.blake2b(f"{len(prompt)}/{prompt}/{what}".encode(), digest_size=16).digest()
