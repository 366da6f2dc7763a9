"""Settings of trainer, callbacks, monitors and loggers that cannot work are told before the LLM is asked."""

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from embedder.errors import EmbedderError
from tests.entry_points import composed

LIGHTNING = "+callbacks.plain.mine={{_target_: lightning.pytorch.callbacks.{}}}".format
FEW_FOR_ALL = ["data.batch_size=3", "trainer.devices=4", "trainer.strategy=ddp"]


class AskedError(Exception):
    """The LLM would be asked now."""


@pytest.fixture
def run(tmp_path, bert_directory, monkeypatch):
    def start(*overrides):
        folders = [f"paths.root={tmp_path}", f"paths.output_dir={tmp_path}/run", f"encoder.name={bert_directory}"]
        small = ["encoder.sha256=null", "source.settings.passages=200", "source.settings.questions=20"]
        config = composed("train", "trainer.accelerator=cpu", "logger=csv", *folders, *small, *overrides)
        try:
            made = instantiate(config.run, _convert_="all")
        except InstantiationException as error:
            raise error.__cause__ from None
        made.run()

    def asked(*args):
        raise AskedError

    monkeypatch.setattr("embedder.app.train.prepare", asked)
    return start


def test_right_settings_come_to_the_llm(run):
    with pytest.raises(AskedError):
        run(LIGHTNING("WeightAveraging"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.strategy=ddpp"], "trainer: You selected an invalid strategy name"),
        (["trainer.accelerator=gpu", "trainer.devices=64"], "trainer"),
        (["trainer.precision=17"], "precision"),
        (FEW_FOR_ALL, "data.batch_size: expected a query or more for each of 4"),
        (["trainer.val_check_interval=0.5"], "trainer.val_check_interval: expected a whole number"),
        (["callbacks.plain.best.monitor=val/ndcg@11"], "best.monitor: expected a name that is logged"),
        (["optimise=val/foo"], "optimise: expected a name that is logged"),
        (["callbacks=early_stopping", "callbacks.plain.early_stopping.patience=-1"], "patience: expected 0 or more"),
        (["callbacks.reindex.every_n_steps=900"], "reindex.every_n_steps: expected fewer steps"),
        (
            ["callbacks.reindex.every_n_steps=9", LIGHTNING("WeightAveraging")],
            "reindex.every_n_steps: expected null with WeightAveraging",
        ),
        (
            ["callbacks.rag_eval.every_n_steps=3", "callbacks.plain.best.monitor=rag/qa/em"],
            "rag_eval.every_n_steps: expected 100, the steps between validations, since .*best.monitor .*, got 3",
        ),
        (["callbacks.rag_eval.every_n_steps=1", "task_mix=convsearch"], "callbacks.rag_eval: expected a task with"),
        ([LIGHTNING("LearningRateFinder")], "callbacks.plain.mine: expected a callback that fits this run .When using"),
        (
            [LIGHTNING("StochasticWeightAveraging, swa_lrs: 0.1")],
            "callbacks.plain.mine: expected .* .SWA with",
        ),
        (["~logger", "+logger={}"], "callbacks.plain.lr: expected .* this run .Cannot use `LearningRateMonitor`"),
        (["+callbacks.plain.mine={_target_: collections.Counter}"], "mine: expected a Callback .* got 'Counter'"),
        (["+logger.mine={_target_: collections.Counter}"], "logger.mine: expected a Logger of Lightning"),
    ],
)
def test_wrong_settings_do_not(run, overrides, message):
    with pytest.raises(EmbedderError, match=message):
        run(*overrides)
