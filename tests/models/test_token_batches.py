from hypothesis import given
from hypothesis import strategies as st

from embedder.models.token_batches import token_batches


def test_longest_first_and_padded_size_within_the_budget():
    # Sorted: 6 5 4 1. 6+5 pads to 12 > 10, so 6 is alone; 5 and 4 pad to 10; 1 joins nobody, as 3 x 5 > 10.
    assert list(token_batches([4, 6, 1, 5], budget=10)) == [[1], [3, 0], [2]]


def test_a_row_beyond_the_budget_is_alone():
    assert list(token_batches([20, 3], budget=10)) == [[0], [1]]


@given(st.lists(st.integers(1, 30)), st.integers(1, 100))
def test_every_row_comes_once_and_only_single_rows_exceed_the_budget(lengths, budget):
    batches = list(token_batches(lengths, budget))
    assert sorted(k for batch in batches for k in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[k] for k in batch) <= budget for batch in batches)
