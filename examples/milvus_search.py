"""Search with Milvus Lite: `python milvus_search.py EXPORT CORPUS.jsonl QUESTION`.

Needs `pip install 'pymilvus[milvus-lite]' sentence-transformers`. Milvus takes vectors, and sentence-transformers puts
the instructions of the export in front of texts.
"""

import json
import sys
import tempfile
from pathlib import Path

from pymilvus import MilvusClient
from sentence_transformers import SentenceTransformer

export, corpus, question = sys.argv[1:]
keys = [json.loads(line) for line in Path(corpus).read_bytes().splitlines()]
texts = [f"{key.get('title', '')} {key['text']}".strip() for key in keys]

model = SentenceTransformer(export)
passages = model.encode_document(texts)
query = model.encode_query(question)

with tempfile.TemporaryDirectory() as folder:
    client = MilvusClient(str(Path(folder, "passages.db")))
    client.create_collection(
        "passages", dimension=passages.shape[1], metric_type="COSINE", id_type="string", max_length=100
    )
    rows = zip(keys, passages, strict=True)
    client.insert("passages", [{"id": key["id"], "vector": vector.tolist()} for key, vector in rows])
    for found in client.search("passages", [query.tolist()], limit=5)[0]:
        print(f"{found['distance']:.4f} {found['id']}")
    client.close()
