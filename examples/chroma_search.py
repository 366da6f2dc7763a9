"""Search with Chroma: `python chroma_search.py EXPORT CORPUS.jsonl QUESTION`.

Needs `pip install chromadb sentence-transformers`. Chroma's own function for sentence-transformers calls plain `encode`
for documents and queries alike, so that instructions are lost; this class of ten lines calls the method of each side.
"""

import json
import sys
from pathlib import Path

import chromadb
from sentence_transformers import SentenceTransformer

export, corpus, question = sys.argv[1:]
keys = [json.loads(line) for line in Path(corpus).read_bytes().splitlines()]
texts = [f"{key.get('title', '')} {key['text']}".strip() for key in keys]


class TunedEncoder(chromadb.EmbeddingFunction):
    def __init__(self, folder: str) -> None:
        self.model = SentenceTransformer(folder)

    def __call__(self, input: list[str]) -> list:
        return list(self.model.encode_document(input))

    def embed_query(self, input: list[str]) -> list:
        return list(self.model.encode_query(input))


client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
collection = client.create_collection(
    "passages", embedding_function=TunedEncoder(export), configuration={"hnsw": {"space": "cosine"}}
)
collection.add(ids=[key["id"] for key in keys], documents=texts)

found = collection.query(query_texts=[question], n_results=5)
for name, distance in zip(found["ids"][0], found["distances"][0], strict=True):
    print(f"{1 - distance:.4f} {name}")
