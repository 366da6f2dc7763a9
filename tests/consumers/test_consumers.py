import math

import pytest

from embedder.consumers.agent import Agent
from embedder.consumers.by_options import ByOptions
from embedder.consumers.consumer import Scene, shows_first_keys
from embedder.consumers.iterative import Iterative
from embedder.consumers.option_likelihood import OptionLikelihood
from embedder.consumers.rag import RagEvaluation, answerable, no_keys
from embedder.consumers.reading import Perplexity
from embedder.consumers.single_shot import SingleShot
from embedder.consumers.tool_choice import ToolChoice
from embedder.data.examples import Examples
from embedder.data.prompts import ContinuationPrompt, ExamplePrompt, QuestionPrompt
from embedder.errors import ConfigError, DataError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.results.measures import averaged
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.types import Query
from tests.consumers.scripted import Keys, ScriptedLanguageModel, ranking, scene, searching

CORPUS = Keys(oru="Oru has a lighthouse by Tolvik", tolvik="Tolvik was born in Harrow", rome="Rome is old")
BORN = Query("q", "Where was the designer of the lighthouse of oru born?", ("Harrow",), ("tolvik",))
BARE = QuestionPrompt(Examples(n=0))


def test_single_shot_shows_the_best_keys_and_scores_the_line():
    model = ScriptedLanguageModel(lambda prompt: "in Harrow")
    (outcome,) = SingleShot(top_k=2).consume([BORN], [ranking("tolvik", "oru", "rome")], scene(CORPUS, model, BARE))
    assert outcome.prompt == (
        "Knowledge:\nTolvik was born in Harrow\nOru has a lighthouse by Tolvik\n\n"
        "Q: Where was the designer of the lighthouse of oru born?\nA:"
    )
    assert outcome.keys.key_ids == ("tolvik", "oru")
    assert outcome.gold == (" Harrow",)
    # 1 common word of 2 and 1: f1 = 2 / 3, and so is ROUGE-L.
    expected = {"em": 0, "f1": 2 / 3, "contains": 1, "popqa_accuracy": 1, "rouge_l": 2 / 3}
    assert outcome.scores == pytest.approx(expected)
    assert model.settings == [(16, ("\n",))]


@pytest.mark.parametrize("style", ["thoughts", "follow_ups"])
def test_rounds_search_with_what_was_written_and_answer_with_all_keys(style):
    answered = ["Maren"] * (style == "follow_ups")
    lines = iter(["The designer is tolvik", *answered, "So the answer is Harrow.", "Harrow"])
    model, searched = ScriptedLanguageModel(lambda prompt: next(lines)), []
    (outcome,) = Iterative(style).consume([BORN], [ranking("oru")], scene(CORPUS, model, BARE, searched))
    assert searched == [("q/1", "The designer is tolvik")]
    assert outcome.keys.key_ids == ("oru", "tolvik")
    assert outcome.steps == ("The designer is tolvik", "So the answer is Harrow.")
    assert outcome.prompt == BARE.render(BORN.text, [CORPUS[0].text, CORPUS[1].text])
    assert outcome.scores["em"] == 1.0
    if style == "follow_ups":
        assert model.prompts[1].endswith("Follow up: The designer is tolvik\nIntermediate answer:")
        assert model.prompts[2].endswith("Intermediate answer: Maren\nFollow up:")
    else:
        assert model.prompts[1].endswith("Thought: The designer is tolvik\nThought:")
    assert "Knowledge:\nTolvik was born in Harrow\nOru has" in model.prompts[1 + (style == "follow_ups")]


@pytest.mark.parametrize(("lines", "n_searches"), [([""], 0), (["oru"] * 2, 1), (["a", "b", "c", "d"], 3)])
def test_rounds_end_with_an_empty_or_repeated_line_or_after_the_last(lines, n_searches):
    remaining, searched = iter(lines), []
    model = ScriptedLanguageModel(lambda prompt: "x" if prompt.endswith("A:") else next(remaining))
    (outcome,) = Iterative(rounds=3).consume([BORN], [ranking("oru")], scene(CORPUS, model, BARE, searched))
    assert len(searched) == n_searches
    assert outcome.output == "x"


