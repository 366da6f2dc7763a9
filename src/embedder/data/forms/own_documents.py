"""BEIR's rule that a query is never compared with the document of its own id: ArguAna's queries are documents."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from embedder.data.forms.form import Rows

logger = logging.getLogger(__name__)


class OwnDocuments:
    """Finds the queries that have a document of their own id; ids of queries are all that is held in memory.

    Source: Thakur et al., NeurIPS Datasets and Benchmarks 2021; `ignore_identical_ids` of its code.

    Args:
        query_ids: Of all queries.
    """

    def __init__(self, query_ids: Collection[str]) -> None:
        self._query_ids, self._own = query_ids, set[str]()

    def noted(self, corpus: Rows) -> Rows:
        """The keys unchanged; those with the id of a query are remembered."""
        for row in corpus:
            if row["id"] in self._query_ids:
                self._own.add(row["id"])
            yield row

    def fields(self, gold: Mapping[str, Sequence[str]], label: str) -> dict[str, dict[str, Any]]:
        """Of each query `pos` and, where it has a document of its own, `exclude`; `noted` must have been read before.

        Args:
            gold: Gold keys by query id.
            label: What the judgments are called in the log: ids may coincide by chance, as where both are numbered.
        """
        own = [query_id for query_id in gold if query_id in self._own]
        n_dropped = sum(gold[query_id].count(query_id) for query_id in own)
        if own:
            logger.log(
                logging.WARNING if n_dropped else logging.INFO,
                "%s: %d queries have the id of a document; it is left out for them, as in BEIR, like %d judgments "
                "that it is right; if the ids coincide by chance, give the queries others",
                label,
                len(own),
                n_dropped,
            )
        fields: dict[str, dict[str, Any]] = {query_id: {"pos": list(key_ids)} for query_id, key_ids in gold.items()}
        for query_id in own:
            kept = [key_id for key_id in gold[query_id] if key_id != query_id]
            fields[query_id] = {"pos": kept, "exclude": [query_id]}
        return fields
