"""Reads HTML."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from embedder.documents.decode import decoded
from embedder.documents.document import Document
from embedder.documents.markup import document_of

_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)


def read_html(path: Path) -> Iterator[Document]:
    """What the page shows, in the encoding that it names; of a page with a main part, that part."""
    content = path.read_bytes()
    declared = _CHARSET.search(content[:4096])
    page, guessed = decoded(content, declared[1].decode() if declared else "")
    yield replace(document_of(page), guessed=guessed)
