"""Corpora that several question sets share."""

import gzip

import pytest

from embedder.public import Passages, Table


@pytest.fixture
def wikipedia(tmp_path):
    """Two passages as DPR publishes them: tab-separated, quoted where the text has quotes."""
    rows = 'id\ttext\ttitle\n1\t"Aaron ""the"" prophet."\tAaron\n2\tnull\tNull\n'
    with gzip.open(tmp_path / "psgs_w100.tsv.gz", "wt") as file:
        file.write(rows)
    options = {"delimiter": "\t", "keep_default_na": False}
    return Passages(Table("csv", files=str(tmp_path / "psgs_w100.tsv.gz"), options=options))
