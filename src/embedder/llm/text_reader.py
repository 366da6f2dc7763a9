"""How a tokenizer reads prompts and outputs: as plain text, or as a chat of user and assistant."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from embedder.errors import ConfigError
from embedder.llm.prompt_tokens import output_ids, prompt_ids, reads_otherwise_behind


class TextReader:
    """Token ids of prompts and of outputs behind them.

    In a chat a prompt is one message of the user, few-shot examples and all, and the tokenizer's own chat template is
    applied once: it puts every control token in place, the beginning-of-text token too, up to where the assistant
    begins. An output is what the assistant says, without the white space that parts it from a plain prompt. A control
    token that is written out in a prompt is read as plain text there too.

    Args:
        tokenizer: Of the LLM, as `load_tokenizer` gives it.
        chat: Whether the template is applied.

    Raises:
        ConfigError: It is to be, and the tokenizer has none.
    """

    def __init__(self, tokenizer: Any, *, chat: bool) -> None:
        if chat and not tokenizer.chat_template:
            raise ConfigError("llm.chat", "false, since the tokenizer has no chat template", chat)
        self._tokenizer, self._chat = tokenizer, chat

    @property
    def mark(self) -> str:
        """What a fingerprint says of it: `:behind`, `:chat=DIGEST` of the template, both, or nothing."""
        behind = ":behind" if self.reads_behind else ""
        if not self._chat:
            return behind
        return f"{behind}:chat={hashlib.sha256(str(self._tokenizer.chat_template).encode()).hexdigest()[:8]}"

    @cached_property
    def reads_behind(self) -> bool:
        """Whether an output has other tokens behind a prompt than by itself."""
        return reads_otherwise_behind(self._tokenizer)

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each prompt.

        Raises:
            ValueError: A prompt has no tokens.
        """
        if not self._chat:
            return prompt_ids(self._tokenizer, texts)
        return [self._chat_ids(text) for text in texts]

    def outputs(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[list[int]]]:
        """Token ids of each of `outputs[i]` behind `prompts[i]`.

        Raises:
            ValueError: An output has no tokens, or the numbers of prompts and lists of outputs differ.
        """
        if self._chat:
            prompts = [self._rendered(prompt) for prompt in prompts]
            outputs = [[output.lstrip() for output in own] for own in outputs]
        return output_ids(self._tokenizer, prompts, outputs, behind=self.reads_behind)

    def _rendered(self, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError(f"an empty prompt ({prompt!r}) has no log-likelihood and cannot be continued")
        messages = [{"role": "user", "content": prompt}]
        rendered: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return rendered

    def _chat_ids(self, prompt: str) -> list[int]:
        rendered = self._rendered(prompt)
        if not any(token in prompt for token in self._control_tokens):
            return self._ids(rendered, split=False)
        before, content, behind = rendered.partition(prompt.strip())
        return [*self._ids(before, split=False), *self._ids(content, split=True), *self._ids(behind, split=False)]

    @cached_property
    def _control_tokens(self) -> list[str]:
        return [token.content for token in self._tokenizer.added_tokens_decoder.values() if token.special]

    def _ids(self, text: str, *, split: bool) -> list[int]:
        # The template has put the special tokens in place: none is added, and those that it wrote are read as such.
        settings = {"add_special_tokens": False, "split_special_tokens": split, "verbose": False}
        ids: list[int] = self._tokenizer(text, **settings)["input_ids"]
        return ids
