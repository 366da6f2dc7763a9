import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from transformers import AutoTokenizer

from embedder.errors import ConfigError, EmbedderError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.prompt_tokens import prompt_ids
from embedder.llm.server.client import Request, ServerClient
from embedder.llm.server.language_model import ServerLanguageModel
from embedder.llm.server.reply import retry_after_of
from embedder.llm.server.scores import score_text
from embedder.llm.server.settings import ServerSettings
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.types import LanguageModel, OutputScore
from tests.llm.local_server import BROKEN_ANSWERS, BROKEN_TRANSPORT, local_server
from tests.tiny_models import tiny_tokenizer

PROMPTS = ["Q: Who designed the lighthouse?", "A", "Knowledge:\nThe treaty of 1612.\n\nQ: What is the capital?"]
OUTPUTS = [[" Maren Tolvik", " x"], [" Harrowgate"], [" the capital of Oru", " 1783", " no"]]
SCORED_ONCE = (["A"], [[" x"]])


@pytest.fixture(scope="module")
def local(llama_directory):
    return HuggingFaceLanguageModel(str(llama_directory), device="cpu")


@pytest.fixture(scope="module")
def running(llama_directory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the model is tiny, and each connection of the server is a thread
    with local_server(llama_directory) as server:
        yield server
    torch.set_num_threads(threads)


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.reset()
    yield running
    running.released.set()


@pytest.fixture
def make(server, llama_directory):
    def make_model(**settings):
        usual = {"tokenizer": str(llama_directory), "backoff_seconds": 0.01, "timeout_seconds": 600.0}
        return ServerLanguageModel("tiny", url=server.url, **{**usual, **settings})

    return make_model


def known(model, server):
    """The same model after its first use, with a server that remembers nothing of it."""
    model.score(*SCORED_ONCE)
    server.reset()
    return model


def flat(scores):
    return [score.sum_logprob for some in scores for score in some]


def counts(scores):
    return [[score.n_tokens for score in some] for some in scores]


def test_it_is_a_language_model(make):
    assert isinstance(make(), LanguageModel)


def test_the_tokens_that_the_server_reports_are_counted(server, make, local):
    model = known(make(), server)
    before = model.tokens_run
    n_tokens = [len(local._local.tokenizer(text)["input_ids"]) for text in ("the harbour", " of", " stone")]
    model.score(["the harbour"], [[" of", " stone"]])
    assert model.tokens_run - before == 2 * n_tokens[0] + n_tokens[1] + n_tokens[2] + 2  # and one written each


@pytest.mark.parametrize("prompts_per_request", [1, 4])
@pytest.mark.parametrize("bos", [False, True])
def test_scores_of_token_ids_are_those_of_the_local_model(server, make, local, prompts_per_request, bos):
    server.bos = bos  # a server puts nothing in front of token ids
    scores = make(prompts_per_request=prompts_per_request).score(PROMPTS, OUTPUTS)
    right = local.score(PROMPTS, OUTPUTS)
    assert counts(scores) == counts(right)
    assert flat(scores) == pytest.approx(flat(right), abs=1e-4)


def test_token_ids_are_right_where_text_would_be_tokenised_otherwise(server, make, local, llama_directory):
    prompts, outputs = ["the capi"], [["tal"]]
    tokenizer = AutoTokenizer.from_pretrained(llama_directory)
    apart = [*tokenizer(prompts[0])["input_ids"], *tokenizer(outputs[0][0])["input_ids"]]
    assert apart != tokenizer("the capital")["input_ids"]
    assert flat(make().score(prompts, outputs)) == pytest.approx(flat(local.score(prompts, outputs)), abs=1e-4)
    with pytest.raises(EmbedderError, match=r"across the border.*llm\.tokenizer"):
        make(tokenizer=None).score(prompts, outputs)


@pytest.mark.parametrize("prompts_per_request", [1, 4])
def test_scores_of_text_are_those_of_the_local_model_where_no_token_crosses(
    server, make, local, caplog, prompts_per_request
):
    prompts = [*PROMPTS, "Caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{SNOWMAN}:"]  # characters of several tokens
    outputs = [*OUTPUTS, [" no"]]
    with caplog.at_level(logging.WARNING, logger="embedder"):
        scores = make(tokenizer=None, prompts_per_request=prompts_per_request).score(prompts, outputs)
    right = local.score(prompts, outputs)
    assert counts(scores) == counts(right)
    assert flat(scores) == pytest.approx(flat(right), abs=1e-4)
    assert "llm.tokenizer is not set" in caplog.text


def test_a_token_that_the_server_puts_in_front_of_text_is_an_error(server, make):
    server.bos = True
    with pytest.raises(EmbedderError, match=r"put a token in front.*'<end>'"):
        make(tokenizer=None).score(PROMPTS, OUTPUTS)


def test_the_border_of_text_by_hand():
    # Of the tokens A| b| c|.| d: prompt "A b", output " c.", and " d" was written. -0.5 - 0.25 = -0.75.
    logprobs = {"tokens": ["A", " b", " c", ".", " d"], "token_logprobs": [None, -1.0, -0.5, -0.25, -3.0]}
    assert score_text({"logprobs": logprobs}, "A b", " c.") == OutputScore(-0.75, 2)
    # The written token is left out where it ended the text.
    without = {name: column[:-1] for name, column in logprobs.items()}
    assert score_text({"logprobs": without}, "A b", " c.") == OutputScore(-0.75, 2)
    with pytest.raises(EmbedderError, match="across the border"):
        score_text({"logprobs": logprobs}, "A ", "b c.")


def test_nothing_to_score_is_nothing_and_asks_nobody():
    model = ServerLanguageModel("tiny", url="http://127.0.0.1:9/v1", attempts=1)
    assert model.score([], []) == []
    assert model.score(["A"], [[]]) == [[]]
    assert model.generate([], 4) == []
    assert model.sample([], 2, 4, 1.0, []) == []


@pytest.mark.parametrize("with_tokenizer", [True, False])
def test_empty_texts_are_refused(make, llama_directory, with_tokenizer):
    model = make(tokenizer=str(llama_directory) if with_tokenizer else None)
    with pytest.raises(ValueError, match="empty output"):
        model.score(["A"], [[""]])
    with pytest.raises(ValueError, match="empty prompt"):
        model.generate([""], 4)
    with pytest.raises(ValueError, match="shorter"):
        model.score(["A", "B"], [[" x"]])


@pytest.mark.parametrize("settings", [{}, {"tokenizer": None}, {"prompts_per_request": 2}])
def test_greedy_text_is_that_of_the_local_model(make, local, settings):
    texts = make(**settings).generate(PROMPTS, 8)
    assert texts == local.generate(PROMPTS, 8)
    assert any(texts)


def test_a_stop_text_that_the_server_cut_off_is_put_back(make, local):
    whole = local.generate(PROMPTS, 8, stop=("no such text",))
    stop = ("no such text", whole[0][2:4], whole[1][2:4])
    assert make().generate(PROMPTS, 8, stop) == local.generate(PROMPTS, 8, stop)
    assert any(text.endswith(stop[1:]) for text in local.generate(PROMPTS, 8, stop))


def test_sampling_does_not_depend_on_the_batch(server, make):
    model = known(make(), server)
    seeds = [11, 22, 2**62 + 33]
    together = model.sample(PROMPTS, 3, 6, 1.0, seeds)
    assert [body["n"] for body in server.bodies] == [3, 3, 3]
    assert all(0 <= body["seed"] < 2**31 for body in server.bodies)
    assert together[::-1] == model.sample(PROMPTS[::-1], 3, 6, 1.0, seeds[::-1])
    assert together[1] == model.sample(PROMPTS[1:2], 3, 6, 1.0, seeds[1:2])[0]
    assert together != model.sample(PROMPTS, 3, 6, 1.0, [1, 2, 3])
    assert len({text for some in together for text in some}) > 3


def test_samples_are_cut_like_those_of_the_local_model(make):
    for some in make().sample(PROMPTS, 4, 8, 1.0, [1, 2, 3]):
        assert all(text == text.strip() and "\n" not in text for text in some)


def test_a_temperature_near_zero_is_greedy(make, local):
    assert [some[0] for some in make().sample(PROMPTS, 1, 8, 1e-4, [1, 2, 3])] == local.generate(PROMPTS, 8)


def test_writing_takes_the_whole_distribution_whatever_the_model_comes_with(server, make):
    model = known(make(), server)
    model.sample(["A"], 2, 4, 0.7, [5])
    model.generate(["A"], 4)
    for body, temperature in zip(server.bodies, (0.7, 0.0), strict=True):
        assert (body["temperature"], body["top_p"], body["top_k"], body["repetition_penalty"]) == (
            temperature,
            1,
            -1,
            1,
        )
        assert body["stop"] == ["\n"]


def test_wrong_requests_are_refused_as_the_local_model_does(make):
    with pytest.raises(ConfigError, match="temperature"):
        make().sample(["A"], 1, 4, 0.0, [1])
    with pytest.raises(ConfigError, match="n: expected"):
        make().sample(["A"], 0, 4, 1.0, [1])
    with pytest.raises(ConfigError, match="max_new_tokens"):
        make().generate(["A"], 0)
    with pytest.raises(ValueError, match="one seed a prompt"):
        make().sample(["A"], 1, 4, 1.0, [])


def test_the_fingerprint_is_of_the_model_and_not_of_the_place():
    def of(**settings):
        return ServerLanguageModel("tiny", **{"url": "http://nowhere.invalid/v1", "tokenizer": "tiny", **settings})

    assert of().fingerprint == of(url="https://elsewhere.invalid/v1", concurrency=3).fingerprint
    assert of(revision="4a20ac2").fingerprint == "server:tiny@4a20ac2:tokens"
    others = ({}, {"revision": "a"}, {"revision": "b"}, {"tokenizer": None}, {"tokenizer": "another"})
    assert len({of(**settings).fingerprint for settings in others}) == 5


def test_the_configuration_makes_a_model_whose_fingerprint_needs_no_network():
    with initialize_config_dir(str(Path(__file__).parents[2] / "conf"), version_base="1.3"):
        config = compose("prepare", overrides=["llm=server", "llm.name=me/mine", "paths.root=/nowhere"])
    model = instantiate(config.prepare.rewards.language_model)
    assert model == ServerLanguageModel("me/mine", url="http://127.0.0.1:8000/v1", tokenizer="me/mine")
    assert model.fingerprint == "server:me/mine@unknown:tokens"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("url", "127.0.0.1:8000"),
        ("concurrency", 0),
        ("attempts", 0),
        ("timeout_seconds", 0),
        ("backoff_seconds", -1),
        ("prompts_per_request", 0),
        ("name", ""),
    ],
)
def test_settings_are_checked_before_anything_is_sent(setting, value):
    with pytest.raises(ConfigError, match=rf"llm\.{setting}"):
        ServerLanguageModel(**{"name": "tiny", "url": "http://nowhere.invalid/v1", setting: value})


