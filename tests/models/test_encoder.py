import pytest
import torch

from embedder.errors import ConfigError
from embedder.models.encoder import EncoderConfig

TEXTS = ["Oru", "Who designed the lighthouse at Oru?", "Oru " * 20, "the", "at Oru and at Oru", "Who " * 11]


@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
def test_micro_batches_change_neither_vectors_nor_gradients(bert_directory, pooling):
    def run(budget):
        encoder = EncoderConfig(name=str(bert_directory), pooling=pooling, micro_batch_tokens=budget).build().eval()
        vectors = encoder(encoder.tokenize(TEXTS))
        (vectors * torch.linspace(-1, 1, vectors.numel()).view_as(vectors)).sum().backward()
        gradients = {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
        return vectors.detach(), gradients

    vectors, gradients = run(1 << 20)
    for budget in (1, 30, 60):
        other, others = run(budget)
        torch.testing.assert_close(other, vectors, atol=1e-6, rtol=0)
        assert others.keys() == gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(others[name], gradient, atol=1e-5, rtol=1e-4)


def test_micro_batches_stay_within_their_budget_without_padding_to_the_longest_of_all(bert_directory):
    encoder = EncoderConfig(name=str(bert_directory), pooling="mean", micro_batch_tokens=30).build()
    sizes = []
    encoder.backbone.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    tokens = encoder.tokenize(TEXTS)
    encoder(tokens)
    assert sum(rows for rows, _ in sizes) == len(TEXTS)
    assert all(rows == 1 or rows * width <= 30 for rows, width in sizes)
    assert sum(rows * width for rows, width in sizes) < 0.6 * tokens["input_ids"].numel()


def test_a_budget_below_one_is_refused():
    with pytest.raises(ConfigError, match=r"encoder\.micro_batch_tokens"):
        EncoderConfig(name="x", pooling="mean", micro_batch_tokens=0)
