"""What `experiment=llm_embedder` would take on GPUs: counted and timed here, computed for there.

    python benchmarks/cluster.py --source DATA --tflops 312 --gpus 8 --price 2

Counted: the tokens of a training query's prompts, and of a query with its group at a step, on data sets that lie in
DATA/TASK/NAME. Timed: which share of the fastest matrix product of this processor the two models reach. Computed: hours
of GPUs that reach that share of their own peak (`--share` sets another). A price is what you say an hour of one costs.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, BertConfig, LlamaConfig

from embedder.data.sources import CorpusSource
from embedder.llm.shared_prefix import shared_prefixes
from embedder.preparation.preparation import Preparation
from embedder.preparation.prepare import PrepareRun
from embedder.training.task import Task

ROOT = Path(__file__).parents[1]
DATASETS = ("qa/nq", "chat/locomo", "lrlm/books_docs", "icl/mix", "convsearch/inscit", "tool/toolbench")
STEPS, BATCH, GROUP, LENGTH = 10_000, 800, 8, 256  # of the recipe
LLM, ENCODER = 6.6e9, 86e6  # weights that multiply every token, so without embeddings: Llama-2-7B, BGE-base
FORWARD, TRAINED = 2, 8  # operations a weight: forward; forward, forward again (gradient checkpointing) and backward


@dataclass(frozen=True)
class Counts:
    """Tokens of one training query, means.

    Args:
        candidates: Of a query.
        judged: Read and written by the LLM, what prompts of a query begin with alike once; 0 for labels alone.
        trained: Of the query and the keys of its group.
    """

    dataset: str
    candidates: float
    judged: float
    trained: float


def gpu_hours(tokens: float, weights: float, operations: int, tflops: float, share: float) -> float:
    """Of GPUs that reach a share of their peak.

    Example:
        >>> round(gpu_hours(1e9, 6.6e9, 2, 312, 0.5), 1)  # 1.32e19 operations at 1.56e14 a second
        23.5
    """
    return operations * weights * tokens / (tflops * 1e12 * share) / 3600


def count(preparation: Preparation, task: Task, queries: int, llm: Any, encoder: Any) -> Counts:
    """Of a data set of the task, on its first queries by their order.

    Args:
        preparation: With this data set as its source.
        task: Its task.
        queries: How many are counted.
        llm: The tokenizer of the LLM.
        encoder: That of the encoder.
    """
    ((_, dataset),) = preparation.datasets({task.name: task})
    job = preparation.job(task, dataset)
    judge = preparation.judge(job)
    chosen = (job.queries if judge is None else job.to_judge)[:queries]
    outputs = preparation.rewards.of_task(task).outputs if judge is not None else None
    rows = []
    for query, candidates in zip(chosen, preparation.finder(job).propose(chosen), strict=True):
        judged = 0.0
        if judge is not None and outputs is not None:
            request = judge.request(query, candidates)
            prompts = [llm(prompt)["input_ids"] for prompt in request.prompts]
            read = read_once(prompts)
            competitors = len(request.options) - 1 if request.options else outputs.n_outputs
            written = 0 if request.options else outputs.n_outputs * outputs.max_new_tokens
            scored = len(llm(request.answers[0])["input_ids"]) + competitors * outputs.max_new_tokens
            judged = read + len(prompts) * scored + written
        texts = [f"{task.key_instruction}{candidate.key.text}" for candidate in candidates]
        sizes = [min(LENGTH, len(ids)) for ids in encoder(texts)["input_ids"]] if texts else [0]
        own = min(LENGTH, len(encoder(f"{task.query_instruction}{query.text}")["input_ids"]))
        rows.append((len(texts), judged, own + GROUP * statistics.mean(sizes)))
    means = [statistics.mean(column) for column in zip(*rows, strict=True)]
    return Counts(f"{task.name}/{dataset.name}", *means)


def read_once(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens of the prompts, those counted once that the LLM runs once because prompts begin with them."""
    groups = shared_prefixes(prompts)
    return sum(group.length + sum(len(prompts[k]) - group.length for k in group.rows) for group in groups)


def share_reached(run: Callable[[], object], operations: float, peak: float) -> float:
    """Which share of the peak a run of so many operations reaches, in processor time: the median of five."""
    run()
    return operations / statistics.median(seconds_of(run) for _ in range(5)) / peak


