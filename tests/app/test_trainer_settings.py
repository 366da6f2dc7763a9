"""Settings that act on a step or on what is best: right, or one error; and resuming notices another value."""

import inspect
import re

import lightning as L
import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import ProgressBar, StochasticWeightAveraging

from embedder.app.resume import callbacks_on_steps
from embedder.app.trainer_settings import FIXED, FREE, acting_on_steps, trainer_keywords
from embedder.callbacks.best import best_checkpoint, direction, early_stopping
from embedder.callbacks.of_trainer import callbacks_of
from embedder.errors import ConfigError, EmbedderError
from embedder.identity import plain
from tests.entry_points import composed


def built(*overrides):
    """The run that the command line describes."""
    try:
        return instantiate(composed("train", "logger=csv", *overrides).run, _convert_="all")
    except InstantiationException as error:  # what the entry point tells is its cause
        raise error.__cause__ from None


def test_every_keyword_of_lightnings_trainer_is_known():
    known = set(inspect.signature(L.Trainer.__init__).parameters) - {"self"}
    assert known >= FIXED.keys() | FREE
    assert not FIXED.keys() & FREE
    acting = known - FIXED.keys() - FREE
    assert acting == {
        *("precision", "max_steps", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
        *("plugins", "sync_batchnorm", "limit_val_batches"),  # the last on what is best
    }


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+trainer.limit_train_batches=2", "trainer.limit_train_batches: expected None, since the batch plan has no"),
        ("+trainer.limit_train_batches=1", "trainer.limit_train_batches: expected None"),
        ("+trainer.limit_train_batches=0.25", "trainer.limit_train_batches: expected None"),
        ("+trainer.overfit_batches=2", "trainer.overfit_batches: expected 0.0"),
        (
            "+trainer.fast_dev_run=true",
            "trainer.fast_dev_run: expected False, since a trial run is trainer.max_steps=2",
        ),
        ("+trainer.max_epochs=3", "trainer.max_epochs: expected None"),
        ("+trainer.min_epochs=1", "trainer.min_epochs: expected None"),
        ("+trainer.min_steps=5", "trainer.min_steps: expected None"),
        ("+trainer.reload_dataloaders_every_n_epochs=1", "trainer.reload_dataloaders_every_n_epochs: expected 0"),
        ("trainer.check_val_every_n_epoch=2", "trainer.check_val_every_n_epoch: expected None"),
        ("trainer.num_sanity_val_steps=2", "trainer.num_sanity_val_steps: expected 0"),
        ("trainer.use_distributed_sampler=true", "trainer.use_distributed_sampler: expected False"),
        ("+trainer.barebones=true", "trainer.barebones: expected False"),
        ("trainer.max_steps=-1", "trainer.max_steps: expected 1 or more, since the batch plan has no epochs, got -1"),
        ("trainer.max_steps=2.5", "trainer.max_steps: expected 1 or more"),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches: expected 1 or more"),
        ("trainer.val_check_interval='00:10:00'", "trainer.val_check_interval: expected a whole number of batches"),
        ("trainer.val_check_interval=0.25", "trainer.val_check_interval: expected a whole number of batches"),
        ("trainer.val_check_interval=0.25 callbacks=rag_eval", "trainer.val_check_interval: expected a whole number"),
        ("trainer.val_check_interval=null callbacks=rag_eval", "trainer.val_check_interval: expected a whole number"),
        ("trainer.accumulate_grad_batches=3", "trainer.val_check_interval: expected a multiple of trainer.acc"),
        ("trainer.log_every_n_steps=x", "trainer.log_every_n_steps: expected a whole number or null, got 'x'"),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val: expected 0 or more, or null for no limit, got -1"),
        ("+callbacks.plain.best.save_weights_only=2", "best.save_weights_only: expected true or false, got 2"),
        ("+trainer.limit_val_batches=0", "trainer.limit_val_batches: expected more than 0, or callbacks.plain.best"),
        ("callbacks.plain.best.save_top_k=0", "callbacks.plain.best.save_top_k: expected 1 or more"),
        ("callbacks.plain.best.mode=min", "callbacks.plain.best.mode: expected auto or max, which is better of 'val/n"),
        ("callbacks.plain.best.mode=foo", "callbacks.plain.best.mode: expected auto, max or min, got 'foo'"),
        ("callbacks.plain.best.monitor=val/mine", "callbacks.plain.best.mode: expected max or min: which of both"),
        ("+callbacks.plain.best.every_n_train_steps=5", "callbacks.plain.best.every_n_train_steps: expected null"),
        ("+callbacks.plain.best.every_n_epochs=2", "callbacks.plain.best.every_n_epochs: expected null"),
        ("+callbacks.plain.best.save_on_train_epoch_end=true", "best.save_on_train_epoch_end: expected null"),
    ],
)
def test_what_would_train_or_choose_another_model_is_one_error(override, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        built(*override.split())


def test_what_is_no_limit_builds():
    built("+trainer.limit_train_batches=1.0", "trainer.accumulate_grad_batches=4", "+trainer.max_time='00:01:00:00'")
    built("+trainer.limit_val_batches=0", "callbacks.plain.best=null")


@pytest.mark.parametrize(
    ("monitor", "better"),
    [
        *((name, "min") for name in ("val/loss", "val/qa/nq/loss", "train/qa/loss", "rag/lrlm/perplexity")),
        *((f"rag/qa/{name}", "max") for name in ("em", "f1", "accuracy", "log_likelihood", "rouge_l")),
        *((f"val/{name}", "max") for name in ("ndcg@10", "qa/recall@5", "qa/nq/mrr@10")),
    ],
)
def test_what_is_better_follows_from_the_metric(monitor, better):
    assert direction("a.b", monitor, "auto") == direction("a.b", monitor, better) == better
    assert best_checkpoint(monitor, dirpath="/nowhere").mode == better
    assert early_stopping(monitor).mode == better
    with pytest.raises(ConfigError, match=r"a\.b\.mode: expected auto or"):
        direction("a.b", monitor, {"min": "max", "max": "min"}[better])


def test_a_metric_of_ones_own_says_which_way():
    assert direction("a.b", "mine/score_of_mine", "max") == "max"
    assert direction("a.b", "mine/score_of_mine", "min") == "min"


def test_early_stopping_follows_the_best_checkpoints_metric():
    callbacks = built("callbacks=early_stopping", "callbacks.plain.best.monitor=val/loss").callbacks
    assert (callbacks["best"].mode, callbacks["early_stopping"].mode) == ("min", "min")
    with pytest.raises(ConfigError, match=r"early_stopping\.check_on_train_epoch_end"):
        built("callbacks=early_stopping", "+callbacks.plain.early_stopping.check_on_train_epoch_end=true")


def test_early_stopping_without_a_best_checkpoint_follows_the_default_score():
    for without in ("callbacks.plain.best=null", "~callbacks.plain.best"):
        callbacks = built("callbacks=early_stopping", "callbacks.retrieval_eval.cutoff=5", without).callbacks
        assert callbacks["early_stopping"].monitor == "val/ndcg@5"


def test_the_llm_answers_at_every_validation_which_counts_batches():
    assert built("callbacks=rag_eval").rag_eval.every_n_steps == 100
    assert built("callbacks=rag_eval", "trainer.accumulate_grad_batches=4").rag_eval.every_n_steps == 25


def test_a_tuning_takes_as_many_passes_however_many_batches_make_a_step():
    run = built("experiment=tune", "source=folder", "source.path=x", "trainer.accumulate_grad_batches=2")
    tuned = trainer_keywords(run.steps.trainer(run.train.trainer, questions=1600, batch_size=16))
    assert (tuned["max_steps"], tuned["val_check_interval"]) == (8 * 1600 // 32, 2 * 100)


def test_counts_of_early_stopping_are_held_against_their_types():
    with pytest.raises(ConfigError, match=r"callbacks\.plain\.early_stopping\.patience: expected a whole number"):
        built("callbacks=early_stopping", "callbacks.plain.early_stopping.patience=x")
    stopping = built("callbacks=early_stopping", "callbacks.plain.early_stopping.min_delta=1").callbacks
    assert stopping["early_stopping"].patience == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.accelerator=tpu"], "trainer.accelerator: expected auto or one that this machine has (cpu"),
        (
            ["trainer.accelerator=cpu", "trainer.devices=99"],
            "data.batch_size: expected a query or more for each of 99 processes, got 16",
        ),
    ],
)
def test_what_no_process_could_start_with_is_told_before_one_does(overrides, message, tmp_path):
    with pytest.raises(EmbedderError, match=re.escape(message)):
        built(f"paths.output_dir={tmp_path}", *overrides)._trainer()


def test_without_its_callback_there_is_no_progress_bar(tmp_path):
    for override, bars in (("callbacks.plain.progress=null", 0), ("seed=1", 1)):
        trainer = built(f"paths.output_dir={tmp_path}", "trainer.accelerator=cpu", override)._trainer()
        assert len(callbacks_of(trainer, ProgressBar)) == bars


def protocol(*overrides):
    run = built("task_mix=knowledge", *overrides)
    return {name: value for part in run.settings_that_stay().values() for name, value in part.items()}


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("callbacks=self_paced", {"callbacks.plain.self_paced"}),
        ("callbacks.plain.self_paced.power=3", {"callbacks.plain.self_paced"}),
        ("+trainer.gradient_clip_algorithm=value", {"gradient_clip_algorithm"}),
        ("trainer.gradient_clip_val=0.5", {"gradient_clip_val"}),
        ("trainer.precision=bf16-mixed", {"precision"}),
        ("trainer.accumulate_grad_batches=2", {"accumulate_grad_batches"}),
        ("+trainer.sync_batchnorm=true", {"sync_batchnorm"}),
        ("trainer.max_steps=200", {"max_steps"}),
        ("run.seed=3", {"seed"}),
        ("optim.betas=[0.9,0.99]", {"optim"}),
        ("encoder.dropout=0.3", {"encoder"}),
        ("data.batch_size=8", {"batch_size"}),
        ("callbacks.plain.best.monitor=val/loss", {"callbacks.plain.best"}),
        ("callbacks.retrieval_eval.max_keys=10", {"callbacks.retrieval_eval"}),
        ("+trainer.limit_val_batches=2", {"trainer.limit_val_batches"}),
        ("index=ivf_sq8", {"index"}),
        ("vectors.dtype=float16", {"vectors.dtype"}),
        (
            "+callbacks.plain.swa={_target_: lightning.pytorch.callbacks.StochasticWeightAveraging, swa_lrs: 0.01}",
            {"callbacks.plain.swa"},
        ),
    ],
)
def test_what_acts_is_seen_when_a_run_goes_on(override, changed):
    paced = ["callbacks=self_paced"] if override.startswith("callbacks.plain.self_paced") else []
    before, after = protocol(*paced), protocol(*paced, override if "optim.betas" not in override else f"+{override}")
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == changed


