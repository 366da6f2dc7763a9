import math

import pytest

from embedder.consumers.agent import Agent
from embedder.consumers.consumer import Outcome, Scene
from embedder.consumers.paired import against_alone, measured
from embedder.consumers.rag import RagEvaluation, RagSettings, answerable, no_keys
from embedder.consumers.single_shot import SingleShot
from embedder.data.examples import Examples
from embedder.data.prompts import QuestionPrompt
from embedder.results.measures import mean_of
from embedder.results.needed import questions_text
from embedder.results.row import Row
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.types import Query
from tests.consumers.scripted import Keys, ScriptedLanguageModel, ranking

CORPUS = Keys(good="It is Harrow", bad="It is Rome")
QUERIES = [Query("known", "Where?", ("Harrow",)), Query("unknown", "Whence?", ("Harrow", "Hill"))]


def write(prompt):
    if "Rome" in prompt:
        return "Rome"
    return "Harrow" if "Harrow" in prompt or "Where?" in prompt else "no idea"


def score(prompt, output):
    # The gold answer is likelier with a passage that has it; three of the sampled outputs lie between.
    if output.strip() in ("Harrow", "Hill"):
        return -1.0 if "It is Harrow" in prompt else -4.0 - (output == " Hill")
    return -2.0 if output in (" wrong 0", " wrong 1", " wrong 2") else -9.0


def test_paired_measures_by_hand():
    model = ScriptedLanguageModel(write, score)
    rag = RagEvaluation(
        SingleShot(),
        QUERIES,
        Scene(CORPUS, no_keys, model, QuestionPrompt(Examples(n=0))),
        OutputSettings(n_outputs=10),
    )
    good = rag.score([ranking("good"), ranking("good")], no_keys)
    assert good.per_query["em"] == {"known": 1.0, "unknown": 1.0}
    assert good.per_query["log_likelihood"] == {"known": -1.0, "unknown": -1.0}
    assert good.per_query["gain"] == {"known": 3.0, "unknown": 3.0}
    assert good.per_query["rank"] == {"known": 1.0, "unknown": 1.0}
    assert good.per_query["harm"] == {"known": 0.0, "unknown": 0.0}
    bad = rag.score([ranking("bad"), ranking("bad")], no_keys)
    assert bad.per_query["gain"] == {"known": 0.0, "unknown": 0.0}
    assert bad.per_query["rank"] == {"known": 4.0, "unknown": 4.0}  # behind three sampled outputs
    assert bad.per_query["harm"] == {"known": 1.0, "unknown": 0.0}  # alone it knows the one and not the other
    assert mean_of("harm", bad.per_query["harm"].values()) == 0.5
    assert bad.outcomes["known"].output == "Rome"


def test_the_llm_alone_answers_in_one_go_whatever_searches():
    # An agent whose searches find nothing writes no answer; the LLM alone knows one of the two.
    model = ScriptedLanguageModel(lambda prompt: "<search>x</search>" if "<answer>" in prompt else write(prompt), score)
    scene = Scene(CORPUS, no_keys, model, QuestionPrompt(Examples(n=0)))
    rag = RagEvaluation(Agent(max_searches=1), QUERIES, scene, None)
    alone = rag.alone()
    assert alone.per_query["em"] == {"known": 1.0, "unknown": 0.0}
    assert set(alone.per_query["gain"].values()) == {0.0}
    searching = rag.score([ranking(), ranking()], no_keys)
    assert searching.per_query["em"] == {"known": 0.0, "unknown": 0.0}
    assert searching.per_query["harm"] == {"known": 1.0, "unknown": 0.0}


def test_options_bring_their_own_competitors_and_reading_has_none():
    model = ScriptedLanguageModel(score_of=lambda prompt, output: -float(output))
    choice = Outcome(ranking(), "p", ("2", "3"), "1", {"accuracy": 0.0}, ("1", "4"))
    reading = Outcome(ranking(), "p", ("5",), None, {"perplexity": 7.0}, ())
    assert measured([choice, reading], [("0",), ("0",)], model) == [
        {"accuracy": 0.0, "log_likelihood": -2.0, "rank": 2.0},
        {"perplexity": 7.0, "log_likelihood": -5.0},
    ]


def test_harm_needs_a_right_and_a_wrong():
    right, wrong = {"accuracy": 1.0, "log_likelihood": -1.0}, {"accuracy": 0.0, "log_likelihood": -3.0}
    assert against_alone(wrong, right) == {"gain": -2.0, "harm": 1.0, "mended": 0.0}
    assert against_alone(right, wrong) == {"gain": 2.0, "harm": 0.0, "mended": 1.0}
    assert against_alone({"perplexity": 2.0, "log_likelihood": -1.0}, {"log_likelihood": -2.0}) == {"gain": 1.0}


def test_perplexities_average_in_nats():
    assert mean_of("perplexity", [2.0, 8.0]) == pytest.approx(4.0)
    assert mean_of("em", [0.0, 1.0]) == 0.5
    assert mean_of("perplexity", [math.exp(3), math.exp(1)]) == pytest.approx(math.exp(2))


def test_the_same_queries_are_answered_in_any_order():
    queries = answerable([Query(f"q{i}", "?", ("a",) if i % 2 else (" ",)) for i in range(20)], SingleShot())
    chosen = RagSettings(max_answered=4).choose(queries)
    assert chosen == RagSettings(max_answered=4).choose(queries[::-1])
    assert len(chosen) == 4
    assert len(RagSettings().choose(queries)) == 10  # those with an answer


def test_the_sentence_below_the_table_by_hand():
    def row(retriever, right):
        values = {str(i): float(i in right) for i in range(10)}
        return Row("qa", "d", retriever, {"em": values}, {})

    rows = [row("none", []), row("BM25", [0, 1, 2]), row("base", [2, 3]), row("oracle", range(10))]
    # 2 + 1 of 10: p = 0.3, d = 0.1, 234 questions (tests/metrics/test_of_answers.py).
    assert questions_text(rows) == (
        "qa/d, em: best are BM25 (0.300) and base (0.200); they differ on 2 + 1 of 10 questions, and a difference of "
        "this size takes 234 questions to find (power 0.8, alpha 0.05)."
    )
    assert "as many of 10 questions go each way (1)." in questions_text([row("a", [1]), row("b", [2])])
    assert questions_text([Row("tool", "d", "a", {"ndcg@10": {"q": 1.0}}, {})]) == ""
