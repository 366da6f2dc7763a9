"""What a tuning costs is added up over all its starts."""

import contextlib

import pytest

from embedder.errors import DataError
from embedder.llm.usage import Price, Usage
from embedder.rewards.costs import Costs, speed_of


def test_costs_of_a_stopped_start_are_counted_in_the_next(tmp_path):
    path, price = tmp_path / "costs.json", Price(input=2.0, output=10.0)
    usage = Usage()
    first = Costs(path, usage, price)
    with contextlib.suppress(KeyboardInterrupt), first.stage("labels"):
        usage.asked_for("score", tokens=3000, read=9000, written=3000)  # 2250 tokens read, 750 written
        raise KeyboardInterrupt
    usage = Usage()
    second = Costs(path, usage, price)
    with second.stage("labels"):
        usage.asked_for("score", tokens=1000, read=3000, written=1000)
    assert (second.asked.read, second.asked.written) == (3000, 1000)
    assert second.money == pytest.approx((3000 * 2 + 1000 * 10) / 1e6)
    assert [stage["name"] for stage in second.as_json()["stages"]] == ["labels", "labels"]
    assert "3,000 tokens that the LLM read and 1,000 that it wrote" in second.sentence()


@pytest.mark.parametrize("damaged", ["", '{"a"', "[1]", '[{"nam": "labels"}]', '{"llm": "fast"}', "\xff"])
def test_damaged_files_of_costs_are_named(damaged, tmp_path):
    for name in ("costs.json", "speed.json"):
        (tmp_path / name).write_bytes(damaged.encode("latin-1"))
    with pytest.raises(DataError, match=r"costs\.json: damaged, not what an earlier run wrote: delete it \("):
        Costs(tmp_path / "costs.json", Usage(), Price(input=2.0, output=10.0))
    with pytest.raises(DataError, match=r"speed\.json: damaged"):
        speed_of(tmp_path, "llm")
