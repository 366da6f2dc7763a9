"""Where an LLM server is and how it is asked: the settings that every kind of server shares."""

import os
from dataclasses import dataclass

from embedder.bounds import NonNegativeFloat, PositiveFloat, PositiveInt
from embedder.checks import check_types
from embedder.errors import ConfigError
from embedder.llm.server.address import check_url, names_variable
from embedder.shown import hide


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Settings of the connection; the LLMs behind servers add their own.

    Args:
        url: What paths are joined to, such as `http://127.0.0.1:8000/v1`.
        api_key_env: The environment variable with the key; the key itself is never stored, logged or shown.
        concurrency: Requests in flight.
        timeout_seconds: For one attempt, from connecting to the last byte.
        attempts: For one request, the first included.
        backoff_seconds: Longest pause after the first failure.

    Raises:
        ConfigError: A setting has a value that cannot work.
    """

    url: str
    api_key_env: str | None = None
    concurrency: PositiveInt = 16
    timeout_seconds: PositiveFloat = 120.0
    attempts: PositiveInt = 8
    backoff_seconds: NonNegativeFloat = 1.0

    def __post_init__(self) -> None:
        check_url(self.url)
        if self.api_key_env is not None:
            if not names_variable(self.api_key_env):  # and not shown: it may be the key
                expected = "the name of an environment variable, such as LLM_API_KEY, and never the key itself"
                raise ConfigError("llm.api_key_env", expected, "another text, which is not repeated here")
            hide(os.environ.get(self.api_key_env, "").strip())
        check_types(self, "llm")  # behind the two that are not shown


@dataclass(frozen=True)
class ServedModel(ServerSettings):
    """A model of a server.

    Args:
        name: The model, as the server lists it.
        revision: What else identifies the served weights: commit, precision, quantisation.
        url, ...: See `ServerSettings`.
    """

    name: str
    revision: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.name:
            raise ConfigError("llm.name", "the name of a model that the server lists", self.name)