def test_a_model_that_the_server_does_not_have_is_named_beside_those_it_has(server):
    with pytest.raises(EmbedderError, match=r"/v1/models: .*'other' \(llm\.name\); it has: tiny, tiny-lora"):
        ServerLanguageModel("other", url=server.url).score(*SCORED_ONCE)
    assert server.bodies == []


def test_a_tokenizer_of_another_model_is_found_before_anything_is_scored(server, make, llama_directory, tmp_path):
    tiny_tokenizer(tmp_path)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]  # T and d change places: every text still has tokens
    vocabulary["T"], vocabulary["d"] = vocabulary["d"], vocabulary["T"]
    path.write_text(json.dumps(content))
    with pytest.raises(EmbedderError, match=r"is 'T' for the server and 'd' for .*llm\.tokenizer"):
        make(tokenizer=str(tmp_path)).sample(PROMPTS, 1, 4, 1.0, [1, 2, 3])
    assert len(server.bodies) == 1


def test_a_tokenizer_that_is_not_there_is_an_error(make, tmp_path):
    with pytest.raises(EmbedderError, match=r"llm\.tokenizer: expected null to send text, or a tokenizer"):
        make(tokenizer=str(tmp_path)).score(*SCORED_ONCE)


def test_requests_of_a_prompt_go_out_next_to_each_other(server, make):
    model = known(make(concurrency=1), server)
    model.score(["B", "A", "B", "A"], [[" x", " y"], [" x"], [" z"], [" y", " z"]])
    firsts = [body["prompt"][0] for body in server.bodies]
    assert len(firsts) == 6
    assert firsts == [firsts[0]] * 3 + [firsts[-1]] * 3
    assert firsts[0] != firsts[-1]


