import pytest
from omegaconf import OmegaConf

from embedder.errors import ConfigError, EmbedderError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.server.chat_model import ChatLanguageModel
from tests.llm.local_server import local_server

PROMPTS = ["Q: who built the harbour? A:", "The lighthouse of Oru", "Q: when? A:"]


@pytest.fixture(scope="module")
def running(llama_directory):
    with local_server(llama_directory) as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    return running


def chat(server, **settings):
    return ChatLanguageModel(**{"name": "tiny", "url": server.url, "attempts": 1, **settings})


def ollama(server, **settings):
    return chat(server, form="ollama", url=server.url.removesuffix("/v1"), **settings)


@pytest.mark.parametrize("open_model", [chat, ollama])
def test_greedy_answers_are_those_of_the_same_weights(server, llama_directory, open_model):
    local = HuggingFaceLanguageModel(str(llama_directory), device="cpu").generate(PROMPTS, 6)
    model = open_model(server)
    assert model.generate(PROMPTS, 6) == local
    # The probe reads "Say yes." and writes a token; each prompt is read once, and 6 tokens are written.
    n_read = sum(len(server.token_ids(prompt)) for prompt in PROMPTS)
    assert model.tokens_run == len(server.token_ids("Say yes.")) + 1 + n_read + 3 * 6


def test_a_prompt_is_one_message_and_nothing_is_added(server):
    chat(server).generate(PROMPTS[:1], 6)
    assert server.bodies[-1]["messages"] == [{"role": "user", "content": PROMPTS[0]}]
    assert "stop" not in server.bodies[-1]


def test_samples_differ_by_their_seeds_and_come_again(server):
    first = chat(server).sample(PROMPTS[:2], 4, 6, 1.0, [3, 300])
    assert first == chat(server).sample(PROMPTS[:2], 4, 6, 1.0, [3, 300])
    assert len(set(first[0])) > 1
    assert sorted(body["seed"] for body in server.bodies[-8:]) == [3, 4, 5, 6, 300, 301, 302, 303]


def test_fields_that_a_server_refuses_are_left_out_and_that_is_said(server, caplog):
    server.strict = True
    with caplog.at_level("INFO"):
        chat(server).generate(PROMPTS, 6)
    assert "it refuses top_k" in caplog.text
    assert "gives no log-likelihoods" in caplog.text
    assert set(server.bodies[-1]) == {"model", "messages", "max_tokens", "temperature", "top_p"}


def test_a_model_that_is_not_listed_is_refused_unless_it_is_a_path(server):
    with pytest.raises(EmbedderError, match=r"does not list 'other'.*it has: tiny, tiny-lora"):
        chat(server, name="other").generate(PROMPTS, 6)
    assert chat(server, name="/models/other").generate(PROMPTS, 6)


def test_it_scores_nothing_and_says_which_llm_does(server):
    with pytest.raises(ConfigError, match="llm=server"):
        chat(server).score(PROMPTS[:1], [[" Oru"]])
    assert chat(server).answer(PROMPTS, [[], [], []], 6)[1] == [[], [], []]


def test_extra_fields_go_out_and_name_the_llm(server):
    extra = OmegaConf.create({"chat_template_kwargs": {"enable_thinking": False}})
    model = chat(server, extra=extra)
    model.generate(PROMPTS[:1], 2)
    assert server.bodies[-1]["chat_template_kwargs"] == {"enable_thinking": False}
    assert model.fingerprint.startswith("server:tiny@unknown:chat=")
    assert model.fingerprint != chat(server, extra={"top_k": 5}).fingerprint
    assert chat(server).fingerprint == "server:tiny@unknown:chat"
    options = {"num_ctx": 4096}
    ollama(server, extra={"options": options}).generate(PROMPTS[:1], 2)
    assert server.bodies[-1]["options"]["num_ctx"] == 4096
    assert server.bodies[-1]["options"]["num_predict"] == 2


def test_extra_may_not_replace_what_is_asked(server):
    with pytest.raises(ConfigError, match=r"llm\.extra"):
        chat(server, extra={"messages": []})


def test_answers_are_stored_and_not_asked_for_again(server, tmp_path):
    first = CachedLanguageModel(chat(server), tmp_path).generate(PROMPTS, 6)
    n = len(server.bodies)
    assert CachedLanguageModel(chat(server), tmp_path).generate(PROMPTS, 6) == first
    assert len(server.bodies) == n


@pytest.mark.parametrize("answer", [{}, {"choices": [{}]}, {"choices": [{"message": {"content": 5}}]}, [], None])
def test_what_is_no_answer_is_an_error(server, answer):
    from embedder.llm.server.chat_requests import ChatRequests

    for form in ("openai", "ollama"):
        with pytest.raises(EmbedderError):
            ChatRequests("tiny", form, {}).writing("Q", 4, 0.0).read(answer)