def test_an_agent_searches_reads_and_answers():
    first = "<think> who </think>\n<search> oru </search>"
    turns = iter([first, "<search>tolvik</search>", "so <answer> Harrow </answer>"])
    model, searched = ScriptedLanguageModel(lambda prompt: next(turns)), []
    (outcome,) = Agent().consume([BORN], [ranking("rome")], scene(CORPUS, model, BARE, searched))
    assert searched == [("q/1", "oru"), ("q/2", "tolvik")]
    assert outcome.steps == ("oru", "tolvik")
    assert outcome.keys.key_ids == ("oru", "tolvik")
    assert (outcome.output, outcome.scores["em"]) == ("Harrow", 1.0)
    assert outcome.prompt == (
        f"{model.prompts[0]}<think> who </think>\n<search> oru </search>\n\n"
        "<information>Doc 1: Oru has a lighthouse by Tolvik</information>\n\n"
        "<search>tolvik</search>\n\n<information>Doc 1: Tolvik was born in Harrow</information>\n\nso <answer>"
    )
    assert model.settings == [(512, ("</search>", "</answer>"))] * 3
    assert model.prompts[0].endswith(f"</answer>\n\nQuestion: {BORN.text}\n")


def test_an_agent_gets_the_published_prompt_without_the_example():
    model = ScriptedLanguageModel(lambda prompt: "<answer>Harrow</answer>")
    (outcome,) = Agent(example=False).consume([BORN], [ranking()], scene(CORPUS, model, BARE))
    assert model.prompts[0].endswith(f"For example, <answer> Beijing </answer>. Question: {BORN.text}\n")
    assert outcome.output == "Harrow"


@pytest.mark.parametrize(
    "turn",
    [
        "Harrow",  # the end of the text, or of the tokens
        "<answer> Harrow",  # not finished
        "Harrow </answer>",  # never opened: the tags of the instruction do not count
        "<answer> </answer>",
        "<search></search>",
        "oru </search>",
        "<search> oru",
        "<answer> Harrow </search>",
    ],
)
def test_an_unfinished_answer_is_wrong(turn):
    model, searched = ScriptedLanguageModel(lambda prompt: turn), []
    (outcome,) = Agent().consume([BORN], [ranking("oru")], scene(CORPUS, model, BARE, searched))
    assert not searched
    assert outcome.output == ""
    assert set(outcome.scores.values()) == {0.0}
    assert outcome.prompt == f"{model.prompts[0]}<answer>"


def test_an_agent_that_never_stops_searching_is_stopped():
    model, searched = ScriptedLanguageModel(lambda prompt: "<search>oru</search>"), []
    (outcome,) = Agent(max_searches=2).consume([BORN], [ranking()], scene(CORPUS, model, BARE, searched))
    assert len(searched) == 2
    assert len(model.prompts) == 3
    assert (outcome.output, outcome.scores["em"]) == ("", 0.0)


def test_a_transcript_longer_than_the_llm_reads_is_unfinished():
    turns = iter(["<search>oru</search>", "<search>tolvik</search>", "<answer>Harrow</answer>"])
    probe = ScriptedLanguageModel(lambda prompt: next(turns))
    Agent(max_new_tokens=4).consume([BORN], [ranking()], scene(CORPUS, probe, BARE))
    first, second, third = probe.prompts
    model = ScriptedLanguageModel(lambda prompt: "<search>oru</search>", max_words=len(third.split()) + 3)
    (outcome,) = Agent(max_new_tokens=4).consume([BORN], [ranking()], scene(CORPUS, model, BARE))
    assert model.prompts == [first, second]
    assert (outcome.output, outcome.scores["em"]) == ("", 0.0)
    assert outcome.prompt == f"{second}<answer>"  # what the gold answer is scored behind is short enough


def test_options_are_chosen_by_their_mean_likelihood():
    query = Query("q", "Is it old?", ("yes",), options=("No", "Yes", "Maybe"))
    model = ScriptedLanguageModel(score_of=lambda prompt, output: {"No": -2.0, "Yes": -0.5, "Maybe": -1.0}[output])
    (outcome,) = OptionLikelihood().consume([query], [ranking("rome")], scene(CORPUS, model, ExamplePrompt()))
    assert outcome.prompt == "Rome is old\n\nIs it old?\n"
    assert (outcome.output, outcome.scores) == ("Yes", {"accuracy": 1.0})
    assert (outcome.gold, outcome.competitors) == (("Yes",), ("No", "Maybe"))


