from embedder.data.excerpts import Excerpts


def test_texts_are_found_in_passages_by_runs_of_words():
    # "one two three four five" has three runs of three words; letter case and white space do not count.
    excerpts = Excerpts(["one two three four five", "too short"], 3, 0.6)
    assert excerpts.like("and so ONE  two three four then five") == ["one two three four five"]  # 2 of 3
    assert excerpts.like("one two three or more words") == []  # 1 of 3
    assert excerpts.like("two three four") == ["one two three four five"]  # all of the passage, the shorter one
    assert excerpts.like("too short") == []
    assert Excerpts([], 3, 0.6).like("one two three") == []
