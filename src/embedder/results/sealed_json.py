"""JSON that carries the SHA-256 of what it says, so that an edit or damage anywhere in it is seen."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DAMAGED = 'its "digest" is not that of what it says; was it edited or damaged?'


def sealed(content: Mapping[str, Any], **form: Any) -> str:
    """The content with its digest, as JSON of a form (arguments of `json.dumps`)."""
    return json.dumps({"digest": _digest(content), **content}, allow_nan=False, **form)


def unsealed(parsed: Mapping[str, Any]) -> dict[str, Any] | None:
    """The content; None where its digest is missing or another one."""
    content = {name: value for name, value in parsed.items() if name != "digest"}
    return content if parsed.get("digest") == _digest(content) else None


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
