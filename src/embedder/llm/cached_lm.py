"""An LLM that remembers on disk what it said: nothing is scored, written or sampled twice, in whichever run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from embedder.llm.address import output_address, sample_address, text_address
from embedder.llm.sample_store import SampleStore
from embedder.llm.score_store import ScoreStore
from embedder.llm.waves import run_in_waves
from embedder.types import LanguageModel, OutputScore

Item = TypeVar("Item")

_SAVE_SECONDS = 10.0  # how much work a kill may lose, roughly


class CachedLanguageModel:
    """Implements `embedder.types.LanguageModel` over another one, with the stores of labelling.

    Prompts that come twice in a call are asked once; the answers reach the disk every few seconds.

    Args:
        language_model: The LLM that is asked for what the stores lack.
        directory: Of the stores: `scores`, `samples`, as labelling keeps them, and `texts`.
        shipped: Directories of read-only stores, looked into first.
    """

    def __init__(self, language_model: LanguageModel, directory: Path, shipped: Sequence[Path] = ()) -> None:
        self._language_model = language_model
        self._scores = ScoreStore(directory / "scores", [path / "scores" for path in shipped])
        self._samples = SampleStore(directory / "samples", [path / "samples" for path in shipped])
        self._texts = SampleStore(directory / "texts")

    @property
    def fingerprint(self) -> str:
        """Identifies weights and tokenizer."""
        return self._language_model.fingerprint

    @property
    def tokens_run(self) -> int:
        """Tokens that the LLM itself has read and written so far."""
        return self._language_model.tokens_run

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """Whether the LLM can read each prompt with so many tokens after it."""
        return self._language_model.fits(prompts, max_new_tokens)

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """Log-likelihood of each of `outputs[i]` after `prompts[i]`, in the same order."""
        addresses = [
            [output_address(self.fingerprint, prompt, output) for output in some]
            for prompt, some in zip(prompts, outputs, strict=True)
        ]
        missing: dict[str, dict[str, bytes]] = {}  # prompt -> output -> address
        for prompt, some, places in zip(prompts, outputs, addresses, strict=True):
            for output, place, score in zip(some, places, self._scores.get(places), strict=True):
                if score is None:
                    missing.setdefault(prompt, {})[output] = place

        def score_some(wave: Sequence[tuple[str, dict[str, bytes]]]) -> None:
            scored = self._language_model.score([prompt for prompt, _ in wave], [list(some) for _, some in wave])
            for (_, some), scores in zip(wave, scored, strict=True):
                self._scores.add(list(some.values()), scores)

        self._work(list(missing.items()), score_some, [self._scores], "scoring answers")
        return [_all_there(self._scores.get(places)) for places in addresses]

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """The greedy continuation of each prompt up to an end token or behind the first stop text, stripped."""
        addresses = [text_address(self.fingerprint, prompt, max_new_tokens, stop) for prompt in prompts]
        missing = _missing(prompts, addresses, self._texts)

        def write_some(wave: Sequence[tuple[bytes, str]]) -> None:
            written = self._language_model.generate([prompt for _, prompt in wave], max_new_tokens, stop)
            self._texts.add([address for address, _ in wave], [[text] for text in written])

        self._work(missing, write_some, [self._texts], "writing answers")
        return [text for (text,) in _all_there(self._texts.get(addresses))]

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """What `generate` and `score` give; of prompts of which neither is known the LLM is asked for both at once."""
        texts = [text_address(self.fingerprint, prompt, max_new_tokens, ("\n",)) for prompt in prompts]
        known = self._texts.get(texts)
        new: dict[str, tuple[bytes, dict[str, bytes]]] = {}  # prompt -> address of its text; output -> address
        for prompt, some, place, text in zip(prompts, outputs, texts, known, strict=True):
            places = {output: output_address(self.fingerprint, prompt, output) for output in some}
            if text is None and not any(self._scores.get(list(places.values()))):
                new.setdefault(prompt, (place, {}))[1].update(places)

        def answer_some(wave: Sequence[tuple[str, tuple[bytes, dict[str, bytes]]]]) -> None:
            asked, wanted = [prompt for prompt, _ in wave], [list(places) for _, (_, places) in wave]
            written, scored = self._language_model.answer(asked, wanted, max_new_tokens)
            for (_, (place, places)), text, scores in zip(wave, written, scored, strict=True):
                self._texts.add([place], [[text]])
                self._scores.add(list(places.values()), scores)

        self._work(list(new.items()), answer_some, (self._texts, self._scores), "writing and scoring answers")
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """`n` sampled continuations of each prompt, cut at a line break; one seed a prompt, whatever the batch."""
        addresses = [
            sample_address(self.fingerprint, prompt, n, temperature, seed, max_new_tokens)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        missing = _missing(list(zip(prompts, seeds, strict=True)), addresses, self._samples)

        def sample_some(wave: Sequence[tuple[bytes, tuple[str, int]]]) -> None:
            asked = [prompt for _, (prompt, _) in wave]
            own_seeds = [seed for _, (_, seed) in wave]
            sampled = self._language_model.sample(asked, n, max_new_tokens, temperature, own_seeds)
            self._samples.add([address for address, _ in wave], sampled)

        self._work(missing, sample_some, [self._samples], "sampling outputs")
        return _all_there(self._samples.get(addresses))

    def _work(
        self,
        missing: Sequence[Item],
        work: Callable[[Sequence[Item]], None],
        stores: Sequence[ScoreStore | SampleStore],
        description: str,
    ) -> None:
        def flush() -> None:
            for store in stores:
                store.flush()

        if missing:
            run_in_waves(missing, work, flush, description, _SAVE_SECONDS, lambda: self.tokens_run)


def _missing(asked: Sequence[Item], addresses: Sequence[bytes], store: SampleStore) -> list[tuple[bytes, Item]]:
    """What the store lacks, by address; what comes twice is taken once."""
    stored = store.get(addresses)
    return list({place: one for place, one, kept in zip(addresses, asked, stored, strict=True) if kept is None}.items())


def _all_there(found: Sequence[Item | None]) -> list[Item]:
    return [one for one in found if one is not None]
