"""What a completion server is sent for prompts and outputs: their texts, or token ids made here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from embedder.errors import EmbedderError
from embedder.llm.prompt_tokens import not_empty
from embedder.llm.server.scores import Choice, score_text, score_tokens
from embedder.llm.text_reader import TextReader
from embedder.models.folder import load_tokenizer
from embedder.models.hub import local_folder
from embedder.models.packages import resolve_model
from embedder.types import OutputScore


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt with an output after it, as text or token ids, and how the score of the output is read."""

    sent: str | list[int]
    read: Callable[[Choice], OutputScore]


class ServerTexts:
    """Turns texts into what the server is sent.

    Args:
        tokenizer: Hub name, folder or `package:NAME/PATH` of the server's tokenizer; None sends text.
        chat: Whether prompts are shown by its chat template; needs the tokenizer.
    """

    def __init__(self, tokenizer: str | None, *, chat: bool = False) -> None:
        self._name, self._chat = tokenizer, chat

    def prompts(self, texts: Sequence[str]) -> list[Any]:
        """What is sent for each prompt: the text itself, or its token ids."""
        if self._name is not None:
            return self.reader.prompts(texts) if texts else []
        return not_empty(texts, list(texts), "prompt")

    def pairs(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[Pair]:
        """Each of `outputs[i]` behind `prompts[i]`, one after the other."""
        return [
            self._pair(prompt, output)
            for prompt, own in zip(self.prompts(prompts), self._outputs(prompts, outputs), strict=True)
            for output in own
        ]

    def check_tokens(self, sent: Sequence[Any], echoed: Sequence[str], model: str) -> None:
        """Compare the token ids that were sent with the texts of the tokens that the server echoes.

        A wrong tokenizer gives likelihoods that look like any others.

        Raises:
            EmbedderError: A token has another text there.
        """
        for token, text in zip(sent, echoed, strict=False):  # the server may echo the token that it wrote too
            own_text = str(self._tokenizer.decode([token]))
            if _bare(own_text) != _bare(text):
                raise EmbedderError(
                    f"token {token} is {text!r} for the server and {own_text!r} for {self._name!r} (llm.tokenizer): "
                    f"name the tokenizer of {model!r}, or null to send text"
                )

    @cached_property
    def reader(self) -> TextReader:
        """How the tokenizer reads prompts and outputs; needs the tokenizer."""
        return TextReader(self._tokenizer, chat=self._chat)

    def _pair(self, prompt: Any, output: Any) -> Pair:
        if self._name is None:
            return Pair(prompt + output, partial(score_text, prompt=prompt, output=output))
        return Pair(prompt + output, partial(score_tokens, n_prompt=len(prompt), n_output=len(output)))

    def _outputs(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[Any]]:
        if self._name is not None and prompts:
            return self.reader.outputs(prompts, outputs)
        return [not_empty(own, list(own), "output") for own in outputs]

    @cached_property
    def _tokenizer(self) -> Any:
        source = local_folder(resolve_model(str(self._name), "llm.tokenizer"), None, "llm.tokenizer", weights=False)
        return load_tokenizer(source, "llm.tokenizer", str(self._name), "null to send text, or a tokenizer")


def _bare(token: str) -> str:
    """A token's text without what servers show differently: spaces and the marks that stand for them."""
    return token.replace("\N{LOWER ONE EIGHTH BLOCK}", "").replace("Ġ", "").strip()
