"""Compare a written answer with the gold answers: exact match, F1, and whether a text contains an answer."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from embedder.texts import letters_spaced, words

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation)) | {
    code: None for code in (*range(0x3000, 0x3040), *range(0xFF00, 0xFF66)) if unicodedata.category(chr(code))[0] == "P"
}  # of ASCII, and of Chinese and Japanese: no English text has these


def normalise_answer(text: str) -> str:
    """Lower-case, drop punctuation (of ASCII, Chinese and Japanese) and English articles, and squeeze white space.

    >>> normalise_answer(" The  Lighthouse, of Oru!")
    'lighthouse of oru'

    Source: Rajpurkar et al., EMNLP 2016 (SQuAD), evaluation script.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> bool:
    """Whether the prediction equals any answer after `normalise_answer`.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    return normalise_answer(prediction) in {normalise_answer(answer) for answer in checked_answers(answers)}


def f1(prediction: str, answers: Sequence[str]) -> float:
    """Overlap of words with the closest answer, in [0, 1].

        f1 = 2 c / (p + a)

    with c common words (counted with repetition), p words in the prediction and a in the answer, after
    `normalise_answer`; of scripts without spaces between words each letter counts as a word. It is 0 where nothing is
    common, so two empty texts score 0 although they match exactly.

    >>> f1("the lighthouse of Oru", ["Oru"])  # 1 of 3 words (no article), 1 of 1
    0.5

    Source: Rajpurkar et al., EMNLP 2016 (SQuAD), evaluation script.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    return max(_f1(normalise_answer(prediction), normalise_answer(answer)) for answer in checked_answers(answers))


def contains(prediction: str, answers: Sequence[str]) -> bool:
    """Whether the prediction has any answer as a part, both after `normalise_answer`; an empty answer is in nothing.

    Source: Schick et al., NeurIPS 2023 (Toolformer); known as sub-string or cover exact match.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    text = normalise_answer(prediction)
    return any(answer in text for answer in map(normalise_answer, checked_answers(answers)) if answer)


def popqa_accuracy(generation: str, answers: Sequence[str]) -> bool:
    """Whether any answer, as it is, in lower case or capitalised, is a part of the generation.

    Source: Mallen et al., ACL 2023 (PopQA).

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    forms = (form for answer in checked_answers(answers) for form in (answer, answer.lower(), answer.capitalize()))
    return any(form in generation for form in forms)


def has_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether the tokens of any answer stand side by side in the text, ignoring case but not accents.

    A token is a run of letters, digits and combining marks, or one other visible character; of scripts without spaces
    between words, such as Chinese, each letter is one. An answer without any token (an empty string) is never found.

    >>> has_answer("It was built in 1964.", ["1964"]), has_answer("It was built in 1964.", ["64"])
    (True, False)

    Source: Karpukhin et al., EMNLP 2020 (DPR), answer matching.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    haystack = _tokens(text)
    return any(needle in haystack for needle in map(_tokens, checked_answers(answers)) if needle.strip())


def checked_answers(answers: Sequence[str]) -> Sequence[str]:
    """The answers; a single string is refused, since it would be read as a list of one-letter answers.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    if isinstance(answers, str) or not answers:
        raise ValueError(f"answers: expected a non-empty list of strings, got {answers!r}")
    return answers


def _f1(prediction: str, answer: str) -> float:
    predicted, gold = words(prediction), words(answer)
    common = (Counter(predicted) & Counter(gold)).total()
    return 2 * common / (len(predicted) + len(gold)) if common else 0.0


def _tokens(text: str) -> str:
    """Lower-case tokens with one space before, between and after, so that `in` compares whole tokens."""
    spaced = letters_spaced(unicodedata.normalize("NFD", text))
    return " " + " ".join("".join(map(_spaced, spaced)).lower().split()) + " "


@lru_cache(maxsize=4096)
def _spaced(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LNM":
        return character
    return " " if category[0] in "ZC" else f" {character} "
