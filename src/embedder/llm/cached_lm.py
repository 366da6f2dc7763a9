"""An LLM with a cache on disk: no output is scored, written or sampled twice, in whichever run."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from embedder.errors import DataError
from embedder.llm.abilities import writes_only
from embedder.llm.address import output_address, sample_address, text_address
from embedder.llm.sample_store import SampleStore
from embedder.llm.score_store import ScoreStore
from embedder.llm.waves import run_in_waves
from embedder.types import LanguageModel, OutputScore

Item = TypeVar("Item")

_AT_ONCE = 160
"""Prompts of a whole call that are run, and where they take long saved, before the next ones."""


def _of_shipped(shipped: Sequence[Path], store: str) -> list[Path]:
    """The folders of one store, where a shipped directory has it.

    Raises:
        DataError: A directory has no store at all.
    """
    for path in shipped:
        if not any((path / name).is_dir() for name in ("scores", "samples", "texts")):
            raise DataError(path, None, "is no store: it has none of the folders scores, samples and texts")
    return [path / store for path in shipped if (path / store).is_dir()]


class CachedLanguageModel:
    """Implements `embedder.types.LanguageModel` over another one, with stores that labelling and evaluation share.

    A prompt that comes twice in a call is run once. Results reach the disk every few seconds, so a call can be stopped
    at any time and resumes when it is made again. The methods `stored_...` read the stores and never ask the LLM.

    Args:
        language_model: The LLM that computes what the stores lack.
        directory: Of the stores `scores`, `samples` and `texts`.
        shipped: Directories of read-only stores, looked into first; each has one or more of the three.
        save_seconds: How much work a kill may lose, roughly.
    """

    def __init__(
        self, language_model: LanguageModel, directory: Path, shipped: Sequence[Path] = (), save_seconds: float = 10.0
    ) -> None:
        self.directory = directory
        self._language_model = language_model
        self._scores = ScoreStore(directory / "scores", _of_shipped(shipped, "scores"))
        self._samples = SampleStore(directory / "samples", _of_shipped(shipped, "samples"))
        self._shipped_texts = _of_shipped(shipped, "texts")
        self.save_seconds = save_seconds
        self._caller_saves, self._saved = False, time.monotonic()
        self.n_scored = Counter[str]()
        """Prompts and outputs that the LLM itself has scored in `score_missing` so far."""

    @cached_property
    def _texts(self) -> SampleStore:
        """Opened on first use, for labelling by log-likelihoods writes no texts."""
        return SampleStore(self.directory / "texts", self._shipped_texts)

    @property
    def fingerprint(self) -> str:
        """Identifies weights and tokenizer."""
        return self._language_model.fingerprint

    @property
    def writes_only(self) -> bool:
        """Whether the LLM gives no log-likelihoods."""
        return writes_only(self._language_model)

    @property
    def tokens_run(self) -> int:
        """Tokens that the LLM itself has read and written so far."""
        return self._language_model.tokens_run

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """Whether the LLM can read each prompt with so many tokens after it."""
        return self._language_model.fits(prompts, max_new_tokens)

    @contextmanager
    def whole_calls(self) -> Iterator[Callable[[], None]]:
        """Within, what is run together depends on the prompts of a call alone, and the caller saves.

        Numbers of an LLM differ in their last bits with what is in a batch. Waves are cut by the clock, so the same
        numbers in every run need calls of the same contents, cut at the same prompts however many of them are stored.
        Between two parts of a call that takes longer than `save_seconds` it is saved too.

        Yields:
            What saves.
        """
        self._caller_saves, self._saved = True, time.monotonic()
        try:
            yield self._save
        finally:
            self._caller_saves = False
            self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        self._scores.flush()
        self._samples.flush()
        if "_texts" in vars(self):
            self._texts.flush()

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """Log-likelihood of each of `outputs[i]` after `prompts[i]`, in the same order."""
        self.score_missing(prompts, outputs)
        return [self.stored_scores(prompt, own) for prompt, own in zip(prompts, outputs, strict=True)]

    def score_missing(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> None:
        """Have the LLM score those of `outputs[i]` after `prompts[i]` that the store lacks."""
        if parts := self._parts(len(prompts)):
            for part in parts:
                self.score_missing(prompts[part], outputs[part])
            return
        missing: dict[str, dict[str, bytes]] = {}  # prompt -> output -> address
        for prompt, own in zip(prompts, outputs, strict=True):
            addresses = self._output_addresses(prompt, own)
            scores = self._scores.get(addresses)
            for output, address, score in zip(own, addresses, scores, strict=True):
                if score is None:
                    missing.setdefault(prompt, {})[output] = address

        def score_wave(wave: Sequence[tuple[str, dict[str, bytes]]]) -> None:
            scored = self._language_model.score([prompt for prompt, _ in wave], [list(own) for _, own in wave])
            for (_, own), scores in zip(wave, scored, strict=True):
                self._scores.add(list(own.values()), scores)

        self._work(list(missing.items()), score_wave, [self._scores], "scoring")
        self.n_scored += Counter(prompts=len(missing), outputs=sum(map(len, missing.values())))

    def score_again(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """What `score` gives, by the LLM itself: no store is read or written."""
        return self._language_model.score(prompts, outputs)

    def is_scored(self, prompt: str, outputs: Sequence[str]) -> bool:
        """Whether all outputs after a prompt are in the store."""
        return None not in self._scores.get(self._output_addresses(prompt, outputs))

    def stored_scores(self, prompt: str, outputs: Sequence[str]) -> list[OutputScore]:
        """Log-likelihood of each output after a prompt, from the store alone.

        Raises:
            DataError: One was never scored.
        """
        stored = self._scores.get(self._output_addresses(prompt, outputs))
        what = f"outputs after the prompt {prompt[-60:]!r}"
        return _all_stored(stored, self._scores, what)

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """The greedy continuation of each prompt up to an end token or behind the first stop text, stripped."""
        if parts := self._parts(len(prompts)):
            return [text for part in parts for text in self.generate(prompts[part], max_new_tokens, stop)]
        addresses = [text_address(self.fingerprint, prompt, max_new_tokens, stop) for prompt in prompts]
        missing = _missing(prompts, addresses, self._texts)

        def write_wave(wave: Sequence[tuple[bytes, str]]) -> None:
            written = self._language_model.generate([prompt for _, prompt in wave], max_new_tokens, stop)
            self._texts.add([address for address, _ in wave], [[text] for text in written])

        self._work(missing, write_wave, [self._texts], "writing answers")
        return self.stored_texts(prompts, max_new_tokens, stop)

    def stored_texts(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """What `generate` gives, from the store alone.

        Raises:
            DataError: A prompt was never answered.
        """
        addresses = [text_address(self.fingerprint, prompt, max_new_tokens, stop) for prompt in prompts]
        return [text for (text,) in _all_stored(self._texts.get(addresses), self._texts, "texts")]

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """What `generate` and `score` give; where neither is stored, the LLM gives both at once."""
        text_addresses = [text_address(self.fingerprint, prompt, max_new_tokens, ("\n",)) for prompt in prompts]
        texts = self._texts.get(text_addresses)
        new: dict[str, tuple[bytes, dict[str, bytes]]] = {}  # prompt -> address of its text; output -> address
        for prompt, own, address, text in zip(prompts, outputs, text_addresses, texts, strict=True):
            addresses = dict(zip(own, self._output_addresses(prompt, own), strict=True))
            if text is None and not any(self._scores.get(list(addresses.values()))):
                new.setdefault(prompt, (address, {}))[1].update(addresses)

        def answer_wave(wave: Sequence[tuple[str, tuple[bytes, dict[str, bytes]]]]) -> None:
            wave_outputs = [list(addresses) for _, (_, addresses) in wave]
            written, scored = self._language_model.answer([prompt for prompt, _ in wave], wave_outputs, max_new_tokens)
            for (_, (address, addresses)), text, scores in zip(wave, written, scored, strict=True):
                self._texts.add([address], [[text]])
                self._scores.add(list(addresses.values()), scores)

        self._work(list(new.items()), answer_wave, (self._texts, self._scores), "writing and scoring answers")
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """`n` sampled continuations of each prompt, cut at a line break; one seed a prompt, whatever the batch."""
        if parts := self._parts(len(prompts)):
            of_parts = (self.sample(prompts[part], n, max_new_tokens, temperature, seeds[part]) for part in parts)
            return [texts for sampled in of_parts for texts in sampled]
        addresses = self._sample_addresses(prompts, n, max_new_tokens, temperature, seeds)
        missing = _missing(list(zip(prompts, seeds, strict=True)), addresses, self._samples)

        def sample_wave(wave: Sequence[tuple[bytes, tuple[str, int]]]) -> None:
            wave_prompts = [prompt for _, (prompt, _) in wave]
            wave_seeds = [seed for _, (_, seed) in wave]
            sampled = self._language_model.sample(wave_prompts, n, max_new_tokens, temperature, wave_seeds)
            self._samples.add([address for address, _ in wave], sampled)

        self._work(missing, sample_wave, [self._samples], "sampling outputs")
        return self.stored_samples(prompts, n, max_new_tokens, temperature, seeds)

    def stored_samples(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """What `sample` gives, from the store alone.

        Raises:
            DataError: A prompt was never sampled after.
        """
        addresses = self._sample_addresses(prompts, n, max_new_tokens, temperature, seeds)
        return _all_stored(self._samples.get(addresses), self._samples, "sampled prompts")

    def refresh(self) -> None:
        """Read the scores and samples that other processes have added since."""
        self._scores.refresh()
        self._samples.refresh()
        if "_texts" in vars(self):
            self._texts.refresh()

    def describe(self) -> str:
        """What the stores of labelling hold, in words, a line each."""
        return f"{self._scores.describe()}\n{self._samples.describe()}"

    def _output_addresses(self, prompt: str, outputs: Sequence[str]) -> list[bytes]:
        return [output_address(self.fingerprint, prompt, output) for output in outputs]

    def _sample_addresses(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[bytes]:
        return [
            sample_address(self.fingerprint, prompt, n, temperature, seed, max_new_tokens)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

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

        if missing and self._caller_saves:
            work(missing)
            if time.monotonic() - self._saved >= self.save_seconds:
                self._save()
        elif missing:
            run_in_waves(missing, work, flush, description, self.save_seconds, lambda: self.tokens_run)

    def _parts(self, n: int) -> list[slice]:
        """The parts of a whole call with so many prompts, as long as each other; none where all are run at once."""
        if not self._caller_saves or n <= _AT_ONCE:
            return []
        n_parts = -(-n // _AT_ONCE)
        return [slice(n * k // n_parts, n * (k + 1) // n_parts) for k in range(n_parts)]


def _missing(items: Sequence[Item], addresses: Sequence[bytes], store: SampleStore) -> list[tuple[bytes, Item]]:
    """The items that the store lacks, by address; what comes twice is taken once."""
    stored = store.get(addresses)
    return list(
        {address: item for address, item, kept in zip(addresses, items, stored, strict=True) if kept is None}.items()
    )


def _all_stored(stored: Sequence[Item | None], store: ScoreStore | SampleStore, what: str) -> list[Item]:
    present = [item for item in stored if item is not None]
    if len(present) < len(stored):
        message = (
            f"{len(stored) - len(present)} of {len(stored)} {what} are not in the store: label these requests first, "
            "with the same LLM and settings"
        )
        raise DataError(store.directory, None, message)
    return present
