"""Every row of every data set, one after the other, into the folder of the evaluation."""

import logging
from collections.abc import Mapping, Sequence

from embedder.evaluation.dataset_rows import DatasetRows, EvaluationSettings
from embedder.evaluation.datasets import EvaluatedDataset
from embedder.evaluation.rows import TableRow
from embedder.files import write_atomically
from embedder.preparation.long_prompts import query_named
from embedder.results.folder import EvaluationFolder
from embedder.results.needed import questions_text
from embedder.results.resampling import Sampling
from embedder.results.scores import Scores
from embedder.results.table import render
from embedder.results.titles import TITLES, UPPER_BOUND

logger = logging.getLogger(__name__)


def evaluate(
    datasets: Sequence[EvaluatedDataset],
    rows: Mapping[str, Sequence[TableRow]],
    settings: EvaluationSettings,
    folder: EvaluationFolder,
) -> None:
    """Score all rows and write them, each when it is done; those that lie in the folder already are kept.

    Args:
        datasets: What is evaluated.
        rows: By task.
        settings: What every data set is evaluated by.
        folder: Where the rows go, with their table.
    """
    for evaluated in datasets:
        dataset_rows = DatasetRows(evaluated, settings, rows[evaluated.task.name])
        has_gold = any(query.positives for query in evaluated.queries)
        for row in rows[evaluated.task.name]:
            where = f"{evaluated.name}: {row.title}"
            if row.title == UPPER_BOUND and not has_gold:
                logger.info("%s is left out, because no query has gold keys", where)
                continue
            scored = dataset_rows.row(row.title, row.about)
            if folder.take(scored):
                logger.info("%s was scored before and is skipped", where)
                continue
            logger.info("%s over %d keys, %d queries", where, len(evaluated.corpus), len(evaluated.queries))
            with query_named(evaluated.dataset.file("test"), evaluated.queries):
                folder.add(*dataset_rows.score(row, scored))
            _write_table(folder, sampling=None)
    folder.close()
    _write_table(folder, sampling=Sampling())


def _write_table(folder: EvaluationFolder, *, sampling: Sampling | None) -> None:
    table = render(folder.rows, sampling=sampling)
    needed = questions_text(folder.rows)
    text = f"{table}\n\n{needed}\n" if needed else f"{table}\n"
    write_atomically(folder.scores_path.with_name("table.md"), text)


def optimised(scores: Scores, name: str) -> float | None:
    """The mean over data sets and tasks of a metric: of the named row, or else of the trained or the base encoder.

    Args:
        scores: Of an evaluation.
        name: As `ndcg@10` or `hybrid/ndcg@10`.
    """
    row, _, metric = name.rpartition("/")
    titles = [TITLES.get(row, row)] if row else [TITLES["trained"], TITLES["base"]]
    who = next((title for title in titles if title in scores.retrievers), None)
    return None if who is None else scores.value(metric, who, scores.datasets())
