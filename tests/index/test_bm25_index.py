import math

import numpy as np
import pytest

from embedder.errors import ConfigError
from embedder.index.bm25_index import BM25Index
from embedder.index.bm25_settings import BM25Settings

INF = math.inf


def built(texts, **settings):
    index = BM25Index(BM25Settings(**settings))
    index.build(iter(texts))
    return index


def test_three_texts_by_hand():
    # Without stop words and stemmed: [cat, sat], [cat, cat, dog, ran], [dog]; lengths 2, 4, 1, mean 7/3.
    index = built(["The cat sat", "Cats, cats! A dog ran.", "the dogs"])
    scores, positions = index.search(["cat"], 3)
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))  # cat is in 2 of 3 texts
    first = idf * 1 / (1 + 1.5 * (0.25 + 0.75 * 2 / (7 / 3)))
    second = idf * 2 / (2 + 1.5 * (0.25 + 0.75 * 4 / (7 / 3)))
    assert second > first
    assert positions.tolist() == [[1, 0, -1]]
    assert scores.tolist() == [pytest.approx([second, first, -INF])]
    assert (scores.dtype, positions.dtype) == (np.float32, np.int64)


def test_constants_by_hand():
    # k1 = 0 leaves the idf alone: log(1 + (2 - 1 + 0.5) / (1 + 0.5)) = log 2, twice in the query.
    scores, _ = built(["red red red", "blue"], k1=0.0).search(["red red"], 1)
    assert scores.item() == pytest.approx(2 * math.log(2))
    # b = 0 takes no notice of length: 1 / (1 + k1).
    scores, _ = built(["red and many other colours", "blue"], k1=1.0, b=0.0).search(["red"], 1)
    assert scores.item() == pytest.approx(math.log(2) / 2)


def test_fewer_hits_than_asked_for_are_padded():
    index = built(["apple pie", "pear tart", ""])
    scores, positions = index.search(["apples", "", "the", "unknown words", "pear apple"], 5)
    assert positions.tolist() == [[0, -1, -1, -1, -1], [-1] * 5, [-1] * 5, [-1] * 5, [0, 1, -1, -1, -1]]
    np.testing.assert_array_equal(np.isneginf(scores), positions == -1)


def test_equal_scores_come_in_the_order_of_the_texts():
    texts = ["plain"] * 50 + ["plain plain"] * 3 + ["plain"] * 50
    scores, positions = built(texts).search(["plain"], 10)
    assert positions.tolist() == [[50, 51, 52, 0, 1, 2, 3, 4, 5, 6]]
    assert (np.diff(scores[0]) <= 0).all()


def test_the_first_places_do_not_depend_on_how_many_are_asked_for():
    generator = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(30)])
    texts = [" ".join(generator.choice(words, size=generator.integers(1, 9))) for _ in range(300)]
    queries = [" ".join(generator.choice(words, size=3)) for _ in range(1100)]  # more than one chunk
    index = built(texts)
    scores, positions = index.search(queries, 1000)
    for top_k in (1, 7, 100):
        np.testing.assert_array_equal(index.search(queries, top_k)[1], positions[:, :top_k])
    for row in range(0, 1100, 100):
        hits = positions[row][positions[row] >= 0]
        np.testing.assert_array_equal(np.lexsort((hits, -scores[row, : len(hits)])), np.arange(len(hits)))
        assert set(hits) == {i for i, text in enumerate(texts) if set(text.split()) & set(queries[row].split())}


def test_whole_words_and_stop_words_on_request():
    texts = ["the cats", "a cat"]
    assert built(texts, stemmer=None).search(["cat"], 2)[1].tolist() == [[1, -1]]
    assert built(texts, stopwords=None).search(["the"], 2)[1].tolist() == [[0, -1]]


def test_no_text_has_a_word():
    assert built(["the", ""]).search(["cat", "the"], 2)[1].tolist() == [[-1, -1], [-1, -1]]


