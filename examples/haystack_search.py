"""Search with Haystack: `python haystack_search.py EXPORT CORPUS.jsonl QUESTION`.

Needs `pip install haystack-ai sentence-transformers-haystack`. Haystack calls plain `encode`, which reads no
instruction unless it is named: without `encode_kwargs` they are lost without a word.
"""

import json
import sys
from pathlib import Path

from haystack import Document
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

export, corpus, question = sys.argv[1:]
keys = [json.loads(line) for line in Path(corpus).read_bytes().splitlines()]
documents = [Document(id=key["id"], content=key["text"], meta={"title": key.get("title")}) for key in keys]

document_embedder = SentenceTransformersDocumentEmbedder(
    model=export,
    encode_kwargs={"prompt_name": "document", "task": "document"},
    meta_fields_to_embed=["title"],
    embedding_separator=" ",
)
text_embedder = SentenceTransformersTextEmbedder(
    model=export,
    encode_kwargs={"prompt_name": "query", "task": "query"},
)
for embedder in (document_embedder, text_embedder):
    embedder.warm_up()
store = InMemoryDocumentStore(embedding_similarity_function="dot_product")  # of vectors of length 1: the cosine
store.write_documents(document_embedder.run(documents)["documents"])

query = text_embedder.run(question)["embedding"]
for document in store.embedding_retrieval(query, top_k=5, scale_score=False):
    print(f"{document.score:.4f} {document.id}")