def test_concurrency_is_used_and_bounded(server, make):
    model = known(make(concurrency=3), server)
    server.together = 2
    scores = model.score(["A"] * 12, [[" x"]] * 12)
    assert len({score for some in scores for score in some}) == 1
    assert 2 <= server.most_in_flight <= 3


@pytest.mark.parametrize("fault", [fault for fault in BROKEN_TRANSPORT if fault != "stall"])
def test_what_passes_is_tried_again(server, make, local, fault):
    model = known(make(), server)
    server.faults.extend([fault, fault])
    assert flat(model.score(PROMPTS, OUTPUTS)) == pytest.approx(flat(local.score(PROMPTS, OUTPUTS)), abs=1e-4)
    assert len(server.bodies) == 6 + 2


def test_an_answer_that_does_not_come_is_asked_for_again(server, make, local):
    model = known(make(timeout_seconds=1.0, attempts=50), server)  # on a slow machine other answers may be late, too
    server.faults.append("stall")
    assert flat(model.score(*SCORED_ONCE)) == pytest.approx(flat(local.score(*SCORED_ONCE)), abs=1e-4)
    assert len(server.bodies) >= 2


def test_retry_after_is_honoured(server, make):
    model = known(make(), server)
    server.retry_after = "1"  # second, where the back-off alone is 0.01 at most
    server.faults.append("429")
    model.score(*SCORED_ONCE)
    first, second = server.times
    assert second - first >= 1.0


