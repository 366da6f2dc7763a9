"""Search with LlamaIndex: `python llama_index_search.py EXPORT CORPUS.jsonl QUESTION`.

Needs `pip install llama-index-embeddings-huggingface`. LlamaIndex replaces the instructions of the export by its own
settings, which are empty, so they are read from the export here. It also puts the metadata of a node in front of its
text; what the encoder should not read is excluded.
"""

import json
import sys
from pathlib import Path

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

export, corpus, question = sys.argv[1:]
keys = [json.loads(line) for line in Path(corpus).read_bytes().splitlines()]
nodes = [
    TextNode(
        text=f"{key.get('title', '')} {key['text']}".strip(),
        metadata={"id": key["id"]},
        excluded_embed_metadata_keys=["id"],
    )
    for key in keys
]

prompts = json.loads(Path(export, "config_sentence_transformers.json").read_text(encoding="utf-8"))["prompts"]
embeddings = HuggingFaceEmbedding(
    model_name=export,
    query_instruction=prompts["query"],
    text_instruction=prompts["document"],
)
index = VectorStoreIndex(nodes, embed_model=embeddings)

for found in index.as_retriever(similarity_top_k=5).retrieve(question):
    print(f"{found.score:.4f} {found.node.metadata['id']}")
