"""Search with LangChain: `python langchain_search.py EXPORT CORPUS.jsonl QUESTION`.

Needs `pip install langchain-huggingface sentence-transformers`. LangChain calls plain `encode`, which reads no
instruction unless it is named: without the two settings below they are lost without a word.
"""

import json
import sys
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings

export, corpus, question = sys.argv[1:]
keys = [json.loads(line) for line in Path(corpus).read_bytes().splitlines()]
documents = [Document(f"{key.get('title', '')} {key['text']}".strip(), metadata={"id": key["id"]}) for key in keys]

embeddings = HuggingFaceEmbeddings(
    model_name=export,
    encode_kwargs={"prompt_name": "document", "task": "document"},
    query_encode_kwargs={"prompt_name": "query", "task": "query"},
)
store = InMemoryVectorStore(embeddings)
store.add_documents(documents)

for document, score in store.similarity_search_with_score(question, k=5):
    print(f"{score:.4f} {document.metadata['id']}")