def test_letters_are_scored_after_the_listed_options():
    query = Query("q", "Is it old?", ("yes",), options=("No", "Yes", "Maybe"))
    model = ScriptedLanguageModel(score_of=lambda prompt, output: {" A": -0.1, " B": -0.5, " C": -1.0}[output])
    (outcome,) = OptionLikelihood(letters=True).consume([query], [ranking("rome")], scene(CORPUS, model, BARE))
    assert outcome.prompt == "Knowledge:\nRome is old\n\nIs it old?\nA. No\nB. Yes\nC. Maybe\nAnswer:"
    assert (outcome.output, outcome.scores) == ("No", {"accuracy": 0.0})
    assert (outcome.gold, outcome.competitors) == ((" B",), (" A", " C"))


@pytest.mark.parametrize(("options", "message"), [((), "1 to 26 options"), (("No",), "none of its answers")])
def test_options_without_the_answer_are_an_error(options, message):
    with pytest.raises(DataError, match=message):
        OptionLikelihood().consume(
            [Query("q", "?", ("yes",), options=options)], [ranking()], scene(CORPUS, ScriptedLanguageModel(), BARE)
        )


def test_an_option_that_comes_twice_is_one_competitor():
    query = Query("q", "?", ("A",), options=("x", "x", "A", "y"))
    (outcome,) = OptionLikelihood().consume(
        [query], [ranking()], scene(CORPUS, ScriptedLanguageModel(), ExamplePrompt())
    )
    assert outcome.competitors == ("x", "y")


def test_nothing_written_is_wrong_even_where_a_gold_answer_is_an_article():
    outcomes = [
        kind.consume([Query("q", "?", ("The A",))], [ranking()], scene(CORPUS, ScriptedLanguageModel(), BARE))[0]
        for kind in (SingleShot(), Agent())
    ]
    assert [set(outcome.scores.values()) for outcome in outcomes] == [{0.0}] * 2


def test_a_perplexity_that_no_float_holds_is_cut():
    model = ScriptedLanguageModel(score_of=lambda prompt, output: -9999.0)
    (outcome,) = Perplexity().consume([BORN], [ranking()], scene(CORPUS, model, BARE))
    assert outcome.scores == {"perplexity": math.exp(700)}
    assert averaged("perplexity", math.exp(700)) == pytest.approx(700)


def test_a_query_goes_to_the_consumer_that_suits_it():
    queries = [Query("open", "?", ("x",)), Query("choice", "?", ("b",), options=("a", "b")), Query("too", "?", ("x",))]
    both = ByOptions(OptionLikelihood(top_k=8), SingleShot(top_k=2, finds_answers=False))
    outcomes = both.consume(queries, [ranking("rome")] * 3, scene(CORPUS, ScriptedLanguageModel(lambda p: "x"), BARE))
    assert [outcome.output for outcome in outcomes] == ["x", "a", "x"]
    assert ["em" in outcome.scores for outcome in outcomes] == [True, False, True]
    assert (both.top_k, both.finds_answers) == (8, False)


def test_which_consumers_do_the_same_for_the_same_first_keys():
    same = [SingleShot(), Perplexity(), ByOptions(OptionLikelihood(), SingleShot())]
    others = [Agent(), Iterative(), Perplexity(recent=2), ByOptions(OptionLikelihood(), Agent())]
    assert [shows_first_keys(consumer) for consumer in same + others] == [True] * 3 + [False] * 4


