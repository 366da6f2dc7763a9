"""From documents to a verdict with real, tiny models, killed on the way."""

import json
import signal
from pathlib import Path

import pytest

from embedder.data.prompts import QuestionPrompt
from embedder.documents.source import FolderSource
from embedder.encoders.checkpoint import load_trained
from embedder.index.bm25_index import BM25Index
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.questions.reader import Reader
from embedder.questions.settings import QuestionSettings
from embedder.questions.writer import QuestionWriter
from embedder.rewards.reward import LikelihoodReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.types import OutputScore
from tests.entry_points import run, run_here
from tests.signalled import run_signalled

PLACES = [f"{start}{end}" for start in ("Oru", "Vel", "Tam") for end in ("by", "dal", "ness", "wick")]


class Written:
    """Stands for what the tiny LLM cannot do: it writes questions, answers them, and finds the answers likely."""

    tokens_run = 0

    def __init__(self, fingerprint):
        self.fingerprint = fingerprint

    def sample(self, prompts, n, max_new_tokens, temperature, seeds):
        places = [prompt.rpartition("The mill at ")[2].split()[0] for prompt in prompts]
        asks = ("Who built", "Who owned")
        return [[f"{ask} the mill at {place}? Answer: Ada {place}" for ask in asks] for place in places]

    def answer(self, prompts, outputs, max_new_tokens):
        return [own[0].strip() for own in outputs], self.score(prompts, outputs)

    def score(self, prompts, outputs):
        shown = ["Knowledge" in prompt.rpartition("\n\nQ:")[0].rpartition("\n\n")[2] for prompt in prompts]
        each = zip(shown, outputs, strict=True)
        return [[OutputScore(-1.0 if is_shown else -4.0, 1) for _ in own] for is_shown, own in each]


