"""Where an LLM server is: allowed URLs, the proxy to them, and the name of the variable that holds its key."""

import ipaddress
import os
import re
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from embedder.errors import ConfigError

# What people name such variables like; a text of another form may be the key itself, and is not shown.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


def names_variable(text: object) -> bool:
    """Whether a text is the name of an environment variable, by its form or since there is one of that name."""
    return isinstance(text, str) and (text in os.environ or _VARIABLE.fullmatch(text) is not None)


def check_url(url: object) -> None:
    """Refuse what cannot be a URL of an API, without repeating what may be a secret.

    Raises:
        ConfigError: It cannot be.
    """
    import httpx

    expected = "http://HOST:PORT/v1 or https://..., with a port up to 65535"
    if not isinstance(url, str):
        raise ConfigError("llm.url", expected, url)
    if "@" in url:
        raise ConfigError("llm.url", "a URL without user name and password (see llm.api_key_env)", "one with them")
    if "?" in url or "#" in url:
        raise ConfigError("llm.url", "a URL that ends in its path, such as /v1, without ? and #", "one with them")
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigError("llm.url", expected, url) from error
    if parts.scheme not in ("http", "https") or not parts.host or not is_port(parts.port):
        raise ConfigError("llm.url", expected, url)


def is_port(port: int | None) -> bool:
    """Whether a port can be connected to; None stands for that of the scheme."""
    return port is None or 0 < port < 2**16


def proxy_of(url: str) -> str | None:
    """The proxy of the environment for requests to a URL; none for this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_here(host) or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def proxy_hint(url: str) -> str:
    """The end of an error message: the proxy that a URL is reached through, without its user name and password."""
    proxy = proxy_of(url)
    if proxy is None:
        return ""
    where = proxy.rpartition("@")[2].rpartition("//")[2].rstrip("/")
    host = urlsplit(url).hostname
    return f" (through the proxy {where} of the environment; with NO_PROXY={host} the server is asked directly)"


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