def seconds_of(run: Callable[[], object]) -> float:
    """Of the processor."""
    started = time.process_time()
    run()
    return time.process_time() - started


def shares_here() -> tuple[float, float]:
    """What a decoder's forward pass and an encoder's step reach here, in layers as wide as those of the recipe."""
    torch.set_num_threads(1)
    a = torch.randn(2048, 2048)
    peak = 2 * 2048**3 / min(seconds_of(lambda: a @ a) for _ in range(8))
    decoder = AutoModelForCausalLM.from_config(
        LlamaConfig(
            hidden_size=2048, intermediate_size=5504, num_hidden_layers=2, num_attention_heads=16, vocab_size=512
        )
    )
    encoder = AutoModel.from_config(BertConfig(num_hidden_layers=2, vocab_size=512), add_pooling_layer=False)
    read, trained = torch.randint(512, (1, 512)), torch.randint(512, (8, 128))

    def forward() -> None:
        with torch.inference_mode():
            decoder(read, logits_to_keep=16)

    def step() -> None:
        encoder(trained).last_hidden_state.sum().backward()

    weights = [
        sum(p.numel() for name, p in model.named_parameters() if "embed" not in name and "lm_head" not in name)
        for model in (decoder, encoder)
    ]
    return (
        share_reached(forward, 2 * weights[0] * read.numel(), peak),
        share_reached(step, 6 * weights[1] * trained.numel(), peak),
    )


def stages(counts: Sequence[Counts], a: argparse.Namespace) -> list[tuple[str, float, bool]]:
    """Each with its tokens, and whether it is the LLM that reads them."""
    labels = [
        (f"labels: {one.dataset}, {a.queries:,} queries", one.judged * a.queries, True) for one in counts if one.judged
    ]
    a_query = statistics.mean(one.trained for one in counts)
    steps = (f"training: {STEPS:,} steps of {BATCH} queries", a_query * STEPS * BATCH, False)
    more = [(name, float(tokens), True) for name, _, tokens in (one.partition("=") for one in a.more)]
    return [*labels, steps, *more]


def line(name: str, tokens: float, hours: float, gpus: int, price: float) -> str:
    """Of the table of the documentation."""
    return f"| {name} | {tokens / 1e9:.2f} | {hours:,.1f} | {hours / gpus:,.1f} | {hours * price:,.0f} |"


def recipe(root: str) -> PrepareRun:
    """What `prepare.py experiment=llm_embedder` would run."""
    overrides = ["source=corpus", "source.path=.", f"paths.root={root}", "paths.output_dir=."]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("prepare", overrides=["experiment=llm_embedder", *overrides])
    run: PrepareRun = instantiate(config.run, _convert_="all")
    return run


def main() -> None:
    """Count, time, compute and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--tokenizer", required=True, help="of the LLM: a folder or a name")
    parser.add_argument("--encoder-tokenizer", required=True)
    parser.add_argument("--counted", type=int, default=5, help="queries of a data set")
    parser.add_argument("--queries", type=int, default=10_000, help="that the LLM judges of each data set")
    parser.add_argument("--more", nargs="*", default=[], help="NAME=TOKENS that the LLM reads and writes elsewhere")
    parser.add_argument("--tflops", type=float, default=312, help="peak of a GPU: 312 is an A100 in bfloat16")
    parser.add_argument("--share", type=float, help="of this peak, in place of the shares that are timed here")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--price", type=float, default=2.0, help="of an hour of one GPU")
    a = parser.parse_args()
    shares = (a.share, a.share) if a.share else shares_here()
    print(f"share of the peak: LLM {shares[0]:.2f}, encoder {shares[1]:.2f}")
    llm, encoder = (AutoTokenizer.from_pretrained(name) for name in (a.tokenizer, a.encoder_tokenizer))
    counts = []
    with tempfile.TemporaryDirectory() as root:
        run = recipe(root)
        for name in a.datasets:
            source = CorpusSource(str(a.source / name), root)
            task = run.tasks[name.partition("/")[0]]
            counts.append(count(replace(run.preparation, source=source), task, a.counted, llm, encoder))
            print(counts[-1])
    for name, tokens, reads in stages(counts, a):
        of_one = (LLM, FORWARD) if reads else (ENCODER, TRAINED)
        print(line(name, tokens, gpu_hours(tokens, *of_one, a.tflops, shares[not reads]), a.gpus, a.price))


if __name__ == "__main__":
    main()
