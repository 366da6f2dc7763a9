"""Documents are cut by headings and sentences, and nothing is lost."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.documents import passages
from embedder.documents.document import Writing, whole
from embedder.documents.passages import Cutting
from embedder.texts import stretches


def texts(document, **cut):
    return [document.text[p.start : p.end] for p in Cutting(**cut).passages(document)]


def written(*parts):
    """A document of headings (level, text) and paragraphs."""
    writing = Writing()
    for part in parts:
        if isinstance(part, str):
            writing.block(part)
        else:
            writing.heading(*part)
    return writing.document()


FOUR = "One two three. Four five. Six seven eight nine. Ten eleven."  # sentences of 3, 2, 4 and 2 words


def test_sentences_by_hand():
    # 3 + 2 fit in 7 words, 4 more do not. Then 2 are repeated, and half of 2 + 4 + 2 is reached after 2 + 4.
    assert texts(whole(FOUR), words=7, overlap=1) == [
        "One two three. Four five.",
        "Four five. Six seven eight nine.",
        "Six seven eight nine. Ten eleven.",
    ]


def test_without_overlap_by_hand():
    assert texts(whole(FOUR), words=6, overlap=0) == ["One two three. Four five.", "Six seven eight nine. Ten eleven."]


def test_what_does_not_fit_is_not_repeated():
    # Two sentences should come again: 3 + 2, but with the next 4 that is more than 6. One, 2 + 4, fits.
    assert texts(whole(FOUR), words=6, overlap=2)[1].startswith("Four five. Six")


def test_the_rest_of_a_section_is_shared_evenly():
    sentences = " ".join(f"Now sentence {n}." for n in range(5))  # 15 words: 12 and 3 would be uneven
    assert [len(text.split()) for text in texts(whole(sentences), words=12, overlap=0)] == [9, 6]


def test_a_long_sentence_is_cut_between_lines_or_words_and_never_inside_a_word():
    lines = "alpha beta gamma\ndelta epsilon zeta eta theta"
    assert texts(whole(lines), words=3, overlap=0) == ["alpha beta gamma", "delta epsilon zeta", "eta theta"]


def test_headings_cut_and_name_passages():
    document = written("Before.", (1, "Guide"), "About it.", (2, "Install"), "Run pip.", (1, "Other"), "The end.")
    found = list(Cutting(min_words=0).passages(document))
    assert [p.headings for p in found] == [(), ("Guide",), ("Guide", "Install"), ("Other",)]
    assert texts(document, min_words=0) == ["Before.", "About it.", "Run pip.", "The end."]


def test_small_sections_with_a_common_heading_are_joined_with_their_headings_in_the_text():
    document = written((1, "Guide"), (2, "Install"), "Run pip.", (2, "Use"), "Run it.", (1, "Other"), "The end.")
    found = list(Cutting(min_words=20).passages(document))
    assert [p.headings for p in found] == [("Guide",), ("Other",)]
    assert texts(document) == ["Install\n\nRun pip.\n\nUse\n\nRun it.", "The end."]


def test_a_heading_without_text_is_a_passage_unless_headings_stand_below_it():
    document = written((1, "Guide"), (2, "Install"), (1, "To do"))
    assert texts(document) == ["Install", "To do"]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (
            "en",
            "Dr. Smith paid 3.50 to J. R. R. Tolkien. He left!",
            ["Dr. Smith paid 3.50 to J. R. R. Tolkien.", "He left!"],
        ),
        ("de", "Das kam am 3. Oktober z. B. an. Er ging.", ["Das kam am 3. Oktober z. B. an.", "Er ging."]),
        ("zh", "这是第一句。这是第二句。好", ["这是第一句。", "这是第二句。", "好"]),
        ("ja", "東京は首都です。大阪は違います。", ["東京は首都です。", "大阪は違います。"]),
        ("hi", "यह पहला है। यह दूसरा है।", ["यह पहला है।", "यह दूसरा है।"]),
        ("ar", "هل هذا صحيح؟ نعم.", ["هل هذا صحيح؟", "نعم."]),
        ("en", "It ran in bfloat16 (AMX). So it was fast.", ["It ran in bfloat16 (AMX).", "So it was fast."]),
    ],
)
def test_sentences_of_languages(language, text, expected):
    longest = max(len(stretches(sentence)) for sentence in expected)
    assert texts(whole(text), words=longest, overlap=0, language=language) == expected


WORDS = st.sampled_from(
    ["alpha", "b", "東京", "ห้อง", "naïve", "U.S.", "3.5", "end.", "Why?", "句。", "\n", "\n\n", "\u00a0", "😀"]
)
DOCUMENTS = st.lists(st.one_of(st.tuples(st.integers(1, 3), st.sampled_from("ABC")), st.lists(WORDS).map(" ".join)))


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, st.integers(1, 12), st.integers(0, 3), st.integers(0, 8))
def test_nothing_is_lost_or_too_long(parts, words, overlap, min_words):
    document = written(*parts)
    found = list(Cutting(words, overlap, min_words).passages(document))
    held = set()
    for passage in found:
        text = document.text[passage.start : passage.end]
        assert text == text.strip() != ""
        assert len(stretches(text)) <= words or (text,) == passage.headings[-1:]
        held |= set(range(passage.start, passage.end)) | set(passage.headings)
    assert [p.start for p in found] == sorted({p.start for p in found})
    for section in document.sections:
        own = {n for n in range(section.body, section.end) if not document.text[n].isspace()}
        assert own <= held
        heading = {n for n in range(section.start, section.body) if not document.text[n].isspace()}
        assert heading <= held or section.headings[-1] in held


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(9, 30), st.integers(0, 3))
def test_the_overlap_is_as_set(sizes, words, overlap):
    sentences = [" ".join([f"Word{n}", *[f"w{n}x{m}" for m in range(size - 1)]]) + "." for n, size in enumerate(sizes)]
    sizes = [len(sentence.split()) for sentence in sentences]
    passages = texts(whole(" ".join(sentences)), words=words, overlap=overlap)
    which = [re.findall(r"Word[^.]*\.", text) for text in passages]
    assert [text.split() for text in passages] == [" ".join(some).split() for some in which]
    for before, after in pairwise(which):
        shared = next(n for n in range(len(before), -1, -1) if before[len(before) - n :] == after[:n])
        assert shared <= overlap
        if shared < min(overlap, len(before) - 1):  # one more would not fit beside the first new one
            assert sum(len(s.split()) for s in [before[len(before) - shared - 1], *after[: shared + 1]]) > words


@pytest.mark.parametrize("end", [" ", "\n", "\n\n", "\n \n\n"])
def test_nothing_of_a_long_text_is_lost(end):
    # sentencex leaves white space out every few thousand characters, so its pieces do not follow each other
    text = end.join(f"Sentence number {n} is not like the others 😀 (é)." for n in range(2000))
    document = whole(text)
    found = list(Cutting(words=40, overlap=0).passages(document))
    assert " ".join(text[p.start : p.end] for p in found).split() == text.split()
    assert all(text[p.start : p.end].startswith("Sentence number") for p in found)


def test_a_text_that_is_looked_at_in_windows_is_cut_alike(monkeypatch):
    text = "\n\n".join(f"Paragraph {n} begins here. It ends there." for n in range(60))
    whole_text = texts(whole(text), words=20)
    monkeypatch.setattr(passages, "_WINDOW", 70)
    assert texts(whole(text), words=20) == whole_text
