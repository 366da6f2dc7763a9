"""Log-likelihoods estimated from a list of likely tokens: by hand, and beside those of the same weights."""

import math

import numpy as np
import pytest

from embedder.errors import ConfigError, EmbedderError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.server.chat_model import ChatLanguageModel
from embedder.llm.server.chat_requests import ChatRequests
from embedder.llm.server.top_logprobs import estimate, positions_of
from embedder.preparation.reward_settings import Rewards
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest
from embedder.rewards.reward import (
    LikelihoodReward,
    MixReward,
    RankReward,
    RankThenLikelihoodReward,
    SmoothRankReward,
)
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.rewards.tables import ScoreTable, rewards_of
from embedder.types import OutputScore
from tests.llm.local_server import local_server


def reply(*positions):
    """Positions of a reply, each a dictionary of token -> probability whose first token was written."""
    return positions_of(
        [
            {
                "token": next(iter(listed)),
                "logprob": math.log(next(iter(listed.values()))),
                "top_logprobs": [{"token": token, "logprob": math.log(share)} for token, share in listed.items()],
            }
            for listed in positions
        ]
    )


MAREN = {"Maren": 0.5, "The": 0.25, "T": 0.125}
ORU = {" Oru": 0.8, " Tol": 0.1, " T": 0.05}


@pytest.mark.parametrize(
    ("output", "probability"),
    [
        (" Maren", 0.5),  # written
        (" Maren Oru", 0.5 * 0.8),
        (" Maren Tolvik", 0.5 * (0.1 + 0.05)),  # begins as two of the listed tokens do
        (" Maren Ibsen", 0.5 * 0.05),  # not listed: no likelier than the least likely that is
        (" Theodor", 0.25 + 0.125),
        (" Ibsen", 0.125),
        (" maren", 0.125),
        (" Maren Oru the Great", 0.5 * 0.8 * 0.05),  # the reply ended first: as what is not listed
    ],
)
def test_estimates_by_hand(output, probability):
    found = estimate(reply(MAREN, ORU), output, 16)
    assert found.sum_logprob == pytest.approx(math.log(probability))
    assert found.n_tokens == 1


def test_an_answer_behind_other_words_counts_where_it_is_likeliest():
    said = reply({"It": 0.9, "Ada": 0.01}, {" was": 0.9, "x": 0.1}, {" Maren": 0.5, " Ada": 0.25}, ORU)
    found = {text: estimate(said, text, 16).sum_logprob for text in (" Maren Oru", " Ada", " Ibsen")}
    assert found == pytest.approx({" Maren Oru": math.log(0.4), " Ada": math.log(0.25), " Ibsen": math.log(0.01)})


def test_what_a_cut_reply_leaves_open_costs_nothing():
    assert estimate(reply(MAREN, ORU), " Maren Oru the Great", 2).sum_logprob == pytest.approx(math.log(0.4))


def test_white_space_before_the_answer_and_odd_tokens():
    assert estimate(reply({"\n\n": 0.9, "x": 0.1}, MAREN), " Maren", 16).sum_logprob == pytest.approx(math.log(0.5))
    assert estimate(reply(MAREN, {"\n": 0.9, " Oru": 0.1}), " Maren Oru", 16).sum_logprob == pytest.approx(
        math.log(0.5 * 0.1)
    )
    halves = [
        {"token": "\ufffd", "bytes": [byte], "logprob": 0.0, "top_logprobs": [{"token": "\ufffd", "logprob": 0.0}]}
        for byte in "ü".encode()
    ]
    assert estimate(positions_of(halves), " ü", 16).sum_logprob == 0.0


def test_an_empty_reply_makes_every_output_unlikely():
    silent = {"choices": [{"message": {"content": ""}, "logprobs": None}]}
    read = ChatRequests("tiny", "openai", {}, 20).writing("Q", 16, 0.0, outputs=[" Maren"]).read
    assert read(silent).scores == [OutputScore(-20.0, 1)]


LISTED = [{"token": "Hm", "logprob": -1.0, "top_logprobs": [{"token": "Hm", "logprob": -1.0}]}]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize("content", [None, ""])
def test_thoughts_are_no_reply(name, content):
    message = {"content": content, name: "Hm, who built it?"}
    said = {"choices": [{"message": message, "logprobs": {"content": LISTED}, "finish_reason": "length"}]}
    of_ollama = {"message": message, "logprobs": LISTED, "done_reason": "length"}
    for form, answer in (("openai", said), ("ollama", of_ollama)):
        requests = ChatRequests("tiny", form, {}, 20)
        with pytest.raises(EmbedderError, match=r"thinks before it answers.*enable_thinking: false"):
            requests.writing("Q", 16, 0.0, outputs=[" Maren"]).read(answer)
        assert requests.writing("Q", 16, 0.0).read(answer).text == ""
        message[name] = ""  # an empty reply, of an end token alone: as what is not listed
        empty = requests.writing("Q", 16, 0.0, outputs=[" Maren"]).read(answer)
        assert empty.scores == [OutputScore(-1.0, 1)]
        message[name] = "Hm, who built it?"


@pytest.mark.parametrize("nothing", [-math.inf, -3.4e38, -25])
def test_a_share_of_0_is_the_lowest(nothing):
    listed = [{"token": "Maren", "logprob": -0.5}, {"token": "Ada", "logprob": nothing}]
    positions = positions_of([{"token": "Maren", "logprob": -0.5, "top_logprobs": listed}])
    found = [estimate(positions, text, 16).sum_logprob for text in (" Maren", " Ada", " Ibsen")]
    assert found == pytest.approx([-0.5, -20.0, -20.0])


