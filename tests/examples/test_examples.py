"""Every example, run as it is written, gives real passages the scores that this project's own reader gives them."""

import json
import runpy
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from embedder.data.corpus import join_title
from embedder.data.jsonl import JsonLines, json_line
from embedder.encoders.checkpoint import load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.types import Reading, TaskSides
from tests.tiny_models import tiny_backbone

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
POPQA = ROOT / "demo" / "data" / "qa" / "popqa"
NEEDS = {  # the packages that an example imports
    "sentence_transformers_search": (),
    "langchain_search": ("langchain_huggingface",),
    "llama_index_search": ("llama_index.embeddings.huggingface",),
    "haystack_search": ("haystack", "haystack_integrations.components.embedders.sentence_transformers"),
    "chroma_search": ("chromadb",),
    "milvus_search": ("pymilvus", "milvus_lite"),
    "onnx_search": ("onnx", "onnxruntime", "onnxscript"),
    "text_embeddings_inference_search": (),
}
SIDES = TaskSides("Which passage answers this question? ", "A passage of an encyclopedia: ", 200, 200)
N_KEYS, N_SHOWN = 24, 5


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    encoder = TextEncoder(EncoderConfig(name=str(tiny_backbone(folder / "base", "bert")), pooling="mean"))
    return export(encoder, {"qa": SIDES}, folder / "export", {})


@pytest.fixture
def corpus(tmp_path):
    keys = [json.loads(line) for line in (POPQA / "corpus.jsonl").read_bytes().splitlines()[:N_KEYS]]
    for key in keys[::2]:  # a user's keys may have no title, and line breaks of Unicode, which end no line of JSON
        key["text"] = f"{key.pop('title')}\u2028{key['text']}"
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(map(json_line, keys)), encoding="utf-8")
    return path


QUESTION = json.loads((POPQA / "test.jsonl").read_text(encoding="utf-8").splitlines()[0])["query"]


def ranking(exported, corpus, sides=SIDES):
    """Ids and scores of the best keys, as this project reads the export."""
    encoder = load_trained(exported).encoder
    keys = list(JsonLines(corpus))
    vectors = encoder.encode([join_title(key.get("title", ""), key["text"]) for key in keys], sides.key)
    scores = vectors @ encoder.encode([QUESTION], sides.query)[0]
    best = np.argsort(-scores)[:N_SHOWN]
    return [keys[position]["id"] for position in best], scores[best]


def run(name, capsys, monkeypatch, *arguments):
    for package in NEEDS[name]:
        pytest.importorskip(package, reason="pip install 'embedder-llm[examples]'")
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments), QUESTION])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out.strip().splitlines()


def assert_ranked(lines, expected):
    ids, scores = expected
    assert [line.split()[1] for line in lines] == ids
    np.testing.assert_allclose([float(line.split()[0]) for line in lines], scores, atol=1e-4)


def test_scores_tell_whether_an_instruction_is_lost(exported, corpus):
    _, scores = ranking(exported, corpus)
    for lost in (
        TaskSides("", SIDES.key_instruction),
        TaskSides(SIDES.query_instruction, ""),
        TaskSides("", ""),
        TaskSides(SIDES.key_instruction, SIDES.key_instruction),
    ):
        assert (
            np.abs(ranking(exported, corpus, lost)[1] - scores).max() > 1e-3
        )  # ten times what the scores are compared by


@pytest.mark.parametrize("name", sorted(NEEDS.keys() - {"onnx_search", "text_embeddings_inference_search"}))
def test_an_example_ranks_as_our_own_reader_does(exported, corpus, capsys, monkeypatch, name):
    assert_ranked(run(name, capsys, monkeypatch, exported, corpus), ranking(exported, corpus))


def test_onnx_gives_our_vectors_at_any_shape(exported, corpus, capsys, monkeypatch):
    lines = [line for line in run("onnx_search", capsys, monkeypatch, exported, corpus) if "[torch.onnx]" not in line]
    start = lines.index("model.onnx") + 1
    assert_ranked(lines[start:], ranking(exported, corpus))
    # Whole batches of other sizes and lengths than those that the model was traced with.
    import onnxruntime

    encoder = load_trained(exported).encoder
    texts = ["x", "Maren Tolvik " * 9, "the coast", "Who? " * 50]
    for some in (texts, texts[:1], texts[:3]):
        tokens = {name: tensor.numpy() for name, tensor in encoder.tokenize(some, max_length=200).items()}
        expected = encoder.encode(some, Reading("key", max_length=200))
        for file, tolerance in (("model.onnx", 1e-5), ("model.int8.onnx", 0.1)):
            session = onnxruntime.InferenceSession(str(corpus.with_name(file)))
            np.testing.assert_allclose(session.run(None, tokens)[0], expected, atol=tolerance)
    import onnx

    assert "MatMulInteger" in {node.op_type for node in onnx.load(corpus.with_name("model.int8.onnx")).graph.node}


class Served(BaseHTTPRequestHandler):
    """The route `/embed` of text-embeddings-inference: it looks an instruction up by its name in the export."""

    folder: Path

    def do_POST(self):
        from sentence_transformers import SentenceTransformer

        assert self.path == "/embed"
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked.keys() == {"inputs", "prompt_name", "truncate", "normalize"}
        assert len(asked["inputs"]) <= 32
        model = SentenceTransformer(str(self.folder), device="cpu")
        answer = json.dumps(model.encode(asked["inputs"], prompt_name=asked["prompt_name"]).tolist()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def test_a_client_over_http_names_the_instructions_of_the_export(exported, corpus, capsys, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Served,), {"folder": exported}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        lines = run("text_embeddings_inference_search", capsys, monkeypatch, url, corpus)
    finally:
        server.shutdown()
    assert_ranked(lines, ranking(exported, corpus))


def test_every_example_is_tested():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == NEEDS.keys()
