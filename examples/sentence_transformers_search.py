"""Search with sentence-transformers: `python sentence_transformers_search.py EXPORT CORPUS.jsonl QUESTION`.

Needs `pip install sentence-transformers` (5 or newer). The export brings its instructions: `encode_query` and
`encode_document` put them in front of texts. In version 4, `encode(texts, prompt_name="query")` does.
"""

import json
import sys
from pathlib import Path

from sentence_transformers import SentenceTransformer

export, corpus, question = sys.argv[1:]
keys = [json.loads(line) for line in Path(corpus).read_bytes().splitlines()]
texts = [f"{key.get('title', '')} {key['text']}".strip() for key in keys]  # as training joins them

model = SentenceTransformer(export)
passages = model.encode_document(texts)
query = model.encode_query(question)

scores = passages @ query  # cosines: all vectors have length 1
for position in scores.argsort()[::-1][:5]:
    print(f"{scores[position]:.4f} {keys[position]['id']}")
