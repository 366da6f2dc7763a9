"""Actors of Ray on this machine: the records are those of a single process, also when one of two actors is killed."""

import logging
import signal
import threading
import time

import psutil
import pytest

from embedder.encoders.around import CutEncoder
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.engines.ray_engine import RayEngine, _Encodes
from embedder.errors import ConfigError
from embedder.preparation.prepare import prepare
from embedder.types import Key, Reading
from embedder.vectors.encoding import Encoding
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder
from tests.engines.conftest import TASK
from tests.engines.same_records import addresses, assert_same_records


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 by default, which on a busy machine takes minutes to import


def actors() -> list[psutil.Process]:
    """Processes below this one that are actors with the LLM."""
    return [
        child for child in psutil.Process().children(recursive=True) if "ray::MapWorker" in " ".join(child.cmdline())
    ]


@pytest.mark.slow
def test_a_killed_actor_is_started_again_and_its_work_is_redone(make, alone, tmp_path):
    def kill() -> None:
        while not list((tmp_path / "store" / "scores").glob("*.parquet")):
            time.sleep(0.01)
        below = psutil.Process().children(recursive=True)
        listening.update(c.laddr.ip for p in below for c in p.net_connections() if c.status == psutil.CONN_LISTEN)
        actors()[0].send_signal(signal.SIGKILL)
        killed.append(True)

    killed: list[bool] = []
    listening: set[str] = set()
    preparation = make(tmp_path)
    threading.Thread(target=kill, daemon=True).start()
    (dataset,) = prepare({"qa": TASK}, preparation, RayEngine(actors=2))
    assert killed
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
    assert_same_records(dataset.directory, alone)
    assert preparation.rewards.language_model.tokens_run == 0
    assert set(addresses(tmp_path / "store")) == set(addresses(alone.parents[2] / "store"))
    assert not actors()


@pytest.mark.slow
def test_actors_encode_the_corpus_for_dense_candidates_once(make, tmp_path):
    (alone,) = prepare({"qa": TASK}, make(tmp_path / "alone", source="dense"))
    shared = make(tmp_path / "shared", source="dense")
    (dataset,) = prepare({"qa": TASK}, shared, RayEngine(actors=2))
    assert_same_records(dataset.directory, alone.directory)


@pytest.mark.slow
def test_actors_encode_the_corpus_of_an_evaluation_with_the_same_bytes(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(str(bert_directory), "mean"))
    keys = [Key(str(n), f"text {n} of the lighthouse") for n in range(30)]
    alone, shared = (VectorSettings(str(tmp_path / name), shard_size=4) for name in ("alone", "shared"))
    StoredEncoder(encoder, {}, alone).vectors(keys, Reading("key"))
    by_actors = StoredEncoder(encoder, {}, shared, encode_elsewhere=RayEngine(actors=2).encode)
    assert len(by_actors.vectors(keys, Reading("key"))) == 30
    here, there = ({p.name: p.read_bytes() for p in (tmp_path / n).rglob("*.*")} for n in ("alone", "shared"))
    assert here == there
    assert len(here) == 8 + 1  # shards and a manifest; nothing else is left


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_actors_have_the_device_of_the_encoder(bert_directory, tmp_path, monkeypatch, device):
    asked = []
    monkeypatch.setenv("TTY_COMPATIBLE", "0")  # what an actor sets is put back
    monkeypatch.setattr(RayEngine, "_work", lambda *given, gpu: asked.append(gpu))
    encoder = CutEncoder(TextEncoder(EncoderConfig(str(bert_directory), "mean", device=device)), 2)
    encoding = Encoding(encoder, {}, [Key("1", "a text")], Reading("key"), VectorSettings(str(tmp_path)))
    RayEngine().encode(encoding)
    assert asked == [device == "auto"]
    monkeypatch.setattr("torch.cuda.is_available", lambda: device == "cpu")  # and yet none is taken
    (tmp_path / "seen").touch()
    _Encodes(encoding, str(tmp_path / "seen"), logging.INFO)
    assert {parameter.device.type for parameter in encoder.parameters()} == {"cpu"}


@pytest.mark.slow
def test_more_actors_than_there_is_room_for_are_refused(make, tmp_path):
    with pytest.raises(ConfigError, match=r"ray\.actors: expected \d+ at most with ray\.cpus=1: .* got 1000"):
        prepare({"qa": TASK}, make(tmp_path), RayEngine(actors=1000, cpus=1.0))


@pytest.mark.parametrize(
    ("address", "message"),
    [("127.0.0.1:9", "that can be reached .*refused"), ("cluster", "HOST:PORT of a Ray cluster")],
)
def test_an_address_where_no_cluster_is_shows_at_once(make, tmp_path, address, message):
    with pytest.raises(ConfigError, match=rf"ray\.address: expected .*{message}"):
        prepare({"qa": TASK}, make(tmp_path), RayEngine(address))
