import logging

from embedder.rewards.sampled_outputs import sample_competitors, warn_of_few


class Writer:
    """Answers round after round from a script, and notes who asked."""

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.asked = []

    def __call__(self, prompts, seeds):
        self.asked.append((list(prompts), list(seeds)))
        script = self.rounds[min(len(self.asked), len(self.rounds)) - 1]
        return [script.get(prompt, []) for prompt in prompts]


def test_gold_answers_repetitions_and_empty_outputs_are_dropped():
    draw = Writer({"q": ["Paris", "", "the London", "london.", "PARIS!", "Rome", "...", "Oslo"]})
    # "the London" stays and "london." is the same after normalisation; "..." normalises to nothing.
    assert sample_competitors(draw, [["q"]], [(" Paris",)], 3, seed=0) == [("the London", "Rome", "Oslo")]
    assert len(draw.asked) == 1


def test_only_those_that_are_short_are_asked_again_with_another_seed():
    draw = Writer({"a": ["1", "2"], "b": ["1", "1"]}, {"b": ["1", "3"]})
    assert sample_competitors(draw, [["a"], ["b"]], [(" x",), (" x",)], 2, seed=0) == [("1", "2"), ("1", "3")]
    (first, first_seeds), (second, second_seeds) = draw.asked
    assert (first, second) == (["a", "b"], ["b"])
    assert len({*first_seeds, *second_seeds}) == 3


def test_an_llm_that_repeats_itself_is_accepted_and_counted(caplog):
    draw = Writer({"a": ["same"], "b": ["1", "2"]})
    with caplog.at_level(logging.WARNING):
        sampled = sample_competitors(draw, [["a"], ["b"]], [(" x",), (" x",)], 2, seed=0)
        warn_of_few(sampled, 2)
    assert sampled == [("same",), ("1", "2")]
    assert len(draw.asked) == 4
    assert "1 of 2 queries have fewer than 2 competitors (the fewest: 1)" in caplog.text


def test_fewer_competitors_are_a_prefix_of_more():
    draw = Writer({"q": ["1", "2", "3"]}, {"q": ["4", "5", "6"]})
    many = sample_competitors(draw, [["q"]], [(" x",)], 5, seed=0)[0]
    assert many == ("1", "2", "3", "4", "5")
    draw.asked.clear()
    assert sample_competitors(draw, [["q"]], [(" x",)], 2, seed=0)[0] == many[:2]


def test_the_seed_of_a_query_depends_on_nothing_but_prompt_and_seed():
    def seeds(prompts, seed):
        draw = Writer({prompt: ["1"] for prompt in prompts})
        sample_competitors(draw, [[prompt] for prompt in prompts], [(" x",)] * len(prompts), 1, seed)
        return dict(zip(*draw.asked[0], strict=True))

    assert seeds(["a", "b"], 0)["b"] == seeds(["c", "d", "b"], 0)["b"]
    assert seeds(["a"], 0) != seeds(["a"], 1)
    assert all(0 <= seed < 2**63 for seed in seeds([str(n) for n in range(50)], 3).values())


def test_several_prompts_take_turns_and_give_equal_shares():
    draw = Writer({"p": ["1", "2", "3"]}, {"q": ["1", "4", "5"]}, {"r": ["1"]}, {"p": ["6", "7"]})
    # A third of 5, rounded up, is filled after each: 2 of p, then 4 and 5 of q; r adds nothing; p is asked once more.
    assert sample_competitors(draw, [["p", "q", "r"]], [(" x",)], 5, seed=0) == [("1", "2", "4", "5", "6")]
    assert [prompts for prompts, _ in draw.asked] == [["p"], ["q"], ["r"], ["p"]]
    assert draw.asked[0][1] != draw.asked[3][1]
