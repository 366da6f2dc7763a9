"""The lines that open an export elsewhere with its instructions: the card shows them, `examples/` runs them."""

from collections.abc import Mapping

FRAMEWORK_LINES: Mapping[str, str] = {
    "sentence-transformers": """\
model = SentenceTransformer(export)
passages = model.encode_document(texts)
query = model.encode_query(question)
""",
    "LangChain": """\
embeddings = HuggingFaceEmbeddings(
    model_name=export,
    encode_kwargs={"prompt_name": "document", "task": "document"},
    query_encode_kwargs={"prompt_name": "query", "task": "query"},
)
""",
    "LlamaIndex": """\
prompts = json.loads(Path(export, "config_sentence_transformers.json").read_text(encoding="utf-8"))["prompts"]
embeddings = HuggingFaceEmbedding(
    model_name=export,
    query_instruction=prompts["query"],
    text_instruction=prompts["document"],
)
""",
    "Haystack": """\
document_embedder = SentenceTransformersDocumentEmbedder(
    model=export,
    encode_kwargs={"prompt_name": "document", "task": "document"},
    meta_fields_to_embed=["title"],
    embedding_separator=" ",
)
text_embedder = SentenceTransformersTextEmbedder(
    model=export,
    encode_kwargs={"prompt_name": "query", "task": "query"},
)
""",
    "Chroma": """\
class TunedEncoder(chromadb.EmbeddingFunction):
    def __init__(self, folder: str) -> None:
        self.model = SentenceTransformer(folder)

    def __call__(self, input: list[str]) -> list:
        return list(self.model.encode_document(input))

    def embed_query(self, input: list[str]) -> list:
        return list(self.model.encode_query(input))
""",
    "text-embeddings-inference": """\
request = {"inputs": texts[start : start + 32], "prompt_name": side, "truncate": True, "normalize": True}
response = httpx.post(f"{url}/embed", json=request, timeout=60)
""",
}
