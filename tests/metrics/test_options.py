"""Which options are right, and what is left of the others."""

import pytest

from embedder.metrics.options import right_options, wrong_options


@pytest.mark.parametrize(
    ("options", "answers", "right", "wrong"),
    [
        ((" 5", " -5", " 0.5"), (" 5",), [0], (" -5", " 0.5")),
        ((" C", " C++", " C#"), ("C",), [0], (" C++", " C#")),
        (("AA", "Aa", "aa", "BB"), ("Aa",), [1], ("AA", "aa", "BB")),  # genotypes
        ((" yes", " no", " no"), ("Yes",), [0], (" no",)),  # case where nothing is an answer as it is
        (("yes",), ("Yes",), [0], ()),
        (("a", "b"), ("c",), [], ("a", "b")),
    ],
)
def test_options_by_hand(options, answers, right, wrong):
    assert right_options(options, answers) == right
    assert wrong_options(options, answers) == wrong
