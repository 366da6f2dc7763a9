import pytest

from embedder.llm.continuation import cut_behind


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one\ntwo\nthree", ["\n"], "one\n"),
        ("a</search>b</answer>", ["</answer>", "</search>"], "a</search>"),
        ("abc", ["bc", "b"], "ab"),  # the one that ends first
        ("no end", ["\n"], "no end"),
    ],
)
def test_a_text_ends_behind_its_first_stop_text(text, stop, expected):
    assert cut_behind(text, stop) == expected


@pytest.mark.parametrize("stop", [[], [""], ["\n", ""]])
def test_empty_stop_texts_are_refused(stop):
    with pytest.raises(ValueError, match="stop"):
        cut_behind("text", stop)
