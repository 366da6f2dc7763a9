"""Imports what commands import as they go, of which nothing is computed: the forkserver loads this module once."""

import gc
import os
from importlib import import_module

os.environ["OMP_NUM_THREADS"] = "1"  # threads do not survive a fork, and wait for each other where many tests run

_LAZY = (
    "antlr4.LL1Analyzer",
    "bm25s",
    "dateutil",
    "embedder.consumers.single_shot",
    "embedder.engines.local",
    "embedder.llm.causal_lm",
    "faiss",
    "hydra._internal.core_plugins",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher",
    "ir_measures",
    "pandas",
    "peft",
    "pyarrow.dataset",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pytrec_eval",
    "sentence_transformers",
    "torch.utils.serialization",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
    "transformers.trainer",
)
for name in _LAZY:
    import_module(name)
gc.freeze()  # what was imported stays shared with the processes that are forked off