@pytest.mark.parametrize(
    "override",
    [
        *(
            "trainer.devices=2",
            "trainer.accelerator=cpu",
            "trainer.log_every_n_steps=1",
            "trainer.val_check_interval=7",
        ),
        *("callbacks.plain.progress=null", "callbacks.plain.loss_guard=null", "callbacks.plain.last.every_n_steps=3"),
        *("callbacks=early_stopping", "encoder.micro_batch_tokens=64", "data.num_workers=2"),
        *("+trainer.detect_anomaly=true", "+trainer.gradient_clip_algorithm=norm", "callbacks.rag_eval.max_answered=3"),
    ],
)
def test_what_does_not_act_may_change(override):
    assert protocol(override) == protocol()


def test_settings_of_an_object_are_plain_values():
    swa = StochasticWeightAveraging(swa_lrs=0.01)
    kept = plain(swa)
    assert kept == plain(StochasticWeightAveraging(swa_lrs=0.01))
    assert kept["class"].endswith("StochasticWeightAveraging")
    assert kept != plain(StochasticWeightAveraging(swa_lrs=0.02))
    assert " at 0x" not in repr(kept)
    assert callbacks_on_steps({"swa": swa, "off": None}) == {"callbacks.plain.swa": kept}
    assert acting_on_steps(trainer_keywords(L.Trainer))["gradient_clip_algorithm"] == "norm"
