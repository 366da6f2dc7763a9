"""An LLM that says what a test wants it to say."""

from embedder.consumers.consumer import Scene
from embedder.types import Key, OutputScore, Ranking


class ScriptedLanguageModel:
    """Writes `write(prompt)` and scores `score_of(prompt, output)` nats a token; keeps what it was asked."""

    fingerprint = "scripted"
    tokens_run = 0

    def __init__(self, write=lambda prompt: "", score_of=lambda prompt, output: -1.0, max_words=10_000):
        self._write, self._score_of = write, score_of
        self._max_words = max_words
        self.prompts, self.settings = [], []

    def fits(self, prompts, max_new_tokens):
        return [len(prompt.split()) + max_new_tokens <= self._max_words for prompt in prompts]

    def score(self, prompts, outputs):
        return [
            [OutputScore(self._score_of(prompt, output) * 2, 2) for output in some]
            for prompt, some in zip(prompts, outputs, strict=True)
        ]

    def generate(self, prompts, max_new_tokens, stop=("\n",)):
        self.prompts += prompts
        self.settings.append((max_new_tokens, tuple(stop)))
        return [self._write(prompt) for prompt in prompts]

    def answer(self, prompts, outputs, max_new_tokens):
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def sample(self, prompts, n, max_new_tokens, temperature, seeds):
        return [[f"wrong {k}" for k in range(n)] for _ in prompts]


class Keys(list):
    """A corpus in memory."""

    def __init__(self, **texts):
        super().__init__(Key(name, text) for name, text in texts.items())

    def position(self, key_id):
        return [key.id for key in self].index(key_id)

    def span(self, first_id, last_id):
        return self.position(first_id), self.position(last_id) + 1

    def texts(self):
        return [key.text for key in self]


def ranking(*key_ids):
    return Ranking(key_ids, tuple(1.0 / place for place in range(1, len(key_ids) + 1)))


def searching(corpus, searched):
    """A search for the keys whose ids are words of the query; notes what was asked."""

    def search(queries, top_k):
        searched.extend((query.id, query.text) for query in queries)
        found = [[key.id for key in corpus if key.id in query.text.split()] for query in queries]
        return [ranking(*some[:top_k]) for some in found]

    return search


def scene(corpus, language_model, prompt, searched=None):
    return Scene(corpus, searching(corpus, [] if searched is None else searched), language_model, prompt)
