"""Several processes: by a Lightning predict run, and as jobs that do not know each other."""

import subprocess
import sys
from functools import partial

import lightning as L
import pytest

from embedder import waiting
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.engines.local import LocalEngine
from embedder.engines.ray_engine import RayEngine
from embedder.errors import ConfigError, EmbedderError
from embedder.sealed import is_whole
from embedder.types import Key, Reading
from embedder.vectors.encoding import Encoding
from embedder.vectors.predict import elsewhere, new_trainer, starts_by_script
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder

KEYS = [Key(str(n), f"text {n} of the lighthouse" + " at sea" * (n % 5)) for n in range(30)]
READING = Reading("key", "Read: ", 16)
TRAINER = partial(L.Trainer, accelerator="cpu", devices=2, enable_progress_bar=False)
_HOLD = "import fcntl, sys; f = open(sys.argv[1], 'a+'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"


@pytest.fixture(scope="module")
def encoder(bert_directory):
    return TextEncoder(EncoderConfig(str(bert_directory), "mean"))


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_processes_write_the_bytes_of_one(encoder, tmp_path):
    settings = [VectorSettings(str(tmp_path / name), shard_size=4) for name in ("one", "two")]
    trainer = new_trainer(TRAINER)
    assert not starts_by_script(trainer)
    StoredEncoder(encoder, {}, settings[0]).vectors(KEYS, READING)
    for _ in range(2):  # the second time all is there, and no process is started
        vectors = StoredEncoder(encoder, {}, settings[1], encode_elsewhere=elsewhere(None, trainer)).vectors(
            KEYS, READING
        )
        assert len(vectors) == 30
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert len(files(tmp_path / "one")) == 8 + 1  # shards and a manifest; no lock is left


def test_a_wrong_trainer_is_refused():
    with pytest.raises(ConfigError, match=r"trainer\.accelerator: expected auto or one that this machine has"):
        new_trainer(partial(L.Trainer, accelerator="tpu"))
    with pytest.raises(EmbedderError, match=r"^trainer: "):
        new_trainer(partial(L.Trainer, accelerator="cpu", devices=0))
    assert (
        new_trainer(partial(TRAINER, precision="bf16-mixed")).precision == "32-true"
    )  # not what the folder is named by
    assert starts_by_script(new_trainer(partial(TRAINER, strategy="ddp")))
    for engine, trainer in ((LocalEngine(), None), (RayEngine(), new_trainer(TRAINER))):
        with pytest.raises(
            ConfigError, match=r"engine: expected ray with trainer\.devices=1, or null: .* got '\w+Engine"
        ):
            elsewhere(engine, trainer)
    assert elsewhere(None, new_trainer(partial(TRAINER, devices=1))) is None


def test_a_shard_that_another_job_is_making_is_left_to_it_until_it_is_killed(encoder, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(waiting, "_FIRST", 0.0)
    caplog.set_level("INFO")
    encoding = Encoding(encoder, {}, KEYS, READING, VectorSettings(str(tmp_path), shard_size=10))
    assert encoding.plan() == [0, 1, 2]
    path = encoding.path(1)
    path.parent.mkdir(exist_ok=True)
    lock = path.with_suffix(".lock")
    with subprocess.Popen([sys.executable, "-c", _HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        job.stdout.readline()
        made = [encoding.make_if_free(number) for number in encoding.missing]
        assert made == [True, False, True]
        assert [is_whole(encoding.path(number)) for number in encoding.missing] == [True, False, True]
        lock.write_text("process 7 on lighthouse\n")
        monkeypatch.setattr(waiting.logger, "filters", [lambda record: job.kill() or True])
        assert len(encoding.finish()) == 30
    expected = f"waiting for 1 files that others make; process 7 on lighthouse has {path}"
    assert caplog.messages[0].startswith(expected)
    assert is_whole(path)
    assert not lock.exists()


def test_whatever_encodes_is_moved_to_the_device_of_its_process(encoder, bert_directory, tmp_path):
    from embedder.encoders.around import CutEncoder, HalfPrecisionEncoder
    from embedder.encoders.checkpoint import load_trained
    from tests.models.test_model_folder import sentence_folder

    # The pooling is one that sentence-transformers alone has.
    theirs = load_trained(sentence_folder(bert_directory, tmp_path / "max", pooling="max")).encoder
    for whole in (HalfPrecisionEncoder(CutEncoder(encoder, 8), "cpu"), theirs):
        (moved,) = Encoding(whole, {}, KEYS, READING, VectorSettings(str(tmp_path))).modules
        assert sum(p.numel() for p in moved.parameters()) == sum(p.numel() for p in encoder.parameters())
