"""Search with ONNX Runtime: `python onnx_search.py EXPORT CORPUS.jsonl QUESTION`.

Needs `pip install onnx onnxruntime onnxscript sentence-transformers`. It writes `model.onnx` and `model.int8.onnx`
beside the corpus, from tokens to unit vectors, for batches and lengths of any size. ONNX Runtime reads tokens, so the
instructions, which are read from the export, are put in front of texts here.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import quantize_dynamic
from sentence_transformers import SentenceTransformer

export, corpus, question = sys.argv[1:]
keys = [json.loads(line) for line in Path(corpus).read_bytes().splitlines()]
texts = [f"{key.get('title', '')} {key['text']}".strip() for key in keys]
model = SentenceTransformer(export, device="cpu", model_kwargs={"attn_implementation": "eager"}).eval()
tokenizer, prompts, length = model.tokenizer, model.prompts, model.max_seq_length


class Vectors(torch.nn.Module):
    """The modules of the export from tokens to unit vectors, [batch, D]."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer, self.rest = model[0].auto_model, torch.nn.ModuleList(list(model)[1:])

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        features = {"token_embeddings": states, "attention_mask": attention_mask}
        for module in self.rest:
            features = module(features)
        return features["sentence_embedding"]


def tokens(side: str, texts: list[str]) -> dict:
    prefixed = [prompts[side] + text for text in texts]
    found = tokenizer(prefixed, padding=True, truncation=True, max_length=length, return_tensors="np")
    return {name: found[name].astype(np.int64) for name in ("input_ids", "attention_mask")}


example = {
    name: torch.from_numpy(array) for name, array in tokens("document", ["A lighthouse.", "Of the coast"]).items()
}
sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=length)}
path = Path(corpus).with_name("model.onnx")
torch.onnx.export(
    Vectors().eval(), (), str(path), kwargs=example, dynamo=True, dynamic_shapes=dict.fromkeys(example, sizes)
)
quantize_dynamic(path, path.with_name("model.int8.onnx"))

for name in ("model.int8.onnx", "model.onnx"):
    session = onnxruntime.InferenceSession(str(path.with_name(name)))
    passages = np.concatenate([session.run(None, tokens("document", [text]))[0] for text in texts])
    query = session.run(None, tokens("query", [question]))[0][0]
    print(name)
    scores = passages @ query
    for position in scores.argsort()[::-1][:5]:
        print(f"{scores[position]:.4f} {keys[position]['id']}")
