"""Which keys of a corpus a query may be compared with: all, or those of its own dialogue, document or example pool."""

from embedder.types import Eligible, KeyStore, Query


def eligible_keys(query: Query, corpus: KeyStore) -> Eligible:
    """The positions that any ranking of the query is made of.

    Args:
        query: Names the run of keys (`among`) and those left out of it (`exclude`) by their ids.
        corpus: Where the keys are; a view may lack those that are left out.

    Raises:
        KeyError: The corpus that the query was made for has no such key.
    """
    start, stop = (0, len(corpus)) if query.among is None else corpus.span(*query.among)
    without = set()
    for key_id in query.exclude:
        try:
            position = corpus.position(key_id)
        except KeyError:  # not in this view: nothing to leave out
            continue
        if start <= position < stop:
            without.add(position)
    return Eligible(start, stop, frozenset(without))
