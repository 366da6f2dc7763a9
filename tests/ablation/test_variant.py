"""What an ablation changes in tasks, and what it leaves."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from hydra.utils import instantiate

from embedder.ablation.trial import TrialRun, ValidationAsTest
from embedder.ablation.variant import Variant
from embedder.app.evaluate import EvaluateRun
from embedder.callbacks.reindex_settings import ReindexSettings
from embedder.candidates.candidates import Candidates
from embedder.consumers.tool_choice import ToolChoice
from embedder.data.prepared import PreparedDataset
from embedder.data.sources import CorpusSource
from embedder.errors import ConfigError
from embedder.preparation.preparation import Preparation
from embedder.training.objective import KL, Contrastive, Graded, Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Task
from tests.entry_points import composed
from tests.own_loss import OwnLoss


def task(name, losses):
    return Task(name, "ask: ", "text: ", 64, 64, Objective(losses, 0.3), Sampling(4))


TASKS = {
    "qa": task("qa", {"graded": Graded(0.5, 0.2), "contrastive": Contrastive(0.0)}),
    "tool": task("tool", {"contrastive": Contrastive(2.0)}),
}

REINDEX = ReindexSettings(Candidates(n=2, max_gold=1, sources=("dense",)), every_n_steps=3)


@pytest.mark.parametrize(
    ("variant", "losses"),
    [
        (Variant(), {"graded": Graded(0.5, 0.2), "contrastive": Contrastive(1.0)}),
        (Variant(labels=False), {"graded": Graded(0.5, 0.2)}),
        (Variant(distillation="kl"), {"graded": KL(0.5, 0.2), "contrastive": Contrastive(1.0)}),
    ],
)
def test_losses_of_tasks_with_rewards_change_and_nothing_else(variant, losses):
    changed = variant.of(TASKS)
    assert changed["qa"].objective == Objective(losses, 0.3)
    assert (changed["qa"].query_instruction, changed["qa"].key_instruction) == ("ask: ", "text: ")
    assert changed["tool"] == TASKS["tool"]


@pytest.mark.parametrize("label_loss", [Contrastive(0.3), OwnLoss()])
def test_label_losses_of_the_recipe_stay_as_they_are_or_go_whoever_wrote_them(label_loss):
    tasks = {"qa": task("qa", {"graded": Graded(), "labels": label_loss})}
    assert Variant().of(tasks) == tasks
    assert Variant(labels=False).of(tasks)["qa"].objective.used == {"graded": Graded()}


def test_another_loss_under_the_name_of_the_contrastive_one_is_not_replaced():
    named = {"qa": task("qa", {"contrastive": OwnLoss(needs_positives=False, needs_rewards=True)})}
    assert Variant(labels=False).of(named) == named
    with pytest.raises(ConfigError, match=r"^objective\.losses\.contrastive: expected another name for this loss"):
        Variant().of(named)


def test_all_tasks_lose_their_instructions():
    changed = Variant(instructions=False).of(TASKS)
    assert [(one.query_instruction, one.key_instruction) for one in changed.values()] == [("", "")] * 2
    assert TASKS["qa"].query_instruction == "ask: "


def test_every_variant_differs_from_the_full_recipe_in_what_it_is_named_after():
    def run(name):
        return composed("train", "experiment=ablation", f"ablation={name}").run

    full = run("full")
    assert (full.variant.labels, full.variant.distillation, full.variant.instructions) == (True, "graded", True)
    assert full.train.reindex.every_n_steps is not None
    assert instantiate(full.variant) == Variant()
    assert run("kl").variant == {**full.variant, "distillation": "kl"}
    assert run("rewards_alone").variant == {**full.variant, "labels": False}
    assert run("no_instructions").variant == {**full.variant, "instructions": False}
    assert run("no_reindexing").variant == {**full.variant, "reindexing": False}
    assert run("no_self_pacing").train.callbacks.self_paced is None
    assert run("mixed_batches").train.data.mixed_batches
    assert run("likelihood").preparation.rewards.reward._target_.endswith(".LikelihoodReward")
    labels = run("labels_alone")
    assert labels.tasks.qa.objective.labels_only
    assert labels.preparation.rewards.reward._target_.endswith(".NoReward")


def test_validation_queries_are_scored_in_place_of_test_queries(tmp_path):
    folder, prepared = tmp_path / "tool" / "small", tmp_path / "prepared"
    folder.mkdir(parents=True)
    for name in ("corpus", "train", "test"):
        (folder / f"{name}.jsonl").write_text("{}\n")
    source = CorpusSource(str(tmp_path), str(tmp_path / "converted"))
    (found,) = ValidationAsTest(source, [PreparedDataset("tool", "small", prepared, folder / "corpus.jsonl")]).datasets(
        "tool"
    )
    assert (found.train, found.test) == (prepared / "train.queries.jsonl", prepared / "queries.jsonl")
    assert found.corpus == folder / "corpus.jsonl"


def test_of_several_processes_the_first_alone_evaluates(monkeypatch, tmp_path):
    done = []

    class Training:
        def run(self):
            done.append("trained")

    def evaluate(**_):
        raise AssertionError("another process evaluates too")

    monkeypatch.setenv("RANK", "1")
    unread = object.__new__(Preparation)
    run = TrialRun(Variant(), TASKS, unread, lambda **_: Training(), REINDEX, evaluate, str(tmp_path))
    assert run.run() is None
    assert done == ["trained"]


@pytest.mark.parametrize(("settings", "llm"), [({}, "f"), ({"rag_enabled": True}, "f"), ({"rag_enabled": False}, None)])
def test_scores_depend_on_the_llm_where_the_evaluation_asks_it(settings, llm):
    preparation = object.__new__(Preparation)
    object.__setattr__(preparation, "rewards", SimpleNamespace(language_model=SimpleNamespace(fingerprint="f")))
    tasks = {"tool": replace(TASKS["tool"], consumer=ToolChoice())}
    evaluate = partial(EvaluateRun, **settings)  # unset, it is as the class has it

    def train(tasks, reindex):
        return SimpleNamespace(made_of={"data": "d"})

    assert TrialRun(Variant(), tasks, preparation, train, REINDEX, evaluate, "").made_of == {"data": "d", "llm": llm}


def test_new_negatives_are_left_out_whatever_interval_the_command_line_gives():
    given = ["experiment=ablation", "ablation=no_reindexing", "callbacks.reindex.every_n_steps=7"]
    config = composed("train", *given).run
    assert config.reindex.every_n_steps == 7  # it has the last word in Hydra
    found = []

    def train(tasks, reindex):
        found.append(reindex)
        return SimpleNamespace(made_of={})

    for variant in (Variant(), instantiate(config.variant)):
        _ = TrialRun(variant, {}, object.__new__(Preparation), train, REINDEX, lambda **_: None, "").made_of
    assert [(one.is_on, one.candidates) for one in found] == [(True, REINDEX.candidates), (False, REINDEX.candidates)]
