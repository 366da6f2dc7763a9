"""Which encoder a tuning keeps, and the sentences that say why."""

import pytest

from embedder.errors import ConfigError
from embedder.results.tuning import TuningVerdict
from tests.results.folders import made_row


def rows(n, **right):
    """Of n questions the base encoder is right on the last, the trained one on the first so many, by each metric."""
    base, trained = {}, {}
    for metric, (of_base, of_trained) in right.items():
        name = metric.replace("_at_", "@")
        base[name] = [0.0] * (n - of_base) + [1.0] * of_base
        trained[name] = [1.0] * of_trained + [0.0] * (n - of_trained)
    return [made_row("base encoder", base), made_row("trained encoder", trained)]


@pytest.mark.parametrize(
    ("contains", "ndcg", "verdict", "kept"),
    [
        # Of changed questions k of k for one side, McNemar's p is 2 / 2^k, and Holm's correction for two doubles it.
        ((0, 8), (0, 0), "better", "tuned"),  # 2 * 2 / 256 = 0.016
        ((8, 0), (0, 0), "worse", "base"),
        ((0, 6), (0, 0), "undecided", "base"),  # 2 * 2 / 64 = 0.063, though 0.031 alone
        ((0, 0), (0, 9), "better", "tuned"),  # where the answers cannot tell, retrieval decides
        ((0, 0), (9, 0), "worse", "base"),
        ((9, 0), (0, 9), "worse", "base"),  # the answers decide, whatever retrieval says
        ((0, 9), (9, 0), "better", "tuned"),
        ((0, 0), (0, 0), "undecided", "base"),
    ],
)
def test_the_answers_decide_and_where_they_cannot_retrieval(contains, ndcg, verdict, kept):
    found = TuningVerdict.of(rows(40, contains=contains, ndcg_at_10=ndcg)).as_json()
    assert (found["verdict"], found["kept"]) == (verdict, kept)


def test_the_sentences_by_hand():
    # 40 questions: base right on the last 10, tuned on the first 25; none is right in both, so worse on 10.
    answers, retrieval, conclusion = TuningVerdict.of(rows(40, contains=(10, 25), ndcg_at_10=(0, 20))).sentences()
    assert answers.startswith("Your LLM answers 25.0 % of 40 held-out questions with the base encoder and 62.5 % after")
    assert "95 % interval of the difference +" in answers
    assert answers.endswith("an answer is right if it contains an expected one); worse on 10 of 40.")
    assert "0.0 % on 40 held-out questions with the base encoder and 50.0 % after tuning" in retrieval
    assert "p < 0.001" in retrieval
    assert conclusion == "Tuning helps: the tuned encoder is exported."


@pytest.mark.parametrize(
    ("ndcg", "said"),
    [((0, 9), "better, {}: the tuned encoder is exported."), ((9, 0), "worse, {}: the base encoder is kept.")],
)
def test_it_says_where_retrieval_alone_decides(ndcg, said):
    *_, conclusion = TuningVerdict.of(rows(40, contains=(0, 0), ndcg_at_10=ndcg)).sentences()
    assert conclusion == f"Retrieval is {said.format('and these questions cannot tell whether the answers are')}"


def test_where_nothing_can_be_said_the_base_encoder_is_kept_and_it_says_what_would_do():
    *_, conclusion = TuningVerdict.of(rows(40, contains=(0, 3), ndcg_at_10=(0, 0))).sentences()
    assert conclusion.startswith("These questions cannot tell whether tuning helps: the base encoder is kept. About ")
    *_, conclusion = TuningVerdict.of(rows(40, contains=(0, 0), ndcg_at_10=(0, 0))).sentences()
    assert conclusion == "These questions cannot tell whether tuning helps: the base encoder is kept."
    *_, conclusion = TuningVerdict.of(rows(40, contains=(30, 0))).sentences()
    assert conclusion == "Tuning made it worse: the base encoder is kept."


def test_what_rests_on_few_marked_questions_says_so_and_does_not_look_decided():
    # 5 for one side: 2 / 2^5 = 0.063, so whatever they say is within chance; 6 have 0.031, doubled for two kinds.
    for n, told in ((1, "too few"), (5, "too few"), (6, "p = 0.06")):
        few = {"base encoder": [0.2] * n, "trained encoder": [0.5] * n}
        found = TuningVerdict.of(
            [made_row(who, {"contains": [1.0] * 7, "ndcg@10": values}, queries=40) for who, values in few.items()]
        )
        _, retrieval, conclusion = found.sentences()
        questions = f"Retrieval: 20.0 % on {n} of 40 held-out questions with the base encoder and 50.0 % after tuning"
        assert retrieval.startswith(f"{questions} ({told}")
        assert conclusion == "These questions cannot tell whether tuning helps: the base encoder is kept."
    (only, conclusion) = TuningVerdict.of(rows(1, contains=(0, 1))).sentences()
    assert "0.0 % of 1 held-out question with the base encoder and 100.0 % after tuning (too few questions" in only
    assert conclusion == "These questions cannot tell whether tuning helps: the base encoder is kept."


def test_questions_without_gold_keys_are_judged_by_passages_with_an_answer():
    found = TuningVerdict.of([made_row(who, {"answer_recall@10": values}) for who, values in two_recalls().items()])
    assert (found.answers, found.retrieval.metric) == (None, "answer_recall@10")
    assert found.keeps_tuned


def two_recalls():
    return {"base encoder": [0.0] * 10 + [1.0] * 10, "trained encoder": [1.0] * 20}


def test_rows_with_nothing_in_common_are_an_error():
    with pytest.raises(ConfigError, match="rows: expected base and trained"):
        TuningVerdict.of([made_row("base encoder", {"contains": [1.0]})])
