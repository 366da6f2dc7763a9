"""Requests to a chat server, in the form of OpenAI and in that of Ollama; each with how its answer is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from embedder.errors import EmbedderError
from embedder.llm.continuation import check_length
from embedder.llm.server.client import Request
from embedder.llm.server.requests import WHOLE_DISTRIBUTION, count_of, listed_models, total_tokens
from embedder.llm.server.scores import choices_of, plain_text
from embedder.llm.server.top_logprobs import estimate, positions_of
from embedder.types import OutputScore

_THINKS = (
    "the model thinks before it answers, and the tokens that came are its thoughts, which llm.top_logprobs cannot use: "
    "'llm.extra={chat_template_kwargs: {enable_thinking: false}}' turns that off for most models, and "
    "'llm.extra={think: false}' with Ollama; llm.top_logprobs=0 with reward=f1, correct, contains, judged or listwise "
    "needs no such tokens"
)

Form = Literal["openai", "ollama"]


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What the LLM wrote as the assistant.

    Args:
        text: Of the message.
        n_tokens: That the server says it read and wrote.
        scores: Of the outputs that were asked for.
    """

    text: str
    n_tokens: int
    scores: list[OutputScore]


@dataclass(frozen=True)
class ChatRequests:
    """Makes the requests for one model: a prompt is one message of the user, and the server applies the chat template.

    What else `/v1/chat/completions` takes differs: vLLM, SGLang and llama.cpp's server take all of
    `WHOLE_DISTRIBUTION`, others refuse fields that they do not know, so that part is left out of the `plain` form. No
    stop text is sent: servers cut in front of it, most without saying which, and the end of an answer is found here.

    Args:
        model: As the server lists it.
        form: `openai` for `/v1/chat/completions`, `ollama` for `/api/chat`.
        extra: Further fields of every request.
        top_logprobs: Likeliest tokens that are asked for at each position, where outputs are scored.
        plain: Whether only the fields are sent that every server takes.
    """

    model: str
    form: Form
    extra: Mapping[str, Any]
    top_logprobs: int = 0
    plain: bool = False

    def listing(self) -> Request[list[str]]:
        """The names of the models that the server lists."""
        if self.form == "ollama":
            return Request("api/tags", None, _ollama_models)
        return Request("models", None, lambda answer: list(listed_models(answer)))

    def writing(
        self,
        prompt: str,
        max_new_tokens: int,
        temperature: float,
        seed: int | None = None,
        outputs: Sequence[str] = (),
    ) -> Request[ChatAnswer]:
        """One answer to a prompt, and the scores of some outputs as far as it shows them.

        Raises:
            ConfigError: `max_new_tokens` is not above 0.
        """
        check_length(max_new_tokens)

        def read(answer: Any) -> ChatAnswer:
            text, n_tokens, logprobs = reader(answer)
            if outputs and logprobs and not text.strip() and _thought(answer):
                raise EmbedderError(_THINKS)
            positions = positions_of(logprobs) if outputs and (text or logprobs) else []  # none of an empty reply
            return ChatAnswer(text, n_tokens, [estimate(positions, output, max_new_tokens) for output in outputs])

        body: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": prompt}]}
        seeded = {} if seed is None else {"seed": seed % 2**31}  # some servers take 32 bits
        if outputs:
            body |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        if self.form == "ollama":
            path, reader, extra = "api/chat", _ollama_answer, dict(self.extra)
            options = {"num_predict": max_new_tokens, "temperature": temperature, **seeded, **_OLLAMA_DISTRIBUTION}
            body |= {"stream": False, "options": options | extra.pop("options", {})} | extra
        else:
            path, reader = "chat/completions", _openai_answer
            body |= {"max_tokens": max_new_tokens, "temperature": temperature, "top_p": 1.0, **seeded}
            body |= ({} if self.plain else WHOLE_DISTRIBUTION) | dict(self.extra)
        return Request(path, body, read)


# Servers take what is not said here from the model's own settings. Ollama takes 0 for the whole vocabulary.
_OLLAMA_DISTRIBUTION = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}


def _openai_answer(answer: Any) -> tuple[str, int, Any]:
    (choice,) = choices_of(answer, 1)
    logprobs = choice.get("logprobs")
    positions = logprobs.get("content") if isinstance(logprobs, dict) else None
    return _content(choice.get("message"), choice.get("finish_reason")), total_tokens(answer), positions


def _ollama_answer(answer: Any) -> tuple[str, int, Any]:
    if not isinstance(answer, dict):
        raise EmbedderError("the answer is no JSON object: is this Ollama's API (llm.form=openai for others)?")
    n_tokens = count_of(answer.get("prompt_eval_count")) + count_of(answer.get("eval_count"))
    return _content(answer.get("message"), answer.get("done_reason")), n_tokens, answer.get("logprobs")


def _content(message: Any, reason: Any) -> str:
    """The text of the assistant's message; that of a model which only thought until it ran out of tokens is empty."""
    content = message.get("content") if isinstance(message, dict) else None
    if content is None and isinstance(message, dict) and reason in ("stop", "length"):
        content = ""
    if not isinstance(content, str):
        raise EmbedderError("an answer without the text of a `message` came: is this a chat server (llm.form)?")
    return plain_text(content)


def _thought(answer: Any) -> bool:
    """Whether the model wrote what it thought, under the name that vLLM, other servers or Ollama have for it."""
    message = answer["message"] if "message" in answer else answer["choices"][0]["message"]
    return any(message.get(name) for name in ("reasoning_content", "reasoning", "thinking"))


def _ollama_models(answer: Any) -> list[str]:
    models = answer.get("models") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        raise EmbedderError("the answer has no list of `models`: is this Ollama's API (llm.form=openai for others)?")
    names = [str(model.get("name")) for model in models if isinstance(model, dict)]
    return [*names, *(name.removesuffix(":latest") for name in names if name.endswith(":latest"))]
