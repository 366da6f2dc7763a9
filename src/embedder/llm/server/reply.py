"""What an HTTP server replied: its JSON, or an error that says what to change, and whether another attempt may help."""

import json
import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from embedder.errors import EmbedderError
from embedder.llm.server.address import proxy_hint
from embedder.shown import shown

if TYPE_CHECKING:
    import httpx

_MOST_BYTES = 2**26  # of an answer: 64 MiB, many times what the longest prompts take
_EXCERPT = 300  # characters of an answer in a message
_PASSING = frozenset({408, 409, 429})  # and all from 500 on
_REFUSED = (
    " (does the prompt fit, and does the server take what was asked? Log-likelihoods need `echo` with `logprobs`, "
    "which few but vLLM and SGLang have: llm=chat with reward=correct, f1, contains, judged or listwise needs none)"
)
_HINTS = {
    400: _REFUSED,
    422: _REFUSED,
    401: " (the key is read from the environment variable named by llm.api_key_env)",
    403: " (the key is read from the environment variable named by llm.api_key_env)",
    404: " (llm.url usually ends in /v1)",
    429: " (fewer requests at once: llm.concurrency)",
}


class PassingError(Exception):
    """A failure that the next attempt may not have."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


async def content_of(response: "httpx.Response", url: str) -> bytes:
    """What came, up to a limit: a broken server may send for ever, and a small packed answer can be a huge one."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _MOST_BYTES:
            raise EmbedderError(f"{url}: an answer of more than {_MOST_BYTES / 2**20:.0f} MiB, which no prompt takes")
    return bytes(content)


def read_reply(url: str, response: "httpx.Response", content: bytes) -> Any:
    """The JSON of a reply.

    Args:
        url: Where the request was sent, for the messages.
        response: Its status and headers.
        content: Its body.

    Raises:
        PassingError: It may be another one at the next attempt.
        EmbedderError: It is an error, or not JSON.
    """
    status = response.status_code
    if 300 <= status < 400:
        where = shown(response.headers.get("Location", "nowhere"))
        raise EmbedderError(f"{url}: status {status}, moved to {where}: if that is right, set it as llm.url")
    if not response.is_success:
        message = f"status {status}: {_excerpt(content)}{_HINTS.get(status, '')}"
        if status in _PASSING or status >= 500:
            raise PassingError(message, retry_after_of(response.headers.get("Retry-After")))
        raise EmbedderError(f"{url}: {message}{proxy_hint(url)}")
    try:
        return json.loads(content)
    except ValueError as error:
        if response.headers.get("Content-Type", "").startswith("text/html"):
            message = f"a web page came, not JSON: {_excerpt(content)}{_HINTS[404]}"
            raise EmbedderError(f"{url}: {message}{proxy_hint(url)}") from error
        # Half an answer, as a rule.
        raise PassingError(f"an answer that is not JSON: {_excerpt(content)}") from error
    except RecursionError as error:
        raise EmbedderError(f"{url}: JSON that is nested too deeply: {_excerpt(content)}") from error


def retry_after_of(header: str | None) -> float:
    """Seconds from now, of a `Retry-After` in seconds or as a date; 0 where there is none that can be read."""
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


def _excerpt(content: bytes) -> str:
    return shown(" ".join(content[:100_000].decode("utf-8", "replace").split()), _EXCERPT)