def test_retry_after_in_all_its_forms():
    assert retry_after_of(None) == retry_after_of("soon") == retry_after_of("-3") == retry_after_of("inf") == 0.0
    assert retry_after_of("7") == 7.0
    assert 50 < retry_after_of(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)) <= 60
    assert retry_after_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("429", r"status 429: .*slow down.*llm\.concurrency"),
        ("500", "status 500: .*fault 500"),
        ("cut", "RemoteProtocolError"),
        ("truncated", "not JSON"),
        ("stall", r"no answer within 4 s \(llm\.timeout_seconds\)"),
    ],
)
def test_what_does_not_pass_ends_in_one_error_after_the_attempts(server, make, fault, message):
    model = known(make(attempts=2, timeout_seconds=600.0 if fault != "stall" else 4.0, concurrency=2), server)
    server.always = fault
    with pytest.raises(
        EmbedderError, match=rf"{server.url}/completions: 2 attempts failed \(llm\.attempts\).*{message}"
    ):
        model.score(*SCORED_ONCE)
    assert len(server.bodies) == 2


def test_a_server_that_is_not_there_is_an_error_with_its_url():
    with pytest.raises(EmbedderError, match=r"http://127.0.0.1:9/v1/models: 2 attempts failed.*llm\.url"):
        ServerLanguageModel("tiny", url="http://127.0.0.1:9/v1", attempts=2, backoff_seconds=0.01).generate(["A"], 1)


def test_a_request_that_is_wrong_is_not_tried_again(server, make):
    model = known(make(), server)
    server.always = "400"
    with pytest.raises(EmbedderError, match=r"completions: status 400: .*fault 400.*`echo`"):
        model.score(*SCORED_ONCE)
    assert len(server.bodies) == 1
    with pytest.raises(EmbedderError, match=r"/models: status 404.*llm\.url usually ends in /v1"):
        ServerLanguageModel("tiny", url=server.url.removesuffix("/v1")).score(*SCORED_ONCE)


def test_a_failure_is_raised_after_what_is_in_flight_has_ended(server):
    server.together, server.delay = 4, 0.2
    server.faults.append("400")  # at once, while the others wait
    done = []
    body = {"prompt": "A", "max_tokens": 1, "temperature": 0}
    client = ServerClient(ServerSettings(url=server.url, concurrency=4))
    with pytest.raises(EmbedderError, match="status 400"):
        client.send(Request("completions", body, done.append) for _ in range(40))
    assert len(server.bodies) == len(done) + 1  # nothing was hung up on
    assert 3 <= len(done) < 39  # and not all was begun afterwards


