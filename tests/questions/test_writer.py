"""Questions by an LLM, from the first draft to the file: what is kept, what is counted, what is asked again."""

import hashlib
import json
import logging
import signal
import subprocess
import sys

import pytest

from embedder.data.prompts import QuestionPrompt
from embedder.errors import DataError
from embedder.index.bm25_index import BM25Index
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.questions.checks import ELSEWHERE, NO_FORM
from embedder.questions.file import question_file
from embedder.questions.reader import Reader
from embedder.questions.settings import QuestionSettings
from embedder.questions.writer import ALIKE, DISAGREES, UNHELPED, VAGUE, QuestionWriter
from embedder.rewards.correct import CorrectReward
from embedder.rewards.reward import LikelihoodReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.types import OutputScore
from tests.entry_points import ROOT

PLACES = ("Oru", "Vell", "Tam", "Brack", "Kess", "Lunde", "Marsh", "Ness")


class Writer:
    """An LLM that writes what the passage's place says, and finds an answer likelier where the passage is shown."""

    fingerprint = "made-up"

    def __init__(self):
        self.asked = []

    @property
    def tokens_run(self):
        return len(self.asked)

    def sample(self, prompts, n, max_new_tokens, temperature, seeds):
        self.asked += [(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        return [[self._draft(prompt, number) for number in range(n)] for prompt in prompts]

    def _draft(self, prompt, number):
        place = prompt.rpartition("Passage: The mill at ")[2].partition(" ")[0]
        if place == "Vell":
            return "no question here"
        if place == "Tam":
            return "Who built the mill at Tam? Answer: somebody else"
        if place in ("Kess", "Lunde"):
            return "Who was the builder of that old mill? Answer: Ada"
        asks = "Who built the mill at" if number == 0 or place == "Marsh" else "Who paid for the mill at"
        return f"{asks} {place}? Answer: Ada"

    def answer(self, prompts, outputs, max_new_tokens):
        return ["nobody" if "Ness" in prompt else "Ada" for prompt in prompts], self.score(prompts, outputs)

    def score(self, prompts, outputs):
        self.asked += prompts
        helped = [prompt.rpartition("\n\n")[0].rpartition("\n\n")[2].startswith("Knowledge") for prompt in prompts]
        likely = [shown and "Brack" not in prompt for shown, prompt in zip(helped, prompts, strict=True)]
        sums = [-1.0 if is_likely else -3.0 for is_likely in likely]
        return [[OutputScore(value, 1) for _ in own] for value, own in zip(sums, outputs, strict=True)]


class ChatWriter(Writer):
    """The same behind an API that gives no log-likelihoods: it answers rightly where the passage is shown."""

    writes_only = True

    def generate(self, prompts, max_new_tokens, stop=("\n",)):
        shown = [prompt.rpartition("\n\n")[0].rpartition("\n\n")[2].startswith("Knowledge") for prompt in prompts]
        return ["Ada" if s or "Brack" in own else "nobody" for s, own in zip(shown, prompts, strict=True)]

    def answer(self, prompts, outputs, max_new_tokens):
        raise AssertionError

    score = answer


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    rows = [{"id": place, "text": f"The mill at {place} was built by Ada."} for place in PLACES]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def writer(tmp_path, llm=None, reward=None, **changed):
    llm = llm or Writer()
    own = {"n": 12, "drafts": 2, "least": 1, "shortest": 3, "found_within": 4} | changed
    settings = QuestionSettings(reward or LikelihoodReward(), **own)
    cached = CachedLanguageModel(llm, tmp_path / "store")
    reader = Reader(cached, QuestionPrompt(), settings.reward, OutputSettings())
    return llm, QuestionWriter(cached, settings, reader, BM25Index())


def test_what_is_kept_and_why_the_rest_is_not(tmp_path, corpus, caplog):
    _, asked = writer(tmp_path)
    with caplog.at_level(logging.INFO):
        path = question_file(asked, corpus, tmp_path / "questions")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    # Two drafts of each of 8 passages. Vell's have no form; Tam's answer is elsewhere; Brack's passage does not help;
    # Ness is answered otherwise; Marsh is asked the same twice. Kess and Lunde ask of `that old mill`, which all
    # texts have, and equal ones rank in their order, so others come first. Oru has two different questions.
    assert sorted(row["pos"][0] for row in rows) == ["Marsh", "Oru", "Oru"]
    assert {row["reward"] for row in rows} == {2.0}
    assert all(row["answers"] == ["Ada"] and len(row["draft"]) == 32 for row in rows)
    counts = json.loads(path.with_name("counts.json").read_text())
    assert {name: n for name, n in counts.items() if n} == {
        "kept": 3, "drafts": 16, NO_FORM: 2, ELSEWHERE: 2, VAGUE: 4, DISAGREES: 2, UNHELPED: 2, ALIKE: 1
    }  # fmt: skip
    assert f"after 8 of 8 passages (drafts: 16, {NO_FORM}: 2, {ELSEWHERE}: 2, {VAGUE}: 4, " in caplog.text  # as it goes


def test_behind_a_chat_api_a_passage_is_judged_by_the_answers_with_it_and_without(tmp_path, corpus):
    _, asked = writer(tmp_path, ChatWriter(), CorrectReward("f1"))
    rows = [json.loads(line) for line in question_file(asked, corpus, tmp_path / "questions").read_text().splitlines()]
    # As above, but Ness is answered rightly; Brack is answered without its passage too, which therefore does not help.
    assert sorted(row["pos"][0] for row in rows) == ["Marsh", "Ness", "Ness", "Oru", "Oru"]
    assert {row["reward"] for row in rows} == {1.0}
    assert asked.counts[UNHELPED] == 2


def test_without_a_word_search_vague_questions_are_kept_once(tmp_path, corpus):
    _, asked = writer(tmp_path, found_within=None)
    question_file(asked, corpus, tmp_path)
    assert (asked.counts[VAGUE], asked.counts[ALIKE]) == (0, 1 + 3)


def test_the_same_seed_gives_the_same_bytes_and_nothing_is_asked_twice(tmp_path, corpus):
    llm, first = writer(tmp_path)
    path = question_file(first, corpus, tmp_path / "a")
    assert llm.asked
    silent, again = writer(tmp_path)
    assert question_file(again, corpus, tmp_path / "b").read_bytes() == path.read_bytes()
    assert silent.asked == []
    _, other = writer(tmp_path / "other", seed=1)
    assert question_file(other, corpus, tmp_path / "c").read_bytes() != path.read_bytes()  # other passages come first


def test_a_damaged_file_is_written_again_and_other_settings_have_a_file_of_their_own(tmp_path, corpus, caplog):
    _, first = writer(tmp_path)
    path = question_file(first, corpus, tmp_path)
    whole = path.read_bytes()
    path.write_text("half of it\n")
    _, again = writer(tmp_path)
    assert question_file(again, corpus, tmp_path) == path
    assert path.read_bytes() == whole
    assert "are others than those of" not in caplog.text
    _, fewer = writer(tmp_path, n=2)
    other = question_file(fewer, corpus, tmp_path)
    assert other != path
    assert f"changed since {path} was written: the LLM is asked for questions again" in caplog.text
    assert len(other.read_text().splitlines()) == 2


def test_too_few_are_an_error_with_the_counts_and_no_file(tmp_path, corpus):
    _, few = writer(tmp_path, least=8)
    with pytest.raises(DataError, match=r"3 questions are left .* 8 are needed \(drafts: 16, .*source.questions="):
        question_file(few, corpus, tmp_path / "a")
    assert not list((tmp_path / "a").glob("questions*"))


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.questions.test_writer import Writer, writer
from embedder.questions.file import question_file
place = Path(sys.argv[1])
llm, asked = writer(place)
score = llm.score
def killed(prompts, outputs):
    os.kill(os.getpid(), signal.SIGKILL)
llm.score = killed
question_file(asked, place / "corpus.jsonl", place)
"""


def test_killed_between_drafts_and_rewards_it_asks_for_no_draft_again(tmp_path, corpus):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not list(tmp_path.glob("questions*"))
    llm, again = writer(tmp_path)
    path = question_file(again, corpus, tmp_path)
    assert not [asked for asked in llm.asked if isinstance(asked, tuple)]
    _, whole = writer(tmp_path / "elsewhere")
    expected = question_file(whole, corpus, tmp_path / "whole")
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(expected.read_bytes()).digest()
