import torch

from embedder.losses.matryoshka import matryoshka_views


def test_views_by_hand():
    # (3, 4, 12) / 13: its first two numbers are (3, 4) / 13, at unit length (3, 4) / 5; its first one is 1.
    vectors = torch.tensor([[3.0, 4.0, 12.0]]) / 13
    whole, two, one = matryoshka_views(vectors, [3, 2, 1])
    torch.testing.assert_close(whole, vectors)
    torch.testing.assert_close(two, torch.tensor([[0.6, 0.8]]))
    torch.testing.assert_close(one, torch.tensor([[1.0]]))


def test_without_dimensions_the_vectors_are_the_only_view():
    vectors = torch.randn(2, 3, 4)
    assert [view is vectors for view in matryoshka_views(vectors, None)] == [True]


def test_the_gradient_of_a_view_reaches_its_numbers_only():
    vectors = torch.randn(2, 3, 4, requires_grad=True)
    matryoshka_views(vectors, [2])[0][..., 0].sum().backward()
    assert (vectors.grad[..., :2] != 0).all()
    assert (vectors.grad[..., 2:] == 0).all()
