"""Tables of negatives on disk, and batches that read them from the right step on, ahead-making workers included."""

import json
import pickle

import lightning as L
import numpy as np
import pytest
import torch

from embedder.data.corpus import Corpus
from embedder.data.prepared import PreparedDataset
from embedder.errors import DataError
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.fresh_negatives import FreshNegatives, NegativeTable, publish, published
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Task

TABLE = np.array([[4, 5], [5, -1], [-1, -1], [2, 3]], np.int8)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"id": f"k{i}", "text": f"key {i}"}) + "\n" for i in range(6)))
    return Corpus(path)


def test_a_published_table_is_read_by_record(tmp_path, corpus):
    name, digest = publish(tmp_path / "negatives", 30, {"tool/small": NegativeTable(TABLE)})
    assert name == f"step-000030-{digest[:12]}"
    (path,) = published(tmp_path / "negatives" / name, digest).values()
    fresh = FreshNegatives(path, corpus)
    for one in (fresh, pickle.loads(pickle.dumps(fresh))):
        assert [[key.id for key in one[record]] for record in range(4)] == [["k4", "k5"], ["k5"], [], ["k2", "k3"]]
    assert isinstance(fresh.table.positions, np.memmap)


def test_the_same_tables_have_one_folder_and_others_another(tmp_path):
    first = publish(tmp_path, 30, {"a/b": NegativeTable(TABLE)})
    assert publish(tmp_path, 30, {"a/b": NegativeTable(TABLE.copy())}) == first
    other = TABLE.copy()
    other[0, 0] = 3
    assert publish(tmp_path, 30, {"a/b": NegativeTable(other)})[0] != first[0]
    assert publish(tmp_path, 30, {"a/c": NegativeTable(TABLE)})[0] != first[0]
    assert len(list(tmp_path.iterdir())) == 3  # nothing half written is left


def test_another_table_than_the_checkpoint_names_is_refused(tmp_path):
    name, digest = publish(tmp_path, 30, {"a/b": NegativeTable(TABLE)})
    with pytest.raises(DataError, match=r"step-000099: the checkpoint trains with the negatives of this folder"):
        published(tmp_path / "step-000099", digest)
    np.save(tmp_path / name / "0.npy", TABLE[::-1])
    with pytest.raises(DataError, match=rf"expected the negatives with the digest {digest[:12]}, got "):
        published(tmp_path / name, digest)
    (tmp_path / name / "0.npy").write_bytes(b"half of")
    with pytest.raises(DataError, match="the checkpoint trains with the negatives of this folder"):
        published(tmp_path / name, digest)


class Seen(L.LightningModule):
    """Notes the keys of every batch, and swaps the negatives after the third and the sixth."""

    def __init__(self, corpus, folder):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.corpus, self.folder, self.keys = corpus, folder, []

    def training_step(self, batch, batch_idx):
        self.keys.append(set(batch.key_tokens["texts"]))
        return self.weight * 0

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if batch_idx in (2, 5):
            np.save(self.folder / f"{batch_idx}.npy", np.full((4, 2), batch_idx, np.int8))
            fresh = FreshNegatives(self.folder / f"{batch_idx}.npy", self.corpus)
            self.trainer.datamodule.use_negatives({0: fresh})

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def tokenize(texts, instruction, max_length, keep):
    return {"attention_mask": torch.ones(len(texts), 1), "texts": list(texts)}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_read_new_negatives_from_the_next_step_on(tmp_path, corpus, num_workers):
    rows = [{"query": f"q{i}", "pos": ["right"], "neg": ["old"]} for i in range(4)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = PreparedDataset("tool", "small", tmp_path, corpus.path)
    task = Task("tool", "", "", 64, 64, Objective(), Sampling(group_size=2))
    settings = DataSettings(batch_size=2, seed=0, num_workers=num_workers)
    data = RetrieverDataModule([dataset], {"tool": task}, tokenize, settings)
    module = Seen(corpus, tmp_path)
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=8,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(module, data)
    assert module.keys == [{"right", "old"}] * 3 + [{"right", "key 2"}] * 3 + [{"right", "key 5"}] * 2
