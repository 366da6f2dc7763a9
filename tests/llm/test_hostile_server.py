"""Servers that send nonsense, and ways to a server that lead elsewhere: one error each, and nothing is kept."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from embedder import shown as shown_module
from embedder.errors import ConfigError, EmbedderError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.score_store import ScoreStore
from embedder.llm.server import client, reply
from embedder.llm.server.address import proxy_of
from embedder.llm.server.client import Request, ServerClient
from embedder.llm.server.language_model import ServerLanguageModel
from embedder.llm.server.scores import choices_of, score_text, score_tokens, text_of
from embedder.llm.server.settings import ServerSettings

KEY = "sk-this-key-is-never-shown-4711"
MODELS = {"data": [{"id": "tiny"}]}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setattr(shown_module, "_secrets", set())
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve():
    """Start servers, each of which answers every request with what a function of path and body returns."""
    running = []

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                self.server.seen.append((self.path, dict(self.headers)))
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
                status, headers, content = answer(self.path, body)
                self.send_response(status)
                for name, value in ({"Content-Type": "application/json"} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content if isinstance(content, bytes) else json.dumps(content).encode())

            do_POST = do_GET  # noqa: N815  # as the base class wants it

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *arguments: None  # of clients that hang up
        server.seen, server.url = [], f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def always(content, status=200, **headers):
    return lambda path, body: (status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def echoing(spoil=lambda choice: None):
    """A server that takes each character for a token of log-probability -1 and writes ` x` for its own."""

    def answer(path, body):
        if path.endswith("/models"):
            return 200, {}, MODELS
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        choices = []
        for index, prompt in enumerate(prompts * body.get("n", 1)):
            tokens = [*prompt, "x"] if body.get("echo") else ["x"]
            logprobs = {"tokens": tokens, "token_logprobs": [None, *[-1.0] * (len(tokens) - 1)]}
            choices.append({"index": index, "text": "".join(tokens), "logprobs": logprobs})
            spoil(choices[-1])
        return 200, {}, {"choices": choices}

    return answer


def model_of(server, **settings):
    return ServerLanguageModel("tiny", url=server.url, **{"attempts": 1, "backoff_seconds": 0.0, **settings})


def set_last(value):
    def spoil(choice):
        if "Q:" in choice["text"]:  # not at the probe
            choice["logprobs"]["token_logprobs"][-2] = value

    return spoil


def test_the_server_of_these_tests_scores(serve):
    assert model_of(serve(echoing())).score(["Q: a"], [[" b"]])[0][0].sum_logprob == -2.0


@pytest.mark.parametrize(
    "value", [0.5, True, False, 0.01, float("inf"), float("-inf"), 1e400, -1e300, -(10**400), "-1", [-1.0], {}, 10**30]
)
@pytest.mark.parametrize("remembers", [False, True])
def test_what_is_no_log_probability_is_one_error_and_is_not_stored(serve, tmp_path, value, remembers):
    server = serve(echoing(set_last(value)))
    model = model_of(server)
    asked = CachedLanguageModel(model, tmp_path) if remembers else model
    with pytest.raises(EmbedderError, match=rf"{server.url}/completions: the log-probability of a token .* or less"):
        asked.score(["Q: a"], [[" b"]])
    assert len(ScoreStore(tmp_path / "scores")) == 0


def test_a_logarithm_rounded_above_0_is_0():
    # log 1 = 0, and float32 may give 1e-6.
    logprobs = {"tokens": ["a", "b", "c"], "token_logprobs": [None, 1e-6, -0.5]}
    assert score_tokens({"logprobs": logprobs}, 1, 2).sum_logprob == -0.5
    assert score_text({"logprobs": logprobs}, "a", "bc").sum_logprob == -0.5


def test_counts_that_do_not_match_are_an_error():
    with pytest.raises(EmbedderError, match="3 log-probabilities came for 2 tokens"):
        score_tokens({"logprobs": {"tokens": ["a", "b"], "token_logprobs": [None, -1.0, -1.0]}}, 1, 2)
    for indices in ([0, 0], [1, 2], [0, "1"], [True, False], [0, None], [[], {}]):
        with pytest.raises(EmbedderError, match=r"`index` from 0 to 1 once, got"):
            choices_of({"choices": [{"index": index} for index in indices]}, 2)
    assert choices_of({"choices": [{"text": "a"}, {"text": "b"}]}, 2) == [{"text": "a"}, {"text": "b"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": 5}, "no list of models as `data`"),
        ({"data": None}, "no list of models as `data`"),
        ([], "no list of models as `data`"),
        (5, "no list of models as `data`"),
        ({"data": [5, {"id": ["a"]}]}, r"does not list 'tiny' \(llm\.name\); it has: \['a'\]"),
        (b"[" * 100_000, "JSON that is nested too deeply"),
        (b'{"a":' * 100_000, "JSON that is nested too deeply"),
        (b"1" * 5_000, "not JSON: 1111"),
        (b"<html>no</html>", "not JSON: <html>"),
        (b"\xff\xfe\xfd", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_answers_of_another_form_are_one_error(serve, content, message):
    server = serve(always(content))
    with pytest.raises(EmbedderError, match=rf"{server.url}/models: .*{message}") as error:
        model_of(server).generate(["A"], 1)
    assert len(str(error.value)) < 1000


def test_a_web_page_is_not_asked_for_again(serve):
    server = serve(always(b"<html>Welcome</html>", Content_Type="text/html; charset=utf-8"))
    with pytest.raises(EmbedderError, match=r"a web page came, not JSON: <html>Welcome.*usually ends in /v1"):
        model_of(server, attempts=5).generate(["A"], 1)
    assert len(server.seen) == 1


def test_json_that_calls_itself_a_web_page_is_read(serve):
    server = serve(always(b'{"data": []}', Content_Type="text/html"))
    with pytest.raises(EmbedderError, match="does not list"):
        model_of(server).generate(["A"], 1)


@pytest.mark.parametrize("packed", [False, True])
def test_a_huge_answer_is_cut_off(serve, monkeypatch, packed):
    monkeypatch.setattr(reply, "_MOST_BYTES", 2**20)
    huge = json.dumps({"data": [{"id": "x" * 2**21}]}).encode()
    server = serve(always(gzip.compress(huge), Content_Encoding="gzip") if packed else always(huge))
    with pytest.raises(EmbedderError, match="more than 1 MiB"):
        model_of(server, attempts=5).generate(["A"], 1)
    assert len(server.seen) == 1


def test_a_list_of_thousands_of_models_is_not_repeated(serve):
    server = serve(always({"data": [{"id": f"{k}" + "y" * 10_000} for k in range(1000)]}))
    with pytest.raises(EmbedderError, match="and 980 more") as error:
        model_of(server).generate(["A"], 1)
    assert len(str(error.value)) < 2500


def test_half_a_character_can_be_kept(serve, tmp_path):
    def spoil(choice):
        choice["text"] = "half \ud83d"

    model = CachedLanguageModel(model_of(serve(echoing(spoil))), tmp_path)
    assert model.generate(["Q: a"], 4) == ["half \N{REPLACEMENT CHARACTER}"]
    assert CachedLanguageModel(model, tmp_path).generate(["Q: a"], 4) == ["half \N{REPLACEMENT CHARACTER}"]
    assert model.sample(["Q: a"], 2, 4, 1.0, [1]) == [["half \N{REPLACEMENT CHARACTER}"] * 2]


def test_half_a_character_in_a_prompt_is_one_error(serve):
    with pytest.raises(EmbedderError, match="half of a surrogate pair"):
        model_of(serve(echoing())).generate(["Q: \ud83d"], 4)


@pytest.mark.parametrize("field", ["usage", "max_model_len"])
@pytest.mark.parametrize("value", [True, -5, 1e400, 10**400, "5", [], None])
def test_nonsense_beside_the_scores_is_passed_over(serve, field, value):
    plain = echoing()

    def answer(path, body):
        status, headers, content = plain(path, body)
        content = json.loads(json.dumps(content))
        if field == "usage" and "choices" in content:
            content["usage"] = {"total_tokens": value}
        elif field == "max_model_len" and "data" in content:
            content["data"][0]["max_model_len"] = value
        return status, headers, content

    model = model_of(serve(answer))
    assert model.score(["Q: a"], [[" b"]])[0][0].sum_logprob == -2.0
    assert model._max_tokens is None
    assert model.tokens_run == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80000/v1",
        "http://127.0.0.1:0/v1",
        "http://127.0.0.1:x/v1",
        "http://[::1/v1",
        "http://",
        "ftp://host/v1",
        "http:///v1",
        "host:8000",
        "",
        8000,
        None,
    ],
)
def test_a_url_that_cannot_be_is_a_wrong_setting(url):
    with pytest.raises(ConfigError, match=r"llm\.url: expected http://HOST:PORT/v1"):
        ServerLanguageModel("tiny", url=url)


@pytest.mark.parametrize(
    "url",
    [f"http://me:{KEY}@h/v1", f"http:/me:{KEY}@h/v1", f"me:{KEY}@h", f"http://h/v1?api_key={KEY}", f"http://{KEY}@["],
)
def test_a_secret_in_the_url_is_not_repeated(url):
    with pytest.raises(ConfigError, match=r"llm\.url") as error:
        ServerLanguageModel("tiny", url=url)
    assert KEY not in str(error.value)


@pytest.mark.parametrize("key", [KEY, "0123456789abcdef0123456789abcdef", "hunter2", 1234567890, "", "two words"])
def test_a_key_in_place_of_the_name_of_its_variable_is_not_repeated(key):
    with pytest.raises(ConfigError, match=r"llm\.api_key_env: expected the name of an environment variable") as error:
        ServerLanguageModel("tiny", url="http://127.0.0.1:9/v1", api_key_env=key)
    assert not key or str(key) not in str(error.value)


def test_the_key_is_shown_nowhere_whatever_the_server_repeats_it_in(serve, monkeypatch, tmp_path):
    monkeypatch.setenv("MY_LLM_KEY", KEY)
    told = []
    for answer in (
        always({"data": [{"id": KEY}, {"id": f"model of {KEY}"}]}),
        always({"error": KEY}, status=400),
        always({"error": KEY}, status=503),
        always(f"no JSON {KEY}".encode()),
        always(f"<p>{KEY}</p>".encode(), Content_Type="text/html"),
        always(b"", status=302, Location=f"http://elsewhere.invalid/{KEY}"),
        always(("[" * 5000 + KEY).encode()),
        always({"data": KEY}),
    ):
        with pytest.raises(EmbedderError) as error:
            model_of(serve(answer), api_key_env="MY_LLM_KEY").generate(["A"], 1)
        told.append(str(error.value))
    assert KEY not in " ".join(told)
    assert sum("***" in one for one in told) == 6

    def spoil(choice):
        choice["text"] = f"your key is {KEY}"

    model = CachedLanguageModel(model_of(serve(echoing(spoil)), api_key_env="MY_LLM_KEY"), tmp_path)
    with pytest.raises(EmbedderError, match="repeats the API key") as error:
        model.generate(["Q: a"], 4)
    assert KEY not in str(error.value)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_redirection_is_not_followed_and_the_key_stays(serve, monkeypatch):
    monkeypatch.setenv("MY_LLM_KEY", KEY)
    other = serve(always(MODELS))
    server = serve(always(b"", status=307, Location=f"{other.url}/models"))
    with pytest.raises(EmbedderError, match=rf"status 307, moved to {other.url}/models.*llm\.url"):
        model_of(server, api_key_env="MY_LLM_KEY").generate(["A"], 1)
    assert other.seen == []


@pytest.mark.parametrize("asked", ["100000", "1e9", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_a_server_that_asks_for_days_gets_minutes(serve, monkeypatch, caplog, asked):
    monkeypatch.setattr(client, "_LONGEST_RETRY_AFTER", 0.0)
    server = serve(always({"error": "later"}, status=429, Retry_After=asked))
    with pytest.raises(EmbedderError, match="2 attempts failed"):
        model_of(server, attempts=2).generate(["A"], 1)
    assert len(server.seen) == 2
    assert "s before the next attempt (Retry-After); it gets 0 s" in caplog.text


def test_a_server_on_this_machine_is_asked_directly(serve, monkeypatch):
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody there
    server = serve(echoing())
    assert model_of(server).generate(["A"], 1) == ["x"]
    for host in ("localhost", "llm.localhost", "127.8.0.1", "[::1]", "0.0.0.0"):  # noqa: S104  # to connect to
        assert proxy_of(f"http://{host}:8000/v1") is None


def test_a_proxy_is_used_for_others_and_named_without_its_password(serve, monkeypatch):
    proxy = serve(always({"error": "not here"}, status=502))
    where = proxy.url.removeprefix("http://").removesuffix("/v1")
    monkeypatch.setenv("http_proxy", f"http://me:pass-word@{where}/")
    client = ServerClient(ServerSettings(url="http://llm.invalid:8000/v1", attempts=1))
    request = Request("models", None, text_of)
    with pytest.raises(EmbedderError, match=rf"502.*through the proxy {where} .*NO_PROXY=llm\.invalid") as error:
        client.send([request])
    assert "pass-word" not in str(error.value)
    assert proxy.seen[0][0] == "http://llm.invalid:8000/v1/models"
    monkeypatch.setenv("http_proxy", "http://me:pass-word@127.0.0.1:9")
    with pytest.raises(
        EmbedderError, match=r"ConnectError.*through the proxy 127\.0\.0\.1:9 of the environment"
    ) as error:
        client.send([request])
    assert "pass-word" not in str(error.value)
    monkeypatch.setenv("no_proxy", "llm.invalid")
    with pytest.raises(EmbedderError, match="ConnectError") as error:
        client.send([request])
    assert "proxy" not in str(error.value)


@pytest.mark.parametrize(
    "proxy", ["foo://me:pass-word@h:1", "http://me:pass-word@127.0.0.1:80000", "socks5://me:pass-word@h:1"]
)
def test_a_proxy_that_cannot_be_is_one_error(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(EmbedderError, match=r"through the proxy [^ ]+:[0-9]+ of") as error:
        ServerClient(ServerSettings(url="http://llm.invalid:8000/v1", attempts=1)).send(
            [Request("models", None, text_of)]
        )
    assert "pass-word" not in str(error.value)