def test_chunks_stand_in_document_order_before_the_recent_text():
    # Chunks c0 to c9; key j is chunk j and its continuation; the query is chunk 9 and may see the keys 0 to 7.
    corpus = Keys(**{f"k{j}": f"c{j} c{j + 1}" for j in range(9)})
    query = Query("q", "c9", (" c10",), among=("k0", "k7"))
    model = ScriptedLanguageModel(score_of=lambda prompt, output: -math.log(8))
    consumer = Perplexity(top_k=2, document_order=True, recent=2)
    found = ranking("k7", "k4", "k3", "k0", "k1")
    (outcome,) = consumer.consume([query], [found], scene(corpus, model, ContinuationPrompt()))
    # The recent text is keys 5 (c5 c6) and 7 (c7 c8). Keys 7 and 4 share chunks with it; 3 and 0 are the next best.
    assert outcome.prompt == "c0 c1\n\nc3 c4\n\nc5 c6 c7 c8 c9"
    assert outcome.keys.key_ids == ("k3", "k0")
    assert (outcome.output, outcome.gold) == (None, (" c10",))
    assert outcome.scores == pytest.approx({"perplexity": 8.0})
    (without,) = Perplexity(top_k=2).consume([query], [found], scene(corpus, model, ContinuationPrompt()))
    assert without.prompt == "c7 c8\n\nc4 c5\n\nc9"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SingleShot(top_k=0), "consumer.top_k: expected 1 or more, got 0"),
        (lambda: Iterative(style="guess"), "consumer.style: expected 'thoughts' or 'follow_ups', got 'guess'"),
        (lambda: Agent(max_new_tokens=0), "consumer.max_new_tokens: expected 1 or more"),
        (lambda: OptionLikelihood(top_k="3"), "consumer.top_k: expected a whole number, got '3'"),
        (lambda: Perplexity(recent=-1), "consumer.recent: expected 0 or more"),
        (lambda: OutputSettings(temperature=0.0), "llm_outputs.temperature: expected a number above 0"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    "consumer", [SingleShot(), Iterative("follow_ups", 1, max_thought_tokens=8), Agent(1, max_new_tokens=12)]
)
def test_a_real_llm_gives_the_same_outcomes_twice(consumer, llama_directory, tmp_path):
    queries = [BORN, Query("r", "Who is old?", ("Rome",))]
    found = []
    for place in ("one", "two"):
        model = CachedLanguageModel(HuggingFaceLanguageModel(str(llama_directory), device="cpu"), tmp_path / place)
        scene = Scene(CORPUS, no_keys, model, BARE)
        rag = RagEvaluation(consumer, queries, scene, OutputSettings(n_outputs=2, max_new_tokens=4))
        found.append(rag.score([ranking("oru", "rome"), ranking()], searching(CORPUS, [])))
    assert found[0] == found[1]
    assert set(found[0].per_query) >= {"em", "f1", "log_likelihood", "gain", "rank", "harm"}
    assert found[0].per_query["gain"]["r"] == pytest.approx(0.0) or not isinstance(consumer, SingleShot)


TOOLS = Keys(rome="Weather of a city", oru="Opening hours of a museum", tolvik="Trains between two cities")
REQUEST = Query("r", "When does the museum open?", (), ("oru", "other"))


def test_a_tool_is_called_by_the_likeliest_letter_of_those_shown():
    model = ScriptedLanguageModel(score_of=lambda prompt, output: {" A": -2.0, " B": -1.0, " C": -0.5}[output])
    queries, rankings = [REQUEST] * 3, [ranking("rome", "oru", "tolvik"), ranking("oru", "tolvik"), ranking()]
    first, second, third = ToolChoice(top_k=2, max_key_words=2).consume(queries, rankings, scene(TOOLS, model, BARE))
    assert first.prompt == (
        "Tools:\nA. Weather of\nB. Opening hours\n\nRequest: When does the museum open?\n\n"
        "The letter of the tool that has to be called for this request:"
    )
    assert (first.output, first.scores) == (
        "oru",
        {"called": 1.0, "call_probability": pytest.approx(1 / (1 + math.exp(-1)))},
    )
    assert (second.output, second.scores) == (
        "tolvik",
        {"called": 0.0, "call_probability": pytest.approx(1 / (1 + math.exp(1)))},
    )
    assert (third.output, third.scores) == (
        None,
        {"called": 0.0, "call_probability": 0.0},
    )  # without tools there is nothing to call
    with pytest.raises(ConfigError, match=r"consumer.top_k: expected 1 to 26, a letter each, got 27"):
        ToolChoice(top_k=27)


def test_requests_are_asked_by_their_labelled_tools_and_have_no_log_likelihood():
    unlabelled = Query("u", "What is new?", ("nothing",), ())
    assert answerable([REQUEST, unlabelled, BORN], ToolChoice()) == [REQUEST, BORN]
    assert answerable([REQUEST, unlabelled, BORN], SingleShot()) == [unlabelled, BORN]
    model = ScriptedLanguageModel(score_of=lambda prompt, output: -1.0)
    rag = RagEvaluation(ToolChoice(), [REQUEST], scene(TOOLS, model, BARE), OutputSettings())
    result = rag.score([ranking("oru", "rome")], no_keys)
    assert result.per_query == {"called": {"r": 1.0}, "call_probability": {"r": pytest.approx(0.5)}}
    assert rag.alone().per_query == {"called": {"r": 0.0}, "call_probability": {"r": 0.0}}
