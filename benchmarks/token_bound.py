"""What share of labelling is the LLM's own forward passes: `prepare.py` beside the passes that its tokens need.

    python benchmarks/token_bound.py
    python benchmarks/token_bound.py --queries 32 --llm Qwen/Qwen2.5-0.5B

Labelling is the command on questions of a bundled world, with an empty store, from the moment that the model is loaded
to the end of the process: prompts, competitors that the LLM writes, scores, store and records. Beside it stand:
- its own passes: what the model and its projection to the vocabulary took of it;
- bare passes: the same, but each pass that scores is run once more right after it without our mask and positions, as
  plain causal rows, and counts only as the share of it that is no padding.

Processor time. A share of 1 would mean that nothing but the model runs.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rewards import SMOLLM2
from side_by_side import Measured, compare, write_json

import embedder.llm.local_model as local_model
from embedder.entry.start import enter
from embedder.llm.packed_rows import Packed
from embedder.llm.shared_prefix import with_cache
from embedder.world import WorldSettings, write_world


@dataclass
class Clock:
    """Processor seconds, by what they went to."""

    inside: float = 0.0
    scoring: float = 0.0
    bare_scoring: float = 0.0
    left_out: float = 0.0
    loaded: float = 0.0
    tokens: int = 0
    padding: int = 0
    watching: bool = True
    _started: list[float] = field(default_factory=list)

    def watch(self, model: Any) -> Any:
        """Count what the model and its head take."""
        for module in (model.base_model, model.get_output_embeddings()):
            module.register_forward_pre_hook(lambda *_: self._started.append(time.process_time()))
            module.register_forward_hook(lambda *_: self._passed())
        return model

    def _passed(self) -> None:
        seconds = time.process_time() - self._started.pop()
        self.inside += seconds if self.watching else 0.0

    def run(self, original: Any, packed: Packed, model: Any, cache: Any, prefix_length: int) -> Any:
        """A pass that scores, and then the same tokens as plain rows."""
        before = self.inside
        hidden = original(packed, model, cache, prefix_length)
        self.scoring += self.inside - before
        started, self.watching = time.process_time(), False
        model.base_model(
            input_ids=packed.tokens, **({"use_cache": False} if cache is None else with_cache(model.base_model, cache))
        )
        seconds, self.watching = time.process_time() - started, True
        real = int((packed.branches >= 0).sum())
        self.tokens += real
        self.padding += packed.tokens.numel() - real
        self.bare_scoring += seconds * real / packed.tokens.numel()
        self.left_out += seconds
        return hidden


def label(folder: Path, world: Path, queries: int, llm: str) -> tuple[float, Clock]:
    """Seconds of one command once its model is loaded, and what they went to."""
    clock, load, original, log = Clock(), local_model.load_weights, Packed.run, io.StringIO()

    def timed_load(*arguments: Any, **settings: Any) -> Any:
        model = clock.watch(load(*arguments, **settings))
        clock.loaded = time.process_time()
        return model

    def run(packed: Packed, model: Any, cache: Any, prefix_length: int) -> Any:
        return clock.run(original, packed, model, cache, prefix_length)

    settings = ("source=corpus", f"source.path={world}/qa", f"paths.root={folder}", f"llm.name={llm}", "llm.device=cpu")
    with (
        patch.object(local_model, "load_weights", timed_load),
        patch.object(Packed, "run", run),
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        enter("prepare", [*settings, f"prepare.max_train_queries={queries}"])
    return time.process_time() - clock.loaded - clock.left_out, clock


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default=SMOLLM2)
    parser.add_argument("--queries", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    whole, own, bare = [], [], []
    with tempfile.TemporaryDirectory() as directory:
        world = Path(directory) / "world"
        write_world(WorldSettings(1000, 400, 0.5, tasks=("qa",)), world)
        for run in range(-1, arguments.runs):  # the first, of two questions, is warming up
            queries = arguments.queries if run >= 0 else 2
            seconds, clock = label(Path(directory) / f"run{run}", world, queries, arguments.llm)
            passes = clock.inside - clock.scoring + clock.bare_scoring
            print(
                f"{queries} questions: {seconds:.2f} s; own passes {clock.inside / seconds:.3f}, bare passes "
                f"{passes / seconds:.3f}; scoring {clock.scoring:.2f} s for {clock.tokens} tokens, "
                f"bare {clock.bare_scoring:.2f} s, and {clock.padding / (clock.tokens + clock.padding):.1%} padding",
                file=sys.stderr,
                flush=True,
            )
            if run >= 0:
                whole.append(seconds)
                own.append(clock.inside)
                bare.append(passes)
    ours, threads = Measured(whole, 0.0), torch.get_num_threads()
    rows = [
        compare(f"{arguments.queries} questions, {threads} thread, own passes", ours, Measured(own, 0.0)),
        compare(f"{arguments.queries} questions, {threads} thread, bare passes", ours, Measured(bare, 0.0)),
    ]
    for row in rows:
        print(f"{row.name}: {row.ratio:.3f} ({row.lowest_ratio:.3f} to {row.highest_ratio:.3f})")
    if arguments.json:
        write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
