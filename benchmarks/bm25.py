"""BM25 over growing corpora: time and memory of building and searching, in memory and mapped from its files.

    python benchmarks/bm25.py
    python benchmarks/bm25.py --corpus DIR/qa/nq/corpus.jsonl --sizes 50000 100000 200000 400000 1000000 --at 21000000

A passage is put together from pieces of 30 words of three passages of the corpus, so that there can be any number.
Each size runs in a process of its own. The last line continues the straight line through what was measured: computed.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import bm25s
import numpy as np

from embedder.index.bm25_index import BM25Index
from embedder.world import WorldSettings, write_world

PIECE, PIECES, QUERIES, TOP_K = 30, 3, 100, 10
COLUMNS = ("built_s", "built_gb", "file_gb", "search_ms", "mapped_gb", "mapped_ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 40_000, 80_000])
    parser.add_argument("--at", type=int, default=21_000_000, help="the size that is computed")
    parser.add_argument("--corpus", type=Path, nargs="*", help="JSON Lines with `text`; by default the bundled world")
    parser.add_argument("--words", type=Path, help="a JSON list of texts, made from the corpus")
    parser.add_argument("--mapped", type=Path, help="search an index in this folder, in this process")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.mapped:
        print(json.dumps(mapped(arguments.mapped, arguments.words)))
        return
    if arguments.words:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(of_size(arguments.sizes[0], arguments.words, Path(folder))))
        return
    with tempfile.TemporaryDirectory() as directory:
        words = Path(directory) / "words.json"
        words.write_text(json.dumps(texts_of(arguments.corpus, Path(directory))), encoding="utf-8")
        found = [in_a_process("--sizes", str(size), "--words", str(words)) for size in arguments.sizes]
    lines = [np.polyfit(arguments.sizes, [row[name] for row in found], 1) for name in COLUMNS]
    computed = {name: float(np.polyval(line, arguments.at)) for name, line in zip(COLUMNS, lines, strict=True)}
    measured = [(size, row, "measured") for size, row in zip(arguments.sizes, found, strict=True)]
    for size, row, kind in [*measured, (arguments.at, computed, "computed")]:
        print(
            f"{size:12,} passages ({kind}): built in {row['built_s']:.0f} s of processor, {row['built_gb']:.2f} GB at "
            f"most; files {row['file_gb']:.2f} GB; a query takes {row['search_ms']:.1f} ms in memory, "
            f"{row['mapped_ms']:.1f} ms mapped with {row['mapped_gb']:.2f} GB of its own",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"measured": found, "computed": computed}, indent=1), encoding="utf-8")


def in_a_process(*arguments: str) -> dict[str, float]:
    """What this script prints in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


def texts_of(corpora: list[Path] | None, directory: Path) -> list[str]:
    """The texts that passages are put together from."""
    if not corpora:
        write_world(WorldSettings(passages=5000, questions=10, test_share=0.5, tasks=("qa",)), directory)
        corpora = [directory / "qa" / "corpus.jsonl"]
    return [json.loads(line)["text"] for path in corpora for line in path.open(encoding="utf-8")]


def passages(texts: list[str], count: int) -> Iterator[str]:
    """So many passages, the same for every call."""
    chance, words = random.Random(0), [text.split() for text in texts]
    for _ in range(count):
        pieces = []
        for own in chance.choices(words, k=PIECES):
            start = chance.randrange(max(1, len(own) - PIECE))
            pieces += own[start : start + PIECE]
        yield " ".join(pieces)


def queries_of(texts: list[str]) -> list[str]:
    """Eight words in a row of some texts."""
    chance = random.Random(1)
    return [" ".join(text.split()[3:11]) for text in chance.choices(texts, k=QUERIES)]


def of_size(count: int, words: Path, folder: Path) -> dict[str, float]:
    """Build, search, save; and search from the files."""
    texts = json.loads(words.read_text(encoding="utf-8"))
    index = BM25Index()
    before, begin = memory_gb("VmHWM"), time.process_time()
    index.build(passages(texts, count))
    built, peak = time.process_time() - begin, memory_gb("VmHWM") - before
    row = {"passages": count, "built_s": built, "built_gb": peak, "search_ms": search_ms(index, texts)}
    index._bm25.save(folder / "bm25")
    row["file_gb"] = sum(path.stat().st_size for path in (folder / "bm25").iterdir()) / 1e9
    del index
    return row | in_a_process("--mapped", str(folder / "bm25"), "--words", str(words))


def mapped(folder: Path, words: Path) -> dict[str, float]:
    """Search an index from its files."""
    texts = json.loads(words.read_text(encoding="utf-8"))
    index = BM25Index()
    before = memory_gb("RssAnon")
    index._bm25 = bm25s.BM25.load(folder, mmap=True)
    index._size = int(index._bm25.scores["num_docs"])
    milliseconds = search_ms(index, texts)
    return {"mapped_ms": milliseconds, "mapped_gb": memory_gb("RssAnon") - before}


def search_ms(index: BM25Index, texts: list[str]) -> float:
    """Milliseconds of processor for a query."""
    queries = queries_of(texts)
    index.search(queries[:1], TOP_K)
    begin = time.process_time()
    index.search(queries, TOP_K)
    return 1000 * (time.process_time() - begin) / len(queries)


def memory_gb(kind: str) -> float:
    """Of this process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{kind}:")) * 1024 / 1e9


if __name__ == "__main__":
    main()
