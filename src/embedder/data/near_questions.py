"""Questions that are worded nearly alike: the words that they share, weighted by how rare these are."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from embedder.texts import letters, question_form, runs

_ROUNDING = 1e-9  # of sums of weights


class NearQuestions:
    """Finds, among some questions, those that share most of the wording of another one.

        similarity(a, b) = weight(words of both) / weight(words of either)
        weight(word) = log(1 + N / n(word)), of a word that n(word) of the N questions have, n at least 1

    It is 1 for the same words in any order. Weights let questions of one template differ by the name in it. Letter
    case and punctuation do not count.

    Args:
        questions: The N questions.
        limit: The similarity from which two questions are near.
    """

    def __init__(self, questions: Sequence[str], limit: float) -> None:
        self._limit = limit
        self._words = [_words(question) for question in questions]
        self._with: dict[str, list[int]] = defaultdict(list)
        for index, own in enumerate(self._words):
            for word in own:
                self._with[word].append(index)
        self._weights = [sum(map(self._weight, own)) for own in self._words]

    def like(self, question: str) -> Iterator[tuple[int, float]]:
        """Indices of the near ones, with their similarity.

        The shared words weigh at least `limit` of all words of the question, so one of them is among its heaviest ones:
        those that are left when words of less than `limit` together are put aside. Only these are looked up.
        """
        own = _words(question)
        weights = sorted(((self._weight(word), word) for word in own), reverse=True)
        left = total = sum(weight for weight, _ in weights)
        found: set[int] = set()
        for weight, word in weights:
            if left < self._limit * total - _ROUNDING:
                break
            found.update(self._with.get(word, ()))
            left -= weight
        for index in sorted(found):
            shared = sum(map(self._weight, own & self._words[index]))
            similarity = shared / (total + self._weights[index] - shared)
            if similarity >= self._limit - _ROUNDING:
                yield index, similarity

    def _weight(self, word: str) -> float:
        return math.log(1 + len(self._words) / max(1, len(self._with.get(word, ()))))


def _words(question: str) -> frozenset[str]:
    return frozenset(letter for run in runs(question_form(question)) for letter in letters(run))
