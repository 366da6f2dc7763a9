"""Indexes side by side: our search over FAISS's own, and a million vectors by each file of conf/index.

    python benchmarks/index.py
    python benchmarks/index.py --indexes flat ivf_sq8 --settings nprobe=8 nprobe=64

The vectors are drawn: clusters of unequal size, and numbers of falling variance as those of encoders have, rotated.
The queries are drawn like them. Every index is built, saved and searched from its file, mapped, in a process of its
own, which reads the vectors from a file; its memory is the most that it held, the pages of these files included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from hydra.utils import instantiate
from omegaconf import OmegaConf
from side_by_side import Row, compare, measure, write_json

from embedder.index.array_vectors import ArrayVectors
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import fill_index
from embedder.index.measure import Truth, measure_search

CONF = Path(__file__).parents[1] / "conf" / "index"
CLUSTERS, TOP_K, BLOCK = 5000, 10, 50_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--indexes", nargs="*", default=["flat", "exact", "ivf_flat", "ivf_sq8", "ivf_pq", "hnsw"])
    parser.add_argument("--settings", nargs="*", default=[], help="searched with these too, as nprobe=64")
    parser.add_argument(
        "--side-by-side", type=int, default=100_000, help="vectors of the comparison with FAISS; 0: none"
    )
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where vectors and indexes are kept; by default a temporary one")
    parser.add_argument("--index", help="measure this one, in this process")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.index:
        print(json.dumps(of_one(arguments.index, arguments.folder, arguments.settings)))
        return
    rows = beside_faiss(arguments.side_by_side, arguments.dimension, arguments.runs) if arguments.side_by_side else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        write_vectors(folder, arguments.vectors, arguments.dimension, arguments.queries)
        for name in arguments.indexes:
            command = [sys.executable, __file__, "--index", name, "--folder", str(folder), "--settings"]
            done = subprocess.run([*command, *arguments.settings], stdout=subprocess.PIPE, text=True)  # noqa: S603
            if done.returncode:
                print(f"{name}: failed", flush=True)
                continue
            for found in json.loads(done.stdout.splitlines()[-1]):
                print(line(name, found), flush=True)
    if arguments.json:
        write_json(arguments.json, rows)


def beside_faiss(count: int, dimension: int, runs: int) -> list[Row]:
    """Processor time of searching by our class, and by the FAISS index in it."""
    draw = drawn(dimension)
    array, queries, rows = draw(0, count), draw(1, 256), []
    for factory, settings in (("Flat", {}), ("IVFn,SQ8", {"nprobe": 16}), ("HNSW32", {"ef_search": 64})):
        index = FaissIndex(factory, **settings)
        fill_index(index, ArrayVectors(array[: 50_000 if "HNSW" in factory else count]))
        searches = {"ours": index.search, "faiss": index._index.search}
        ways = {
            "64 queries, one by one": lambda search: [search(queries[n : n + 1], TOP_K) for n in range(64)],
            "256 queries together": lambda search: search(queries, TOP_K),
        }
        for name, way in ways.items():
            found = measure({who: partial(way, search) for who, search in searches.items()}, runs, time.process_time)
            row = compare(f"{factory}, {name}", found["ours"], found["faiss"])
            rows.append(row)
            print(
                f"{row.name}: ours {1000 * row.ours:.1f} ms, faiss {1000 * row.peer:.1f} ms, faiss / ours "
                f"{row.ratio:.3f} ({row.lowest_ratio:.3f} to {row.highest_ratio:.3f})",
                flush=True,
            )
    return rows


def drawn(dimension: int) -> Callable[[int, int], Any]:
    """A function that draws so many unit vectors from a seed, all of one distribution."""
    generator = np.random.default_rng(7)
    spectrum = (1 + np.arange(dimension)) ** -0.4
    rotation = np.linalg.qr(generator.normal(size=(dimension, dimension)))[0].astype(np.float32)
    centres = (generator.normal(size=(CLUSTERS, dimension)) * spectrum).astype(np.float32)
    sizes = 1 / (10 + np.arange(CLUSTERS))
    sizes /= sizes.sum()

    def draw(seed: int, count: int) -> Any:
        chance = np.random.default_rng([seed, 3])
        noise = chance.normal(size=(count, dimension)) * spectrum
        vectors = (centres[chance.choice(CLUSTERS, count, p=sizes)] + 0.8 * noise) @ rotation
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return draw


def write_vectors(folder: Path, count: int, dimension: int, queries: int) -> None:
    """The vectors, the queries, and the scores of the best answers, unless they are there."""
    path = folder / "vectors.npy"
    if path.is_file():
        return
    draw = drawn(dimension)
    unfinished = folder / "unfinished.npy"
    array = np.lib.format.open_memmap(unfinished, "w+", np.float32, (count, dimension))
    for start in range(0, count, BLOCK):
        array[start : start + BLOCK] = draw(2 + start, min(BLOCK, count - start))
    array.flush()
    np.save(folder / "queries.npy", draw(1, queries))
    truth = Truth.of(ArrayVectors(array), np.load(folder / "queries.npy"), TOP_K)
    np.save(folder / "least.npy", truth.least)
    unfinished.rename(path)


def of_one(name: str, folder: Path, settings: list[str]) -> list[dict[str, Any]]:
    """Build an index, and search it from its file with its own settings and with others."""
    vectors = ArrayVectors(np.load(folder / "vectors.npy", mmap_mode="r"))
    truth = Truth(np.load(folder / "queries.npy"), np.load(folder / "least.npy"), TOP_K)
    index, path = instantiate(OmegaConf.load(CONF / f"{name}.yaml"))(), folder / f"{name}.faiss"
    begin, begin_cpu = time.perf_counter(), time.process_time()
    fill_index(index, vectors)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    built = peak_gb()
    own = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    own = {key: value for key, value in own.items() if key in ("nprobe", "ef_search", "k_factor")}
    searches: dict[str, dict[str, int]] = {"": own}
    for setting in settings:
        key, _, value = setting.partition("=")
        if key in own:
            searches[setting] = own | {key: int(value)}
    if isinstance(index, FaissIndex):
        index.save(path)
        index = None
    found = []
    for setting, values in searches.items():
        searched = FaissIndex.load(path, mapped=True, **values) if index is None else index
        start = time.process_time()
        searched.search(truth.queries, TOP_K)
        search_cpu = (time.process_time() - start) / len(truth.queries)
        measured = measure_search(searched, vectors, truth, seconds)
        found.append(
            asdict(measured)
            | {"setting": setting, "build_cpu": cpu, "search_cpu_ms": 1000 * search_cpu}
            | {"build_gb": built, "peak_gb": peak_gb(), "threads": faiss.omp_get_max_threads()}
        )
    return found


def line(name: str, found: dict[str, Any]) -> str:
    """One row."""
    size = "no" if found["bytes_per_vector"] is None else f"{found['bytes_per_vector']:.0f}"
    return (
        f"{name} {found['setting']}: recall@{TOP_K} {found['recall']:.3f}; alone {found['p50_ms']:.2f} ms (p95 "
        f"{found['p95_ms']:.2f}); together {found['queries_per_second']:.0f} queries/s, {found['search_cpu_ms']:.2f} "
        f"ms of processor each; built in {found['build_seconds']:.0f} s ({found['build_cpu']:.0f} s of processor, "
        f"{found['threads']} threads); {size} bytes a vector on disk; memory {found['build_gb']:.2f} GB while built, "
        f"{found['peak_gb']:.2f} GB at most"
    )


def peak_gb() -> float:
    """The most memory that this process held so far."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM:")) * 1024 / 1e9


if __name__ == "__main__":
    main()
