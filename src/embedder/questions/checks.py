"""Is a question that an LLM wrote about a passage one that a reader without the passage could ask, and find there?"""

import re

from embedder.metrics.text import has_answer
from embedder.questions.draft import EXAMPLES
from embedder.texts import question_form, runs, stretches

LONGEST_ANSWER = 8
"""Words: what one reads off a passage; longer answers match exactly by chance alone."""
_SHORTEST_QUESTION, _LONGEST_QUESTION = 4, 30  # words
_COPIED = 10
"""Words side by side: a question that shares so many with its passage was copied, and any word search finds it."""
_POINTS_AT_THE_PASSAGE = re.compile(
    r"\b(?:the|this|that|above|following|given|provided)\s+"
    r"(?:\w+\s+)?(?:passage|text|paragraph|article|excerpt|document|section|sentence|statement|snippet|context|author|"
    r"narrator|speaker|writer|story|title|answer|question)\b"
    r"|\b(?:in|from|according to|of|by)\s+(?:this|these|it)\b|\bmentioned\b|\bdescribed (?:above|here)\b"
    r"|\bthe main (?:character|idea|topic|point|theme|purpose|antagonist|protagonist)\b",
    re.IGNORECASE,
)
_NO_SUBJECT = re.compile(
    r"^(?:\w+[\s,]+){0,4}?(?:he|she|it|they|his|her|its|their|him|them|this|these|that|those|there|we|our|us|i|my|you|your)\b",
    re.IGNORECASE,
)
"""A pronoun among the first words, before anything that it could stand for."""
_WORD = re.compile(r"\w+")
_NAMES = {word for one in EXAMPLES for word in _WORD.findall(one.question)[1:] if word.istitle()}
"""Of what the examples in the prompt ask about: made up, but a small LLM goes on asking about them."""

NO_FORM = "not in the form of a question and an answer"
LENGTH = "the question is too short or too long"
LONG_ANSWER = "the answer is too long"
ELSEWHERE = "the answer is not in the passage"
GIVEN_AWAY = "the answer is in the question"
COPIED = "the question is copied from the passage"
POINTS = "the question makes sense beside its passage only"
OF_EXAMPLE = "the question is about an example in the prompt"
REASONS = (NO_FORM, LENGTH, LONG_ANSWER, ELSEWHERE, GIVEN_AWAY, COPIED, POINTS, OF_EXAMPLE)
"""In the order in which they are looked for."""


def fault(question: str, answer: str, passage: str) -> str | None:
    """Why a question is dropped; None if nothing is wrong with it.

    >>> fault("When was the lighthouse at Oru finished?", "1783", "The lighthouse at Oru was finished in 1783.")
    >>> fault("When was it finished according to the text?", "1783", "The lighthouse at Oru was finished in 1783.")
    'the question makes sense beside its passage only'

    Args:
        question: What the LLM asks.
        answer: What it answers itself.
        passage: As the LLM read it.
    """
    if not _SHORTEST_QUESTION <= len(stretches(question)) <= _LONGEST_QUESTION:
        return LENGTH
    if len(stretches(answer)) > LONGEST_ANSWER:
        return LONG_ANSWER
    if not has_answer(passage, [answer]):
        return ELSEWHERE
    if has_answer(question, [answer]):
        return GIVEN_AWAY
    if _shares_run(question, passage):
        return COPIED
    if _POINTS_AT_THE_PASSAGE.search(question) or _NO_SUBJECT.search(question):
        return POINTS
    if _NAMES & set(_WORD.findall(question)) - set(_WORD.findall(passage)):
        return OF_EXAMPLE
    return None


def _shares_run(question: str, passage: str) -> bool:
    """Whether `_COPIED` words of the question, or all but the first, stand side by side in the passage."""
    asked, read = runs(question_form(question)), f" {' '.join(runs(question_form(passage)))} "
    n = min(_COPIED, len(asked) - 1)
    return any(f" {' '.join(asked[k : k + n])} " in read for k in range(len(asked) - n + 1))
