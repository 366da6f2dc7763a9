"""Let a decoder look at the tokens after each token too, or say that it cannot."""

from typing import Any

import torch

from embedder.errors import ConfigError


def attend_both_ways(backbone: Any) -> None:
    """Let every token of a decoder see those after it; a sliding window of W opens to W tokens on both sides.

    Source: LLM2Vec (arXiv 2404.05961), NV-Embed (arXiv 2405.17428). transformers makes its masks by
    `config.is_causal`, which travels in `config.json`. Models with masks of their own ignore it, hence the trial.
    """
    backbone.config.is_causal = False
    wanted = backbone.config._attn_implementation
    backbone.set_attn_implementation("eager")  # weights lie on the CPU here, where flash attention cannot be tried
    try:
        with torch.inference_mode():
            first, second = (backbone(input_ids=torch.tensor([[1, 2, last]])).last_hidden_state for last in (3, 4))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise _one_way(backbone) from error
    finally:
        backbone.set_attn_implementation(wanted)
    if torch.allclose(first[:, :2], second[:, :2], rtol=1e-4, atol=1e-4):
        raise _one_way(backbone)


def _one_way(backbone: Any) -> ConfigError:
    return ConfigError("encoder.bidirectional", f"false, since {type(backbone).__name__} only looks back", True)
