"""The way from data to a table, with models of 2 layers."""

import gzip
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from signal import SIGKILL

from tests.robustness.forked import Command, Ended
from tests.signalled import signal_after

N = 24


@dataclass(frozen=True)
class Chain:
    """The commands of one user, whose data and outputs lie in a folder.

    Args:
        root: The folder.
        encoder: A model.
        llm: A model.
    """

    root: Path
    encoder: Path
    llm: Path

    @property
    def settings(self) -> tuple[str, ...]:
        """What all commands are given."""
        return (
            "source=corpus",
            f"source.path={self.root}/mine",
            f"paths.root={self.root}",
            f"encoder.name={self.encoder}",
            f"llm.name={self.llm}",
            "llm.device=cpu",
            "llm_outputs.n_outputs=2",
            "llm_outputs.max_new_tokens=3",
            "candidates.n=3",
        )

    def prepare(self, folder: str = "prepare") -> Command:
        """Candidates and rewards."""
        return Command(("prepare", *self.settings, f"hydra.run.dir={self.root}/{folder}"))

    def train(self, folder: str = "train") -> Command:
        """Six steps with two searches for new negatives, a validation after each third step; resumes."""
        steps = ["trainer.max_steps=6", "trainer.val_check_interval=3", "trainer.log_every_n_steps=1"]
        steps += ["data.batch_size=4", "callbacks.reindex.every_n_steps=2", "encoder.dropout=0.1"]
        steps += ["callbacks.reindex.candidates.n=3"]
        steps += ["trainer.accelerator=cpu", "logger=csv", "callbacks.plain.progress=null"]
        steps += ["callbacks.plain.last.every_n_steps=1", "run.checkpoint=last"]
        return Command(("train", *self.settings, *steps, f"hydra.run.dir={self.root}/{folder}"))

    def half_train(self) -> Command:
        """The same training in a folder of its own, killed after its fourth step."""
        kill = partial(signal_after, "embedder.callbacks.stop_on_signal:StopOnSignal.on_train_batch_end", 4, SIGKILL)
        return replace(self.train("half"), before=kill)

    def evaluate(self, folder: str = "evaluate") -> Command:
        """Rankings and the LLM's answers, with words, vectors and both."""
        more = [f"checkpoint={self.root}/train/export", "rag.max_answered=2", "rows=[none,bm25,base,hybrid,trained]"]
        return Command(("evaluate", *self.settings, *more, f"hydra.run.dir={self.root}/{folder}"))

    def index(self, folder: str = "index") -> Command:
        """Vectors of the trained encoder and three indexes over them."""
        more = ["action=index", f"checkpoint={self.root}/train/export", "run.names=[flat,exact,hnsw]", "run.alone=2"]
        return Command(("evaluate", *self.settings, *more, f"hydra.run.dir={self.root}/{folder}"))

    def compare(self, folder: str = "compare") -> Command:
        """The trained row against the base row of the evaluation."""
        words = ["action=compare", f"runs=[{self.root}/evaluate]", "rows=[trained]", "baseline=base"]
        words += ["compare.resamples=100", f"paths.root={self.root}", f"hydra.run.dir={self.root}/{folder}"]
        return Command(("evaluate", *words))

    def page(self, folder: str = "page") -> Command:
        """The page of the evaluation, with the curves of the training."""
        words = ["action=html", f"run_dir={self.root}/evaluate", f"report.training={self.root}/train"]
        return Command(("evaluate", *words, f"paths.root={self.root}", f"hydra.run.dir={self.root}/{folder}"))

    def save_index(self, folder: str = "saved") -> Command:
        """`embedder search` that encodes keys, and saves them with their index."""
        keys, folder = f"{self.root}/keys.jsonl", f"{self.root}/{folder}"
        return Command(("search", f"{self.root}/train/export", "harbour 3", "--keys", keys, "--save", folder, "--json"))

    def search(self) -> Command:
        """`embedder search` in the saved index."""
        return Command(("search", f"{self.root}/saved", "who built harbour 3?", "--json"))


def write_data(root: Path) -> None:
    """A data set by id whose corpus is compressed, and a file of keys."""
    keys = [{"id": f"k{i}", "text": f"harbour {i} was built by guild {i}"} for i in range(N)]
    lines = "".join(json.dumps(key) + "\n" for key in keys)
    (root / "mine").mkdir()
    (root / "mine" / "corpus.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (root / "keys.jsonl").write_text(lines)
    queries = [
        {"query_id": f"q{i}", "query": f"who built harbour {i}?", "answers": [f"guild {i}"], "pos": [f"k{i}"]}
        for i in range(N)
    ]
    for name, part in (("train", queries[: N * 3 // 4]), ("test", queries[N * 3 // 4 :])):
        (root / "mine" / f"{name}.jsonl").write_text("".join(json.dumps(query) + "\n" for query in part))


def done(command: Command, folder: Path) -> Ended:
    """Run a command, which has to go well."""
    ended = command.run(folder)
    assert ended.status == 0, f"{' '.join(command.words)}\n{ended.said[-4000:]}"
    return ended
