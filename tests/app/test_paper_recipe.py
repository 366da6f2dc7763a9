"""The paper's recipe composes with the numbers of paper and released code, and runs with models and sizes of a test."""

import json

from hydra.utils import instantiate

from embedder.public import PublicSource
from tests.entry_points import composed, run_here

INSTRUCTIONS = {  # of the released TASK_CONFIG
    "qa": ("Represent this query for retrieving relevant documents: ", "Represent this document for retrieval: "),
    "convsearch": (
        "Encode this query and context for searching relevant passages: ",
        "Encode this passage for retrieval: ",
    ),
    "chat": (
        "Embed this dialogue to find useful historical dialogues: ",
        "Embed this historical dialogue for retrieval: ",
    ),
    "lrlm": (
        "Embed this text chunk for finding useful historical chunks: ",
        "Embed this historical text chunk for retrieval: ",
    ),
    "icl": (
        "Convert this example into vector to look for useful examples: ",
        "Convert this example into vector for retrieval: ",
    ),
    "tool": (
        "Transform this user request for fetching helpful tool descriptions: ",
        "Transform this tool description for retrieval: ",
    ),
}
TASKS = list(INSTRUCTIONS)


def test_the_numbers_are_those_of_the_paper_and_of_the_released_code():
    config = composed("train", "experiment=llm_embedder")
    tasks = config.run.tasks
    assert config.run.encoder.name == "BAAI/bge-base-en"
    assert config.run.encoder.lr == 5e-6  # its own folder says how BGE pools: CLS
    assert config.run.encoder.gradient_checkpointing
    assert config.run.preparation.rewards.language_model.name == "meta-llama/Llama-2-7b-chat-hf"
    assert config.run.preparation.rewards.outputs.n_outputs == 10
    assert config.run.preparation.rewards.reward["_target_"].endswith("RankReward")
    assert config.run.preparation.candidates.n == 200
    assert (config.run.data.batch_size, config.run.trainer.max_steps) == (800, 10_000)
    assert config.run.trainer.precision == "bf16-mixed"
    assert (config.run.optim.weight_decay, config.run.optim.warmup) == (0.01, 0.2)
    paced = instantiate(config.run.callbacks.self_paced)._pace
    assert paced.retake_steps == 1000
    assert paced == instantiate(composed("train", "callbacks=self_paced").run.callbacks.self_paced)._pace
    assert {name: (one.query_instruction, one.key_instruction) for name, one in tasks.items()} == INSTRUCTIONS
    rewards = {name: one.labelling.reward for name, one in tasks.items()}
    assert {name: one["_target_"].rpartition(".")[2] for name, one in rewards.items() if one} == {
        "icl": "SmoothRankReward",
        "chat": "LikelihoodReward",
        "lrlm": "LikelihoodReward",
    }
    for task in tasks.values():
        assert (task.query_max_length, task.key_max_length, task.objective.temperature) == (256, 256, 0.01)
        assert task.sampling.group_size == 8
    counted = {
        name: [key for key, loss in task.objective.losses.items() if loss.weight] for name, task in tasks.items()
    }
    assert counted == {
        "qa": ["graded"],
        "convsearch": ["contrastive"],
        "chat": ["kl"],
        "lrlm": ["kl"],
        "icl": ["graded"],
        "tool": ["contrastive"],
    }
    assert [tasks[name].objective.losses.kl.teacher_temperature for name in ("chat", "lrlm")] == [0.1, 0.1]
    assert (tasks.lrlm.labelling.max_train_queries, tasks.lrlm.labelling.min_reward_gap) == (10_000, 0.1)
    assert [name for name, task in tasks.items() if task.weight != 1] == ["tool"]
    assert tasks.tool.weight == 2


def test_its_training_sources_are_those_of_the_released_script():
    config = composed("train", "experiment=llm_embedder")
    source = instantiate(config.run.preparation.source, _convert_="all")
    assert isinstance(source, PublicSource)
    by_task: dict[str, list[str]] = {}
    for name, dataset in source.public.items():
        by_task.setdefault(dataset.task, []).append(name)
    assert by_task == {
        "qa": ["msmarco", "nq"],
        "convsearch": ["qrecc"],
        "chat": ["msc"],
        "lrlm": ["arxiv", "codeparrot"],  # Books3 is withdrawn
        "icl": ["icl"],
        "tool": ["toolbench"],
    }
    forms = {name: getattr(one.form, "questions", one.form) for name, one in source.public.items()}
    assert all(form.train for name, form in forms.items() if name != "icl")
    assert all(task.train for task in forms["icl"].tasks.values())


def test_a_mix_without_one_of_its_tasks_is_told(tmp_path):
    done = run_here("prepare.py", "experiment=llm_embedder", "task_mix=qa", "source=world", f"paths.root={tmp_path}")
    assert done.returncode == 2
    assert "task_mix: expected a mix with the task 'convsearch', since something is set of it" in done.stdout


def test_it_runs_small(tmp_path, bert_directory, llama_directory):
    done = run_here(
        "train.py",
        "experiment=llm_embedder",
        "source=world",
        f"paths.root={tmp_path}",
        f"hydra.run.dir={tmp_path}/train",
        f"encoder.name={bert_directory}",
        f"llm.name={llama_directory}",
        "llm.device=cpu",
        "llm.dtype=float32",
        "source.settings.passages=200",
        "source.settings.questions=24",
        "prepare.max_train_queries=4",
        "llm_outputs.n_outputs=2",
        "candidates.n=10",  # more than the 8 that a step draws
        "tasks.lrlm.labelling.min_reward_gap=1e-7",
        "trainer.accelerator=cpu",
        "trainer.max_steps=7",
        "data.batch_size=2",
        "logger=csv",
        "callbacks.plain.progress=null",
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said = json.loads((tmp_path / "train" / "export" / "embedder.json").read_text())
    assert list(said["tasks"]) == TASKS
    assert all(sides["query_max_length"] == sides["key_max_length"] == 256 for sides in said["tasks"].values())
    assert "qa: each query sees 15 negatives: 7 of its group, 8 in batch" in done.stdout
