"""A callback for runs of several processes: notes what each of them trains on, and waits for a refresh."""

import json
import os
import signal
import time
from pathlib import Path

import lightning as L
import psutil

from embedder.callbacks.reindex import ReindexCallback
from embedder.texts import text_hash


def folder():
    return Path(os.environ["SWAPS_FOLDER"])


def number(name):
    return int(os.environ.get(f"SWAPS_{name}", 0))


class NoteSwaps(L.Callback):
    """Writes, before every step, the negatives that the process trains on to `RANK.jsonl`.

    The environment tells what differs between a run and the one that resumes it, which have to have the same settings:
    `SWAPS_FOLDER` for the files, `SWAPS_WAIT` for the step after which the first process waits until the refresh in the
    background is done, and `SWAPS_KILL` for that after which it kills itself, as the system does.
    """

    memory = 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        (reindex,) = (own for own in trainer.callbacks if isinstance(own, ReindexCallback))
        row = {"step": trainer.global_step, "table": reindex._state["folder"], "memory": self.memory, "new": 0}
        row |= {"queries": list(batch.query_ids), "keys": batch.key_hashes.tolist(), "foreign": 0}
        (part,) = reindex._parts
        ids = {query.id: position for position, query in enumerate(part.queries)}
        for name, hashes in zip(row["queries"], row["keys"], strict=True):
            record, own = part.record(ids[name], reindex._now.get(part.name)), part.record(ids[name], None)
            allowed, before = ({text_hash(k.text) for k in (*r.positives, *r.negatives)} for r in (record, own))
            row["foreign"] += len(set(hashes) - {0} - allowed)
            row["new"] += len(set(hashes) - {0} - before)
        folder().mkdir(parents=True, exist_ok=True)
        with (folder() / f"{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def on_train_batch_end(self, trainer, *args, **kwargs):
        (reindex,) = (own for own in trainer.callbacks if isinstance(own, ReindexCallback))
        if not trainer.is_global_zero or reindex._background is None:
            return
        process = reindex._background.process
        if trainer.global_step == number("KILL"):
            (folder() / "background").write_text(str(process.pid))
            os.kill(os.getpid(), signal.SIGKILL)
        while trainer.global_step == number("WAIT") and process.is_alive() and not reindex._background._results.poll():
            self.memory = max(self.memory, psutil.Process(process.pid).memory_info().rss)
            time.sleep(0.05)
