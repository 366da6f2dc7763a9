"""What the recipe would take on GPUs: the arithmetic of the script, and of the table that the page shows."""

import importlib.util
import re

import pytest

from tests.docs.in_docs import ROOT


@pytest.fixture(scope="module")
def cluster():
    spec = importlib.util.spec_from_file_location("cluster", ROOT / "benchmarks" / "cluster.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hours_by_hand(cluster):
    # 2 operations a weight: 2 * 7e9 * 1e9 = 1.4e19; half of 280 teraflops are 1.4e14 a second: 1e5 s = 27.8 h.
    assert cluster.gpu_hours(1e9, 7e9, 2, 280, 0.5) == pytest.approx(1e5 / 3600)
    # 100 tokens of examples once and 2, 3 and 4 of three keys; the prompt without a key has examples of another kind.
    examples = list(range(100))
    prompts = [[*examples, *[key] * (key - 198)] for key in (200, 201, 202)] + [[500] * 40]
    assert cluster.read_once(prompts) == 100 + 2 + 3 + 4 + 40


def test_the_table_of_the_page_follows_from_its_tokens(cluster):
    page = (ROOT / "docs/paper.md").read_text()
    reads, trains = map(float, re.search(r"share of the peak: LLM ([\d.]+), encoder ([\d.]+)", page).groups())
    rows = re.findall(r"^\| ((?:labels|training|evaluation): .*?) \| (.*) \|$", page, flags=re.M)
    assert len(rows) > 5
    for name, cells in rows:
        billions, *said = (float(cell.replace(",", "")) for cell in cells.split(" | "))
        reader = (cluster.LLM, cluster.FORWARD, 312, reads)
        encoder = (cluster.ENCODER, cluster.TRAINED, 312, trains)
        hours = cluster.gpu_hours(billions * 1e9, *(encoder if name.startswith("training") else reader))
        assert said == pytest.approx([hours, hours / 8, hours * 2], rel=0.05, abs=0.6), name
