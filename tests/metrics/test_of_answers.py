"""Metrics of answers beside exact match, and how many questions it takes to tell two systems apart."""

import pytest

from embedder.metrics.answer_recall import answer_recall
from embedder.metrics.options import best_option
from embedder.metrics.rouge import rouge_l
from embedder.metrics.sample_size import questions_needed, values_needed


def test_rouge_l_by_hand():
    # "police kill the gunman" and "police killed the gunman": 3 of 4 words in common: 2 * 3 / (4 + 4) (Lin, 2004).
    assert rouge_l("police kill the gunman", ["police killed the gunman"]) == pytest.approx(3 / 4)
    # "the gunman kill police" shares "the gunman": 2 * 2 / 8. The better of the two counts.
    assert rouge_l("the gunman kill police", ["police killed the gunman"]) == pytest.approx(2 / 4)
    assert rouge_l("the gunman kill police", ["police killed the gunman", "Police!"]) == pytest.approx(2 / 4)
    assert rouge_l("gunman", ["police", "The gunman!"]) == pytest.approx(2 / 3)
    assert rouge_l("", ["police"]) == 0.0
    with pytest.raises(ValueError, match="answers"):
        rouge_l("police", "police")


def test_the_likeliest_option_is_chosen():
    assert best_option([-2.0, -0.5, -0.6]) == 1
    assert best_option([-1.0, -1.0]) == 0


def test_answer_recall_by_hand():
    texts = ["about Rome", "Paris is large", "Paris"]
    assert answer_recall(texts, ["Berlin", "paris"], [1, 2, 5]) == {1: 0.0, 2: 1.0, 5: 1.0}
    assert answer_recall([], ["paris"], [1]) == {1: 0.0}
    assert answer_recall(texts, ["Par"], [3]) == {3: 0.0}  # no part of a word


def test_values_needed_by_hand():
    # (1.95996 + 0.84162)^2 / 0.25 = 31.4.
    assert values_needed(-0.5, 1.0) == 32
    assert values_needed(0.0, 1.0) is None
    assert values_needed(1.0, 0.0) is None


def test_questions_needed_by_hand():
    # p = 0.3, d = 0.1: (1.95996 sqrt(0.3) + 0.84162 sqrt(0.29))^2 / 0.01 = (1.07352 + 0.45323)^2 / 0.01 = 233.1
    assert questions_needed(0.2, 0.1) == 234
    assert questions_needed(0.1, 0.2) == 234
    assert questions_needed(0.1, 0.1) is None
    # Where the second never wins (p = d = 1) the second term vanishes: 1.95996^2 = 3.84.
    assert questions_needed(1.0, 0.0) == 4


def test_questions_needed_gives_the_power_that_it_promises():
    # Of 2,000 experiments with 234 questions each, about 80 % find the difference; 4 standard errors are 0.036.
    import numpy as np

    wins = np.random.default_rng(0).multinomial(234, [0.2, 0.1, 0.7], size=2000)
    z = (wins[:, 0] - wins[:, 1]) / np.sqrt(wins[:, 0] + wins[:, 1])  # McNemar
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(0.8, abs=0.036)


def test_rouge_l_of_other_scripts():
    # 建于1700年 is 建, 于, 1700, 年; in the order of the answer stand 于, 1700, 年: 2 * 3 / (4 + 3).
    assert rouge_l("建于1700年", ["于1700年。"]) == pytest.approx(6 / 7)
    assert rouge_l("Маяк построен в 1700 году", ["маяк, в 1700"]) == pytest.approx(2 * 3 / (5 + 3))
    assert rouge_l("snake_case", ["snake"]) == pytest.approx(2 / 3)  # as rouge-score: no letter, no digit
