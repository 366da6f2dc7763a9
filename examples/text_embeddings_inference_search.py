"""Search over HTTP: `python text_embeddings_inference_search.py URL CORPUS.jsonl QUESTION`.

URL is a server of text-embeddings-inference that serves the export, such as `http://127.0.0.1:8080`:
`text-embeddings-router --model-id EXPORT`. It knows the instructions of the export by their names, which its own route
`/embed` takes. Its route in OpenAI's form, `/v1/embeddings`, takes no such name: there a client puts
`prompts["query"]` of the export's `config_sentence_transformers.json` in front of texts itself.
"""

import json
import sys
from pathlib import Path

import httpx
import numpy as np

url, corpus, question = sys.argv[1:]
keys = [json.loads(line) for line in Path(corpus).read_bytes().splitlines()]
texts = [f"{key.get('title', '')} {key['text']}".strip() for key in keys]


def embed(texts: list[str], side: str) -> np.ndarray:
    vectors = []
    for start in range(0, len(texts), 32):  # what the server takes at once by default
        request = {"inputs": texts[start : start + 32], "prompt_name": side, "truncate": True, "normalize": True}
        response = httpx.post(f"{url}/embed", json=request, timeout=60)
        vectors += response.raise_for_status().json()
    return np.array(vectors, dtype=np.float32)


passages = embed(texts, "document")
query = embed([question], "query")[0]

scores = passages @ query
for position in scores.argsort()[::-1][:5]:
    print(f"{scores[position]:.4f} {keys[position]['id']}")
