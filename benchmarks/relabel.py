"""What another reward costs: a million records from their table of log-likelihoods, and the same through the store.

    python benchmarks/relabel.py
    python benchmarks/relabel.py --records 100000

Both ways make the same rewards without the LLM. The store is looked into by content, query by query, as labelling does
it; the table lies in the order of the records. The store's time is that of `--sampled` records, scaled up.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from side_by_side import Row, measure, write_json

from embedder.data.reward_column import RewardColumn, write_reward_column
from embedder.llm.address import output_address
from embedder.llm.score_store import ScoreStore
from embedder.rewards.reward import LikelihoodReward, RankReward, RankThenLikelihoodReward, SmoothRankReward
from embedder.rewards.tables import ScoreTable, TableWriter, rewards_of, rewards_of_file
from embedder.types import OutputScore

_ADDED = 2000  # records written together, as preparation does it


def tables(n: int, candidates: int, outputs: int, chance: np.random.Generator) -> list[ScoreTable]:
    """Random scores; one to three answers, and now and then a competitor less."""
    made = []
    for _ in range(n):
        answers = int(chance.integers(1, 4))
        shape = (1 + candidates, answers + outputs - int(chance.random() < 0.1))
        counts = np.broadcast_to(chance.integers(1, 8, shape[1]).astype(np.int32), shape)
        made.append(ScoreTable(-chance.exponential(2.0, shape) * counts, counts, answers))
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--sampled", type=int, default=2000)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--outputs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    chance = np.random.default_rng(0)
    block = tables(_ADDED, arguments.candidates, arguments.outputs, chance)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as directory:
        path, column = Path(directory) / "t.arrow", Path(directory) / "r.npy"
        with TableWriter(path) as writer:
            for start in range(0, arguments.records, _ADDED):
                writer.write(block[: arguments.records - start])
        print(f"{arguments.records:,} records, table of {path.stat().st_size / 1e6:,.0f} MB")
        some = block[: arguments.sampled]
        store = ScoreStore(Path(directory) / "store")
        for k, table in enumerate(some):
            for row in range(len(table.sums)):
                scores = [OutputScore(*pair) for pair in zip(table.sums[row], table.counts[row], strict=True)]
                store.add([output_address("llm", f"{k} {row}", str(o)) for o in range(len(scores))], scores)

        def through_the_store(reward: object) -> list[tuple[float, ...]]:
            read = []
            for k, table in enumerate(some):
                kept = [
                    store.get([output_address("llm", f"{k} {row}", str(o)) for o in range(table.sums.shape[1])])
                    for row in range(len(table.sums))
                ]
                sums = np.array([[score.sum_logprob for score in row if score] for row in kept])
                counts = np.array([[score.n_tokens for score in row if score] for row in kept], dtype=np.int32)
                read.append(ScoreTable(sums, counts, table.n_answers))
            return rewards_of(read, reward)  # type: ignore[arg-type]

        for reward in (RankReward(), RankThenLikelihoodReward(), SmoothRankReward(), LikelihoodReward()):
            name = type(reward).__name__
            found = measure(
                {
                    "table": lambda reward=reward: write_reward_column(column, rewards_of_file(path, reward)),
                    "store": lambda reward=reward: through_the_store(reward),
                },
                arguments.runs,
            )
            read = RewardColumn(column)
            expected = through_the_store(reward)
            if not all(np.allclose(read[k], expected[k], atol=1e-5) for k in range(len(some))):
                sys.exit(f"{name}: table and store disagree")
            scale = arguments.records / len(some)
            ratios = [theirs * scale / own for own, theirs in zip(*(m.seconds for m in found.values()), strict=True)]
            ours, peer = statistics.median(found["table"].seconds), statistics.median(found["store"].seconds) * scale
            rows.append(Row(name, ours, peer, statistics.median(ratios), "s", len(ratios), min(ratios), max(ratios)))
            print(
                f"  {name:26} {ours:6.1f} s   store {peer:8.0f} s   {rows[-1].ratio:5.0f} x "
                f"({min(ratios):.0f} to {max(ratios):.0f})   peak +{found['table'].peak_mb:.0f} MB"
            )
    if arguments.json:
        write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
