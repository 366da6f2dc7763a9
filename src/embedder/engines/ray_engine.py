"""Label and encode on a Ray cluster: Ray Data hands parts of the work to actors, which hold the LLM or the encoder."""

import logging
import math
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from embedder.bounds import PositiveFloat, PositiveInt
from embedder.checks import checked
from embedder.engines.ranks import launched_ranks
from embedder.errors import ConfigError, MissingExtraError, extra
from embedder.preparation.labelling import Labelling
from embedder.processes import TOGETHER, Processes
from embedder.vectors.encoding import Encoding
from embedder.vectors.stored import StoredVectors

logger = logging.getLogger(__name__)

_Parts = list[dict[str, int]]
_Batch = dict[str, np.ndarray[Any, Any]]
_ANSWERS_IN = 20.0  # seconds
_PARTS_OF_ACTOR = 8  # an actor that is done early takes over from one that is not


@checked("ray")
@dataclass(frozen=True)
class RayEngine:
    """Label and encode by the actors of a Ray cluster, whose machines share the disk of the store and of the vectors.

    Args:
        address: Of the cluster, such as `HOST:6379`; None starts Ray in this machine for the time of the work.
        actors: How many hold the model; None for one on each GPU, or without GPUs one for two processors.
        cpus: Processors that Ray counts for an actor. Reading needs some of them too: actors that took all would wait
            for data for ever.
    """

    address: str | None = None
    actors: PositiveInt | None = None
    cpus: PositiveFloat = 0.5

    def label(self, labelling: Labelling, devices: Sequence[int]) -> None:
        """See `Engine`."""
        rewards = labelling.preparation.rewards
        on_gpu = getattr(rewards.language_model, "device", "cpu") in ("auto", "cuda")
        self._work(_Labels, labelling, Path(rewards.store), partial(_parts, labelling), gpu=on_gpu)

    def encode(self, encoding: Encoding) -> StoredVectors:
        """See `EncodingEngine`."""
        if missing := encoding.plan():
            shards = [{"shard": number} for number in missing]
            self._work(_Encodes, encoding, encoding.folder, lambda n: shards, gpu=encoding.on_gpu)
        return encoding.finish()

    def _work(self, actor: type, work: object, folder: Path, parts_for: Callable[[int], _Parts], *, gpu: bool) -> None:
        """Have the actors do the parts of some work.

        Args:
            actor: Their class.
            work: What it is made with.
            folder: Which all machines have to see.
            parts_for: The parts, for so many actors.
            gpu: Whether each has a GPU where there are some.
        """
        if launched_ranks() is not None:
            raise ConfigError("engine", "local under torchrun and srun, or ray in one process", "ray")
        folder.mkdir(parents=True, exist_ok=True)
        seen = folder / f".{uuid.uuid4().hex}.shared"
        with _cluster(self.address) as ray:
            n, gpus = self._size(ray.cluster_resources(), gpu=gpu)
            parts = parts_for(n)
            logger.info("%d actors of Ray do %d parts of %s", n, len(parts), work)
            seen.touch()
            try:
                done = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
                    actor,
                    fn_constructor_args=(work, str(seen), logging.getLogger().level),
                    batch_size=1,
                    compute=ray.data.ActorPoolStrategy(size=n, max_tasks_in_flight_per_actor=2),
                    num_cpus=self.cpus,
                    num_gpus=gpus,
                )
                for _ in track(done.iter_batches(batch_size=1), f"{work}", len(parts), transient=True):
                    pass
            finally:
                seen.unlink()

    def _size(self, resources: dict[str, float], *, gpu: bool) -> tuple[int, int]:
        """How many actors there are, and how many GPUs each of them has."""
        cpus, gpus = resources.get("CPU", 0.0), int(resources.get("GPU", 0.0))
        on_gpu = 1 if gpus and gpu else 0
        n = self.actors or (gpus if on_gpu else max(1, int(cpus / 2)))
        most = min(gpus, n) if on_gpu else n
        if n > most or n * self.cpus > cpus - min(self.cpus, 0.5):
            fits = min(gpus if on_gpu else n, int((cpus - 0.5) / self.cpus))
            has = f"the cluster has {cpus:g} processors and {gpus} GPUs, and reading needs a part of a processor"
            raise ConfigError("ray.actors", f"{fits} at most with ray.cpus={self.cpus:g}: {has}", n)
        return n, on_gpu


def _parts(labelling: Labelling, n_actors: int) -> _Parts:
    """Number of the data set, and which part of how many; those of one data set follow each other."""
    parts: _Parts = []
    for number, job in enumerate(labelling.jobs):
        of = max(1, min(_PARTS_OF_ACTOR * n_actors, math.ceil(len(job.to_judge) / TOGETHER)))
        parts += [{"job": number, "rank": rank, "of": of} for rank in range(of)]
    return parts


class _Labels:
    """A process of Ray: it opens data and LLM once, and labels the parts that it is given."""

    def __init__(self, labelling: Labelling, seen: str, level: int) -> None:
        _begin("paths.store_dir", seen, level)
        self._labelling = labelling

    def __call__(self, batch: _Batch) -> _Batch:
        own = Processes(int(batch["rank"][0]), int(batch["of"][0]))
        return batch | {"queries": np.array([self._labelling.part_of_job(int(batch["job"][0]), own)])}


class _Encodes:
    """A process of Ray that has the encoder, and makes the shards that it is given."""

    def __init__(self, encoding: Encoding, seen: str, level: int) -> None:
        _begin("vectors.directory", seen, level)
        on_gpu = encoding.on_gpu and torch.cuda.is_available()
        for module in encoding.modules:
            module.to("cuda" if on_gpu else "cpu")  # Ray shows each actor its own GPU alone
        self._encoding = encoding

    def __call__(self, batch: _Batch) -> _Batch:
        self._encoding.make_if_free(int(batch["shard"][0]))
        return batch


def _begin(setting: str, seen: str, level: int) -> None:
    """What an actor does first."""
    logging.basicConfig(level=level, format="[%(name)s][%(levelname)s] - %(message)s")
    os.environ["TTY_COMPATIBLE"] = "0"  # progress as lines
    if not Path(seen).exists():
        expected = f"a folder that all machines of the Ray cluster share: {os.uname().nodename} does not see it"
        raise ConfigError(setting, expected, str(Path(seen).parent))


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster or to one of this process."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:  # Ray listens on the loopback alone where it takes itself for one of a desktop
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("ray", extra("ray"), "engine=ray") from error
    if address not in (None, "auto"):
        _check_answers(str(address))
    here: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if address is None else {}
    try:
        ray.init(address or "local", logging_level=logging.WARNING, **here)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        expected = f"a Ray cluster that takes this process, with RAY_AUTH_MODE=token if it asks for a token ({reason})"
        raise ConfigError("ray.address", expected, address) from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens: Ray would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        raise ConfigError("ray.address", "HOST:PORT of a Ray cluster, ray://HOST:PORT, auto, or null", address)
    try:
        socket.create_connection((host, int(port)), _ANSWERS_IN).close()
    except OSError as error:
        raise ConfigError("ray.address", f"a Ray cluster that can be reached ({error})", address) from error
