"""A small but real completion server: a tiny causal model behind HTTP, with the faults that real servers have."""

import json
import threading
import time
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

BROKEN_TRANSPORT = ("429", "500", "503", "cut", "truncated", "stall")
BROKEN_ANSWERS = (
    "no_logprobs",
    "no_echo",
    "too_few_tokens",
    "too_many_tokens",
    "null_logprobs",
    "nan_logprobs",
    "no_choices",
)


class LocalServer(ThreadingHTTPServer):
    """Serves the model of a folder as `tiny` on a free port of 127.0.0.1.

    `faults` are used up, one a completion request; `always` is the fault of the rest; after `quota` requests with echo
    all further ones fail. `bos` puts the token 0 in front of text, as servers do for models that have such a token.
    The first `together` requests wait for each other. `delay` is in seconds, before each answer that is not an error.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.lock = threading.Lock()
        self.resets = 0
        self.arrived = threading.Condition(self.lock)
        self.reset()

    def reset(self):
        self.faults = deque()
        self.always = None
        self.quota = None
        self.retry_after = "0"
        self.bos = False
        self.key = None
        self.strict = False
        self.lists = True  # the likeliest tokens, to those who ask for them
        self.together = 1
        self.delay = 0.0
        self.bodies = []
        self.headers = []
        self.times = []
        self.in_flight = self.most_in_flight = 0
        self.resets += 1
        self.released = threading.Event()

    def handle_error(self, request, client_address):
        """Clients of these tests hang up on purpose."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def complete(self, body):
        """The answer to a completion request, as the API defines it."""
        prompt = body["prompt"]
        many = isinstance(prompt, list) and isinstance(prompt[0], str | list)
        choices, taken = [], 0
        for one in prompt if many else [prompt]:
            ids = self.token_ids(one) if isinstance(one, str) else one
            taken += len(ids)
            for k in range(body.get("n", 1)):
                choices.append({"index": len(choices), **self.choice(ids, body, k)})
        usage = {"prompt_tokens": taken, "total_tokens": taken + len(choices) * body.get("max_tokens", 16)}
        # The index gives the order.
        return {"object": "text_completion", "model": "tiny", "choices": choices[::-1], "usage": usage}

    def token_ids(self, text):
        return [0] * self.bos + self.tokenizer(text, add_special_tokens=False)["input_ids"]

    @torch.inference_mode()
    def choice(self, ids, body, k):
        generator = torch.Generator().manual_seed(1000 * body.get("seed", 0) + k)
        written = []
        text = ""
        stops = body.get("stop") or []
        reason, stopped_by = "length", None
        while len(written) < body["max_tokens"]:
            logits = self.model(torch.tensor([ids + written])).logits[0, -1]
            if body["temperature"] == 0:
                token = int(logits.argmax())
            else:
                token = int(torch.multinomial((logits / body["temperature"]).softmax(-1), 1, generator=generator))
            written.append(token)
            text = self.tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            found = sorted((text.index(stop), stop) for stop in stops if stop in text)
            if found or token == 0:
                text, reason = text[: found[0][0] if found else None], "stop"
                stopped_by = found[0][1] if found else None
                break
        shown = ids + written if body.get("echo") else written
        if body.get("echo"):
            text = self.tokenizer.decode(ids, clean_up_tokenization_spaces=False) + text
        logprobs = self.logprobs(ids + written, len(shown)) if body.get("logprobs") is not None else None
        if self.lists and body.get("top_logprobs"):
            logprobs = {"content": self.listed(ids, written, body["top_logprobs"])}
        return {"text": text, "logprobs": logprobs, "finish_reason": reason, "stop_reason": stopped_by}

    def listed(self, ids, written, n):
        """The written tokens and the likeliest ones beside each, in the form of chat servers."""

        def shown(token, value):
            text = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
            return {"token": text, "logprob": float(value), "bytes": list(text.encode())}

        table = self.model(torch.tensor([ids + written])).logits[0].log_softmax(-1)[len(ids) - 1 :]
        return [
            {**shown(token, row[token]), "top_logprobs": [shown(int(k), row[k]) for k in row.topk(n).indices]}
            for token, row in zip(written, table, strict=False)
        ]

    def logprobs(self, ids, n_shown):
        table = self.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        values = [None, *(float(table[i, token]) for i, token in enumerate(ids[1:]))]
        tokens = [self.tokenizer.decode([token], clean_up_tokenization_spaces=False) for token in ids]
        offsets = [len("".join(tokens[:i])) for i in range(len(tokens))]
        columns = {"tokens": tokens, "token_logprobs": values, "text_offset": offsets}
        return {name: column[-n_shown:] for name, column in columns.items()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path == "/api/tags":
            return self.answer(200, {"models": [{"name": "tiny:latest"}]})
        if self.path != "/v1/models":
            return self.answer(404, {"error": "no such page"})
        if not self.is_welcome():
            return None
        return self.answer(200, {"object": "list", "data": [{"id": "tiny", "max_model_len": 64}, {"id": "tiny-lora"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            resets = server.resets
            server.bodies.append(body)
            server.headers.append(dict(self.headers))
            server.times.append(time.monotonic())
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            server.arrived.notify_all()
            fault = server.faults.popleft() if server.faults else server.always
            if server.quota is not None and body.get("echo"):
                server.quota -= 1
                fault = "500" if server.quota < 0 else fault
        try:
            if self.path in ("/v1/chat/completions", "/api/chat"):
                self.chat(body)
            elif self.path != "/v1/completions":
                self.answer(404, {"error": "no such page"})
            elif self.is_welcome():
                self.respond(body, fault)
        finally:
            with server.lock:
                server.in_flight -= resets == server.resets  # an answer may be read, and forgotten, before this

    def chat(self, body):
        """A chat server whose chat template is the content of the one message; Ollama's form under /api."""
        server, ollama = self.server, self.path == "/api/chat"
        if server.strict and (
            unknown := set(body) - {"model", "messages", "max_tokens", "temperature", "top_p", "seed"}
        ):
            return self.answer(422, {"error": f"unexpected fields {sorted(unknown)}"})
        (message,) = body["messages"]
        settings = body["options"] if ollama else body
        asked = {"temperature": settings["temperature"], "seed": settings.get("seed", 0)}
        asked["max_tokens"] = settings["num_predict" if ollama else "max_tokens"]
        asked["top_logprobs"] = body.get("top_logprobs", 0)
        with server.lock:
            ids = server.token_ids(message["content"])
            choice = server.choice(ids, asked, 0)
        reply = {"role": "assistant", "content": choice["text"]}
        if ollama:
            counts = {"prompt_eval_count": len(ids), "eval_count": asked["max_tokens"]}
            listed = {"logprobs": choice["logprobs"]["content"]} if choice["logprobs"] else {}
            return self.answer(200, {"message": reply, "done": True, "done_reason": "length"} | counts | listed)
        usage = {"total_tokens": len(ids) + asked["max_tokens"]}
        said = {"index": 0, "message": reply, "finish_reason": "stop", "logprobs": choice["logprobs"]}
        return self.answer(200, {"choices": [said], "usage": usage})

    def is_welcome(self):
        given = self.headers.get("Authorization")
        if self.server.key is None or given == f"Bearer {self.server.key}":
            return True
        self.answer(401, {"error": f"the key in {given!r} is not known"})
        return False

    def respond(self, body, fault):
        with self.server.lock:
            self.server.arrived.wait_for(lambda: len(self.server.bodies) >= self.server.together, 600)
        if fault == "stall":
            self.server.released.wait()
            self.close_connection = True
            return
        if fault == "429":
            self.answer(429, {"error": "slow down"}, {"Retry-After": self.server.retry_after})
            return
        if fault in ("400", "500", "503"):
            self.answer(int(fault), {"error": f"fault {fault}"})
            return
        time.sleep(self.server.delay)
        with self.server.lock:
            answer = self.server.complete(body)
        if fault in BROKEN_ANSWERS:
            spoil(answer, fault)
        data = json.dumps(answer).encode()
        if fault == "cut":
            self.answer_bytes(200, data, sent=data[: len(data) // 2])
            self.close_connection = True
        elif fault == "truncated":
            self.answer_bytes(200, data[: len(data) // 2])
        else:
            self.answer_bytes(200, data)

    def answer(self, status, content, headers=None):
        self.answer_bytes(status, json.dumps(content).encode(), headers=headers)

    def answer_bytes(self, status, data, sent=None, headers=None):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(data), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data if sent is None else sent)


def spoil(answer, fault):
    if fault == "no_choices":
        del answer["choices"]
        return
    for choice in answer["choices"]:
        columns = choice["logprobs"]
        if fault == "no_logprobs":
            choice["logprobs"] = None
        elif fault == "no_echo":
            choice["logprobs"] = {name: column[-1:] for name, column in columns.items()}
        elif fault == "too_few_tokens":
            choice["logprobs"] = {name: column[3:] for name, column in columns.items()}
        elif fault == "too_many_tokens":
            choice["logprobs"] = {name: column[:1] + column for name, column in columns.items()}
        elif fault in ("null_logprobs", "nan_logprobs"):
            columns["token_logprobs"][-2] = None if fault == "null_logprobs" else float("nan")


@contextmanager
def local_server(folder):
    server = LocalServer(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