def test_ranks_do_not_see_an_answer_that_nobody_lists_and_smooth_ranks_do():
    """Without a candidate, answer and competitors tie at the lowest listed value; a candidate brings the answer up."""
    without = [estimate(reply(MAREN), text, 16) for text in (" Ibsen", " Ed", " Ada")]
    helped = [estimate(reply({"Ibsen": 0.5, "The": 0.25, "T": 0.125}), text, 16) for text in (" Ibsen", " Ed", " Ada")]
    sums = np.array([[score.sum_logprob for score in own] for own in (without, helped)])
    table = ScoreTable(sums, np.ones_like(sums, dtype=np.int64), n_answers=1)
    assert RankReward()(table).tolist() == [0.0]  # so it is refused
    # Two competitors count half each; with the candidate 1 / (1 + 0.5 / 0.125) each.
    assert SmoothRankReward()(table).tolist() == pytest.approx([2 * (0.5 - 0.2)])
    assert LikelihoodReward()(table).tolist() == pytest.approx([math.log(0.5 / 0.125)])


@pytest.mark.parametrize(
    "reward",
    [RankReward(), RankThenLikelihoodReward(), MixReward({"rank": RankReward()}, {"rank": 1.0}), SmoothRankReward()],
)
def test_rewards_to_which_a_tie_costs_no_rank_are_refused_for_estimates(reward, tmp_path):
    def settings(**own):
        outputs = OutputSettings(n_outputs=0 if refused else 5)
        return Rewards(
            ChatLanguageModel("tiny", url="http://127.0.0.1:9/v1", **own), reward, str(tmp_path), outputs=outputs
        )

    refused = not isinstance(reward, SmoothRankReward)
    if refused:
        with pytest.raises(ConfigError, match=r"^reward: expected likelihood or smooth_rank.*a tie costs no rank"):
            settings(top_logprobs=20).check_fit()
        with pytest.raises(ConfigError, match=r"likelihood or smooth_rank with llm\.top_logprobs=20"):
            settings().check_fit()
    else:
        settings(top_logprobs=20).check_fit()


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [5],
        [{"token": "a", "logprob": -1.0}],
        [{"token": "a", "logprob": -1.0, "top_logprobs": []}],
        [{"token": "a", "logprob": 0.5, "top_logprobs": [{"token": "a", "logprob": 0.5}]}],
        [{"token": "a", "logprob": -1.0, "top_logprobs": [{"token": None, "logprob": -1.0}]}],
        [{"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "a", "logprob": math.nan}]}],
        [{"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "a", "logprob": True}]}],
    ],
)
def test_what_is_no_list_of_log_probabilities(logprobs):
    with pytest.raises(EmbedderError, match=r"llm\.top_logprobs|finite number of 0 or less"):
        positions_of(logprobs)


@pytest.fixture(scope="module")
def running(llama_directory):
    with local_server(llama_directory) as server:
        yield server


def chat(server, form="openai"):
    url = server.url if form == "openai" else server.url.removesuffix("/v1")
    return ChatLanguageModel("tiny", url=url, form=form, top_logprobs=20, attempts=1)


@pytest.mark.parametrize("form", ["openai", "ollama"])
def test_estimates_bound_the_log_likelihoods_of_the_same_weights(running, llama_directory, form):
    running.reset()
    local = HuggingFaceLanguageModel(str(llama_directory), device="cpu")
    prompts = ["Q: who built the harbour? A:", "The lighthouse of Oru", "Q: when? A:"]
    written = [text.split()[:2] for text in local.generate(prompts, 6)]
    outputs = [[" ".join(words), "1712"] for words in written]
    estimated = chat(running, form).score(prompts, outputs)
    true = local.score(prompts, outputs)
    for ours, exact in zip(estimated, true, strict=True):
        for one, other in zip(ours, exact, strict=True):
            assert 0 > one.sum_logprob >= other.sum_logprob - 1e-4
    assert all(body["logprobs"] is True and body["top_logprobs"] == 20 for body in running.bodies)


def test_rewards_come_from_estimates_in_the_store(running, tmp_path):
    running.reset()
    model = chat(running)
    request = LabelRequest("Q: who? A:", ("Oru. Q: who? A:", "Tolvik. Q: who? A:"), (" Oru", " Maren"))
    engine = RewardEngine(CachedLanguageModel(model, tmp_path), OutputSettings(n_outputs=0))
    engine.label([request])
    (scored,) = rewards_of(engine.tables([request]), LikelihoodReward())
    assert len(scored) == 2
    assert len(running.bodies) == 1 + 3  # the probe, and one request a prompt for both answers
    engine.label([request])
    assert len(running.bodies) == 1 + 3


def test_a_server_that_lists_nothing_is_one_error_at_the_first_request(running):
    running.reset()
    running.lists = False
    with pytest.raises(EmbedderError, match=r"no `top_logprobs`.*llm\.top_logprobs=0 with reward=f1"):
        chat(running).generate(["Q: who? A:"], 4)
    assert {body["messages"][0]["content"] for body in running.bodies} == {"Say yes."}


def test_other_lists_are_other_scores_and_without_one_nothing_is_scored(running):
    assert chat(running).fingerprint == "server:tiny@unknown:chat:top20x16v1"  # and 16 written tokens, rule 1
    model = ChatLanguageModel("tiny", url=running.url)
    with pytest.raises(ConfigError, match=r"llm\.top_logprobs=20"):
        model.score(["Q"], [["x"]])
    plain = ChatRequests("tiny", "openai", {}).writing("Q", 4, 0.0)
    assert "logprobs" not in plain.body
