"""Reads Markdown: what its page shows, below its headings."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import yaml
from markdown_it import MarkdownIt

from embedder.documents.decode import text_of
from embedder.documents.document import Document
from embedder.documents.markup import document_of

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<fields>.*?)^(?:---|\.\.\.)[ \t]*\n", re.DOTALL | re.MULTILINE)


def read_markdown(path: Path) -> Iterator[Document]:
    """CommonMark with tables; of front matter only the title is read."""
    (text, guessed), title = text_of(path), ""
    if front := _FRONT_MATTER.match(text):
        text, title = text[front.end() :], _title(front["fields"])
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    yield replace(document_of(page, title), guessed=guessed)


def _title(front_matter: str) -> str:
    try:
        fields = yaml.safe_load(front_matter)
    except yaml.YAMLError:
        return ""
    return str(fields.get("title") or "") if isinstance(fields, dict) else ""