def test_a_second_build_replaces_the_first():
    index = built(["apple", "pear"])
    index.build(["pear"])
    assert len(index) == 1
    assert index.search(["apple", "pear"], 1)[1].tolist() == [[-1], [0]]


def test_no_bar_is_drawn_by_default(capsys):
    built(["apple"]).search(["apple"], 1)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k1": -1.0}, "bm25.k1: expected a number of at least 0, got -1.0"),
        ({"b": 1.5}, "bm25.b"),
        ({"tokens": "letters"}, r"bm25.tokens: expected one of \['words', 'auto', 'pairs'\], got 'letters'"),
        ({"stemmer": "klingon"}, "bm25.stemmer: .*english"),
        ({"stopwords": "klingon"}, "bm25.stopwords"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        BM25Settings(**settings)


ZH = ["东海市的灯塔建于1700年。", "南川市的灯塔建于1701年。", "西岭的桥有五个拱。"]
JA = ["東京タワーは1958年に建てられた。", "大阪城は秀吉が建てた。", "京都の寺は古い。"]
TH = ["ประภาคารสร้างในปี 1700", "สะพานมีห้าโค้ง", "โรงสีบดข้าว"]


@pytest.mark.parametrize(
    ("texts", "query", "best"),
    [
        (ZH, "东海市的灯塔建于哪一年?", 0),
        (ZH, "桥有几个拱?", 2),
        (JA, "東京タワーはいつ建てられたか", 0),
        (JA, "京都の古い寺", 2),
        (TH, "ใครสร้างประภาคาร", 0),
        (TH, "โรงสีอยู่ที่ไหน", 2),
        (["हिन्दी की किताब", "नदी का पुल", "मन्दिर"], "पुल कहाँ है", 1),  # marks are parts of words
        (["cafe\u0301 noir", "the bar"], "Caf\u00e9", 0),  # whatever the Unicode form
    ],
)
def test_texts_of_other_scripts_are_found(texts, query, best):
    assert built(texts).search([query], 1)[1].tolist() == [[best]]


def test_a_single_letter_of_a_script_without_spaces_is_found_and_pairs_count_by_hand():
    assert built(ZH).search(["桥"], 2)[1].tolist() == [[2, -1]]
    # "灯塔" is one pair, in 1 of 2 texts: idf = log(1 + 1.5 / 1.5). With b = 0 and k1 = 1: tf / (tf + 1) = 1 / 2.
    scores, _ = built(["灯塔", "桥"], k1=1.0, b=0.0).search(["灯塔"], 1)
    assert scores.item() == pytest.approx(math.log(2) / 2)


def test_what_a_word_is_can_be_chosen_and_is_told(caplog):
    caplog.set_level("INFO")
    texts = ["서울은 크다", "부산은 작다"]
    assert built(texts, tokens="words").search(["서울의"], 1)[1].tolist() == [[-1]]  # another particle, another word
    assert built(texts).search(["서울의", "부산의"], 1)[1].tolist() == [[0], [1]]
    assert built(["cafés are big", "bars"], tokens="pairs").search(["café"], 1)[1].tolist() == [[0]]
    assert built(["灯塔 建于", "桥"], tokens="words").search(["灯塔建于", "建于"], 1)[1].tolist() == [[-1], [0]]
    german = built(["die Katzen", "das Haus"], stemmer="german", stopwords="de")
    assert german.search(["Katze das"], 2)[1].tolist() == [[0, -1]]
    built([*ZH, "a lighthouse"])
    told = [record.getMessage() for record in caplog.records]
    assert told[1].endswith("(en); pairs of letters in 2 texts with Korean or scripts without spaces")
    assert told[0] == "BM25 over 2 texts: words, stemmed (english), without stop words (en)"
    assert told[-1].endswith("(en); pairs of letters in 3 texts with Korean or scripts without spaces")