@pytest.fixture
def command(tmp_path, bert_directory, llama_directory):
    docs = tmp_path / "docs"
    docs.mkdir()
    for place in PLACES:
        text = f"The mill at {place} was built by Ada {place} and stood by the river until the flood took half of it."
        (docs / f"{place}.md").write_text(f"# {place}\n\n{text}\n")
    return [
        *("experiment=tune", f"paths.root={tmp_path}", f"hydra.run.dir={tmp_path}/run", "logger=csv"),
        *("source=folder", f"source.path={docs}", "questions.drafts=2", "questions.shortest=5"),
        *(f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu", "trainer.accelerator=cpu"),
        *(
            "candidates.n=3",
            "data.batch_size=4",
            "callbacks.plain.progress=null",
            "callbacks.plain.last.every_n_steps=1",
        ),
        *("steps.epochs=1", "steps.least=4", "steps.validations=2", "tasks.qa.consumer.max_new_tokens=4"),
    ]


@pytest.fixture
def questions(command, tmp_path, llama_directory):
    """The store has what the LLM would say about the documents, as if it were a better one."""
    (dataset,) = FolderSource(str(tmp_path / "docs"), str(tmp_path / "data" / "converted")).datasets("qa")
    better = Written(HuggingFaceLanguageModel(str(llama_directory), device="cpu").fingerprint)
    language_model, reward = CachedLanguageModel(better, tmp_path / "data" / "store"), LikelihoodReward()
    reader = Reader(language_model, QuestionPrompt(), reward, OutputSettings())
    settings = QuestionSettings(reward, drafts=2, shortest=5)
    return QuestionWriter(language_model, settings, reader, BM25Index()).write(dataset.file("corpus"))


def verdict_of(run):
    return json.loads((run / "verdict.json").read_text())


def test_killed_in_two_stages_and_started_from_its_configuration_it_comes_to_its_verdict(command, questions, tmp_path):
    folder = tmp_path / "run"
    killed = [
        ("embedder.questions.near:DistinctQuestions.add", 5),
        ("embedder.training.module:RetrieverModule.training_step", 3),
    ]
    for place, calls in killed:
        done = run_signalled(place, calls, signal.SIGKILL, "train.py", *command)
        assert done.returncode == -signal.SIGKILL, done.stdout[-3000:] + done.stderr[-2000:]
        assert not (folder / "verdict.json").exists()
    config = ["--config-path", str(folder / ".hydra"), "--config-name", "config", f"hydra.run.dir={folder}"]
    done = run("train.py", *config)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "the questions were written before" in done.stdout
    assert "already prepared" in done.stdout
    assert "resuming from" in done.stdout
    (written,) = folder.glob("questions-*/questions.jsonl")
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    assert [row["question"] for row in rows] == [question.draft.question for question in questions]
    assert {Path(row["file"]).stem for row in rows} == set(PLACES)
    verdict = verdict_of(folder)
    assert verdict["retrieval"]["queries"] == verdict["answers"]["queries"] == round(0.3 * len(rows))
    assert verdict["cost"]["asked"]["read"] > 0
    page = (folder / "verdict.md").read_text()
    assert not verdict["untrained"]
    assert page.startswith("# Verdict\n\nYour LLM answers ")
    assert (folder / "evaluation" / "report.html").is_file()
    kept, tuned = load_trained(folder / "export"), load_trained(folder / "export-tuned")
    assert kept.tasks == tuned.tasks  # one task alone is read as the base encoder reads it
    assert tuned.tasks["qa"].query_instruction == ""
    again = run_here("train.py", *command, "dry_run=true").stdout
    assert "labels     already there" in again
    assert "resumes from" in again
    assert "tokens/s as last measured" in again


@pytest.mark.parametrize(
    ("rewards", "setting"),
    [
        (["reward=likelihood", "reward@questions.reward=f1"], "reward"),
        (["reward=f1", "llm.top_logprobs=0"], "questions.reward"),
        (["llm.top_logprobs=20", "dry_run=true"], None),
    ],
)
def test_a_reward_that_a_chat_api_cannot_give_is_refused_before_it_is_asked(command, rewards, setting):
    settings = [one for one in command if not one.startswith(("llm.device", "llm.name"))]
    done = run_here("train.py", *settings, "llm=chat", "llm.name=x", "llm.url=http://127.0.0.1:9/v1", *rewards)
    if setting is None:
        assert done.returncode == 0, done.stdout
        return
    assert done.returncode == 2
    message = done.stdout.splitlines()[-1]
    assert f"{setting}: expected correct, f1, contains, judged or listwise, or llm.top_logprobs=20 where" in message
    assert "127.0.0.1" not in message  # the server is not asked


def test_a_dry_run_says_what_a_run_does_and_asks_the_llm_for_nothing(command, tmp_path, monkeypatch):
    for method in ("score", "generate", "answer", "sample"):
        monkeypatch.setattr(HuggingFaceLanguageModel, method, None)
    done = run_here("train.py", *command, "dry_run=true", "price.input=2", "price.output=8")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    said = {line.split()[0]: line for line in done.stdout.partition("a dry run")[2].splitlines() if line.split()}
    # 12 passages, so 24 questions: 7 of them held out, 17 to train with, in 17 / 4 = 4.25 steps of one pass.
    assert "12 passages of 12 files, of about 22 words" in said["documents"]
    assert "24 wanted: 2 drafts about each of up to 12 passages" in said["questions"]
    assert "17 questions with 3 candidates each: 68 prompts, each with 1 output to score" in said["labels"]
    assert "4 steps of 4 questions, without the LLM; begins at the first step" in said["training"]
    assert "7 held-out questions with each of none, bm25, base, trained" in said["answers"]
    assert "by its tokenizer" in said["LLM"]
    assert "not known before a tuning with this LLM has ended" in said["time"]
    numbers = [int(word.replace(",", "")) for word in said["LLM"].split() if word[0].isdigit()]
    assert f"{(2 * numbers[0] + 8 * numbers[1]) / 1e6:,.2f} USD" in said["money"]
    assert not (tmp_path / "data" / "store").exists()
    assert not list((tmp_path / "run").glob("questions-*"))


def test_a_dry_run_counts_what_a_chat_server_writes_to_score(command):
    """12 passages with 2 drafts each, of which 0.3 x 24 are read again; 17 questions with 1 + 3 prompts each."""
    settings = [one for one in command if not one.startswith(("llm.device", "llm.name"))]
    chat = ("llm=chat", "llm.name=x", "llm.url=http://127.0.0.1:9/v1", "dry_run=true")
    found = {}
    for n, rewards in ((20, ()), (0, ("reward=f1", "reward@questions.reward=f1"))):
        done = run_here("train.py", *settings, *chat, f"llm.top_logprobs={n}", *rewards)
        assert done.returncode == 0, done.stdout
        lines = {line.split()[0]: line for line in done.stdout.partition("a dry run")[2].splitlines() if line.split()}
        for stage in ("questions", "labels"):
            tokens = lines[stage].rpartition("about ")[2].replace(",", "").split()
            found[n, stage] = int(tokens[0]), int(tokens[4])
    # 25 tokens a draft; an answer has 6, what is scored 16: without the passage and with it.
    assert found[20, "questions"][1] == round(24 * 25 + 7.2 * (6 + 16 + 16))
    assert found[0, "questions"][1] == round(24 * 25 + 7.2 * (6 + 6))
    assert (found[20, "labels"][1], found[0, "labels"][1]) == (17 * 4 * 16, 17 * 4 * 6)
    # The prompt with the passage is read once more; labels read as many prompts without a passage as with each of 3.
    assert found[20, "questions"][0] > found[0, "questions"][0] + 7.2 * found[0, "labels"][0] / (17 * 4)
    assert found[20, "labels"][0] == found[0, "labels"][0]


QUESTIONS = [
    {"question": f"{ask} the mill at {place}?", "answers": [f"Ada {place}"]}
    for place in PLACES
    for ask in ("Who built", "Who owned")
]


def test_what_changed_since_training_began_is_refused_before_the_llm_is_asked(command, tmp_path, monkeypatch):
    """Stopped in training: a setting, the documents or the questions change."""
    questions, folder = tmp_path / "questions.jsonl", tmp_path / "run"
    questions.write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    command = [*command, f"source.questions={questions}"]
    place = "embedder.training.module:RetrieverModule.training_step"
    stopped = run_signalled(place, 3, signal.SIGKILL, "train.py", *command)
    assert stopped.returncode == -signal.SIGKILL, stopped.stdout[-3000:] + stopped.stderr[-2000:]
    for method in ("score", "generate", "answer", "sample"):
        monkeypatch.setattr(HuggingFaceLanguageModel, method, None)

    def refused(*more):
        done = run_here("train.py", *command, *more)
        assert done.returncode == 2, done.stdout[-3000:] + done.stderr[-2000:]
        return done.stdout.splitlines()[-1]

    assert "this run has trained with other data: source.test_share was 0.3 and is 0.5; put it" in refused(
        "source.test_share=0.5"
    )
    assert "other settings of qa/docs (validation)" in refused("prepare.validation.share=0.3", "dry_run=true")
    assert "was trained with other training (encoder, optim)" in refused("encoder.lr=1e-3")
    document = tmp_path / "docs" / f"{PLACES[0]}.md"
    before = document.read_text()
    document.write_text(before + "\nIt was sold in 1820.\n")
    assert "the documents or the corpus of qa/docs (source.path, source.cutting) changed" in refused()
    document.write_text(before)
    questions.write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS[1:]))
    assert "the training queries of qa/docs (source.questions or train.jsonl) changed" in refused()
    assert not (folder / "verdict.json").exists()


@pytest.mark.slow
def test_two_processes_come_to_one_verdict_from_questions_without_passages(command, tmp_path):
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    own = [f"source.questions={tmp_path}/questions.jsonl", "trainer.strategy=ddp", "trainer.devices=2"]
    done = run("train.py", *command, *own, "engine.processes=2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert done.stdout.count("engine: a tuning asks the LLM in one process") == 1
    verdict = verdict_of(tmp_path / "run")
    assert verdict["answers"]["queries"] == 7  # 0.3 of 24
    assert verdict["retrieval"]["metric"] == "answer_recall@10"  # no passage is marked as right
    stages = [stage["name"] for stage in json.loads((tmp_path / "run" / "costs.json").read_text())]
    assert stages == ["opening", "questions", "labels", "training", "answers"]


def test_processes_that_others_start_are_refused(command, monkeypatch):
    monkeypatch.setenv("RANK", "0"), monkeypatch.setenv("WORLD_SIZE", "2")
    done = run_here("train.py", *command)
    assert done.returncode == 2
    assert (
        "experiment=tune: expected one process; with trainer.strategy=ddp trainer.devices=N it starts the others"
        in done.stdout
    )
