"""Requests to an HTTP server: several at once, repeated after passing failures; errors say what to change."""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from embedder.errors import ConfigError, EmbedderError
from embedder.llm.server.address import is_port, proxy_hint, proxy_of
from embedder.llm.server.reply import PassingError, content_of, read_reply
from embedder.llm.server.settings import ServerSettings
from embedder.shown import hide

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_LONGEST_BACKOFF = 60.0  # seconds
_LONGEST_RETRY_AFTER = 300.0  # seconds that a server may ask to wait for, at a time


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer]):
    """One request; `read` turns the JSON of the answer into what is kept, so that answers do not pile up in memory."""

    path: str
    body: dict[str, Any] | None
    """Sent as JSON with POST; None asks with GET."""
    read: Callable[[Any], Answer]
    """Raises EmbedderError when the answer lacks something; the URL is put in front of the message."""


class ServerClient:
    """Sends requests with bounded concurrency and repeats those that failed for a passing reason.

    Repeated are: no connection, no or half an answer, an answer that is not JSON, and the statuses 408, 409, 429 and
    from 500 on. The pause before attempt k + 1 is drawn from 0 to `backoff_seconds * 2**(k - 1)`, 60 s at most, on top
    of what `Retry-After` asks for, 300 s at most. A redirection is not followed: the key would go along.

    Requests to this machine are sent directly, whatever proxies the environment names; others through its proxies.

    Args:
        settings: Where the server is, and how it is asked.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings

    def send(self, requests: Iterable[Request[Answer]]) -> list[Answer]:
        """Send all requests, begun in the given order, and return what was read from their answers in that order.

        After a failure nothing new is sent; what is in flight is awaited, then the first failure is raised.

        Raises:
            EmbedderError: A request failed for good: the message names the URL, the reply and the setting to change.
        """
        return _run(self._send(requests))

    async def _send(self, requests: Iterable[Request[Answer]]) -> list[Answer]:
        import httpx

        answers: dict[int, Answer] = {}
        failures: list[EmbedderError] = []
        waiting = enumerate(requests)  # shared by the workers, so neighbours go out next to each other

        async def work(http: httpx.AsyncClient) -> None:
            for position, request in waiting:
                try:
                    answers[position] = await self._answer(http, request)
                except EmbedderError as error:
                    failures.append(error)
                if failures:
                    return

        async with self._open() as http:
            await asyncio.gather(*(work(http) for _ in range(self._settings.concurrency)))
        if failures:
            if len(failures) > 1:
                logger.warning("%s: %d requests failed, the first one is reported", self._settings.url, len(failures))
            raise failures[0]
        return [answers[position] for position in range(len(answers))]

    def _open(self) -> "httpx.AsyncClient":
        import httpx

        proxy = proxy_of(self._settings.url)
        try:
            if proxy is not None and not is_port(httpx.URL(proxy).port):
                raise ValueError("its port is not among 1 to 65535")
            return httpx.AsyncClient(
                headers=self._headers(),
                limits=httpx.Limits(max_connections=self._settings.concurrency),
                timeout=self._settings.timeout_seconds,
                verify=_ssl_context(),
                proxy=proxy,
                trust_env=False,  # which proxy is used is decided here, so that errors can tell
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            url = self._settings.url
            raise EmbedderError(f"{url}: no connection can be made ({error}){proxy_hint(url)}") from error

    async def _answer(self, http: "httpx.AsyncClient", request: Request[Answer]) -> Answer:
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

        url = f"{self._settings.url.rstrip('/')}/{request.path}"
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PassingError),
            stop=stop_after_attempt(self._settings.attempts),
            wait=self._pause,
            before_sleep=lambda state: self._log(url, state),
            reraise=True,
        )
        try:
            answer: Any = await retrying(self._attempt, http, url, request.body)
        except PassingError as error:
            failed = f"{self._settings.attempts} attempts failed (llm.attempts), the last: {error}"
            message = f"{url}: {failed}{proxy_hint(url)}"
            raise EmbedderError(message) from error
        try:
            return request.read(answer)
        except EmbedderError as error:
            raise EmbedderError(f"{url}: {error}") from error

    async def _attempt(self, http: "httpx.AsyncClient", url: str, body: dict[str, Any] | None) -> Any:
        import httpx

        try:
            # The timeouts of httpx are for single steps: a server that sends a byte now and then would never end.
            async with asyncio.timeout(self._settings.timeout_seconds):
                async with http.stream("GET" if body is None else "POST", url, json=body) as response:
                    content = await content_of(response, url)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise PassingError(
                f"no answer within {self._settings.timeout_seconds:g} s (llm.timeout_seconds)"
            ) from error
        except UnicodeEncodeError as error:
            raise EmbedderError(
                f"{url}: a prompt holds half of a surrogate pair, which UTF-8 cannot send ({error})"
            ) from error
        except httpx.RequestError as error:
            raise PassingError(f"{type(error).__name__}: {error} (is the server at llm.url up?)") from error
        return read_reply(url, response, content)

    def _pause(self, state: "RetryCallState") -> float:
        from tenacity import wait_random_exponential

        error = state.outcome.exception() if state.outcome else None
        retry_after = error.retry_after if isinstance(error, PassingError) else 0.0
        if retry_after > _LONGEST_RETRY_AFTER:
            message = "%s: the server asks for %.0f s before the next attempt (Retry-After); it gets %.0f s"
            logger.warning(message, self._settings.url, retry_after, _LONGEST_RETRY_AFTER)
        backoff = wait_random_exponential(multiplier=self._settings.backoff_seconds, max=_LONGEST_BACKOFF)
        return min(retry_after, _LONGEST_RETRY_AFTER) + backoff(state)

    def _log(self, url: str, state: "RetryCallState") -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        attempt = f"attempt {state.attempt_number} of {self._settings.attempts}"
        logger.info("%s: %s failed, the next in %.1f s: %s", url, attempt, pause, error)

    def _headers(self) -> dict[str, str]:
        if self._settings.api_key_env is None:
            return {}
        key = os.environ.get(self._settings.api_key_env, "").strip()
        # Checked here: the library's own error about a header shows the header.
        if not key or not key.isascii() or not key.isprintable():
            expected = "the name of an environment variable that holds a key of printable ASCII characters"
            raise ConfigError("llm.api_key_env", expected, self._settings.api_key_env)
        hide(key)  # some servers repeat the key that they refuse
        return {"Authorization": f"Bearer {key}"}


@cache
def _ssl_context() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than a short request."""
    import httpx

    return httpx.create_ssl_context()


def _run(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:  # a notebook runs a loop already, and a second one needs a thread
        return pool.submit(asyncio.run, coroutine).result()