@pytest.mark.parametrize("with_tokenizer", [True, False])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no_logprobs", "`logprobs` are missing.*vLLM and SGLang do.*llm=chat with reward=correct"),
        ("no_echo", "log-probabilities of the prompt are missing.*echo: true"),
        ("too_few_tokens", "log-probabilities came for|put a token in front"),
        ("too_many_tokens", "log-probabilities came for|put a token in front"),
        ("null_logprobs", "is null"),
        ("nan_logprobs", "is nan"),
        ("no_choices", "no list of `choices`"),
    ],
)
def test_what_an_answer_lacks_is_named_at_once(server, make, llama_directory, with_tokenizer, fault, message):
    model = make(tokenizer=str(llama_directory) if with_tokenizer else None)
    server.always = fault
    assert fault in BROKEN_ANSWERS
    with pytest.raises(EmbedderError, match=rf"{server.url}/completions: .*({message})"):
        model.score(PROMPTS, OUTPUTS)
    assert len(server.bodies) == 1  # found by the probe, and not tried again


def test_a_prompt_too_long_for_the_server_gives_the_error_of_the_server(server, make):
    model = known(make(), server)
    server.faults.append("too_few_tokens")
    with pytest.raises(EmbedderError, match="cut long prompts"):
        model.score(["x " * 40], [[" y"]])


def test_what_fits_is_what_the_server_lists(server, make, local):
    n_tokens = len(prompt_ids(local._local.tokenizer, PROMPTS[:1])[0])
    assert make().fits(PROMPTS[:2], 64 - n_tokens) == [True, True]
    assert make().fits(PROMPTS[:2], 65 - n_tokens) == [False, True]
    assert make(tokenizer=None).fits(PROMPTS[:1], 1000) == [True]  # nobody counts here


def test_the_key_comes_from_the_environment_and_is_shown_nowhere(server, make, monkeypatch, caplog):
    key = "sk-never-shown-17"
    monkeypatch.setenv("MY_LLM_KEY", key)
    server.key = key
    model = make(api_key_env="MY_LLM_KEY")
    with caplog.at_level(logging.DEBUG):
        model.score(*SCORED_ONCE)
        assert server.headers[-1]["Authorization"] == f"Bearer {key}"
        server.key = "another"
        with pytest.raises(EmbedderError, match=r"status 401.*llm\.api_key_env") as refused:
            model.score(*SCORED_ONCE)
    for shown in (repr(model), repr(model._client), str(refused.value), caplog.text, model.fingerprint):
        assert key not in shown
    assert "***" in str(refused.value)  # this server repeats the key that it refuses


@pytest.mark.parametrize("key", ["", "line\nbreak", "schl\N{LATIN SMALL LETTER U WITH DIAERESIS}ssel"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(monkeypatch, key):
    monkeypatch.setenv("MY_LLM_KEY", key)
    model = ServerLanguageModel("tiny", url="http://127.0.0.1:9/v1", api_key_env="MY_LLM_KEY")
    with pytest.raises(ConfigError, match=r"llm\.api_key_env.*'MY_LLM_KEY'") as error:
        model.score(*SCORED_ONCE)
    assert not key or key not in str(error.value)


def test_a_password_in_the_url_is_refused_without_showing_it():
    with pytest.raises(ConfigError, match=r"llm\.url") as error:
        ServerClient(ServerSettings(url="http://me:pass-word@127.0.0.1/v1"))
    assert "pass-word" not in str(error.value)


def test_it_works_where_a_loop_is_running_already(make, local):
    async def in_a_notebook():
        return make().score(*SCORED_ONCE)

    assert counts(asyncio.run(in_a_notebook())) == counts(local.score(*SCORED_ONCE))


def test_labelling_goes_on_where_a_failing_server_stopped_it(server, make, tmp_path):
    def label():
        server.bodies.clear()
        settings = OutputSettings(n_outputs=1, max_new_tokens=2)
        RewardEngine(CachedLanguageModel(model, tmp_path), settings).label(requests)

    def scored():
        return [tuple(body["prompt"]) for body in server.bodies if body.get("echo")]

    model = known(make(attempts=1, concurrency=2), server)
    requests = [LabelRequest(f"Q: {k}?", (f"The {k}.\n\nQ: {k}?",), (" Oru",)) for k in range(7)]
    server.quota = 16  # of 14 prompts with 2 outputs: the first wave of 8 prompts passes, the next one fails
    with pytest.raises(EmbedderError, match="status 500"):
        label()
    before = scored()
    server.quota = None
    label()
    after = scored()
    assert not set(before[:8]) & set(after)
    assert len(set(before) | set(after)) > len(after) > 0
    label()
    assert server.bodies == []
