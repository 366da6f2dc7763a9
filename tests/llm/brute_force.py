"""Log-likelihoods by brute force, one forward pass a pair: what every faster way has to agree with."""

import torch

from embedder.types import OutputScore


@torch.inference_mode()
def score_pair_by_pair(model, requests):
    """One score for each output of each `TokenisedRequest`, in order."""
    return [[_score(model, request.prompt, output) for output in request.outputs] for request in requests]


def _score(model, prompt, output):
    tokens = torch.tensor([[*prompt, *output]], device=model.device)  # [1, L]
    log_probabilities = model(input_ids=tokens).logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)  # [T, V]
    per_token = log_probabilities.gather(1, tokens[0, len(prompt) :, None])
    return OutputScore(float(per_token.double().sum()), len(output))
