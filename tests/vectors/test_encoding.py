import json
import tempfile
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import DataError, EmbedderError
from embedder.processes import Processes
from embedder.types import Key, Reading, Vectors
from embedder.vectors.encoding import Encoding
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder

KEYS = [Key(f"k{i}", f"text {i} of the lighthouse" + " at sea" * (i % 3)) for i in range(10)]
READING = Reading("key", "Read: ", 16)
MADE_BY = {"weights": "one", "pooling": "mean"}


class Counting:
    """The real encoder; counts the texts that it is given."""

    def __init__(self, encoder):
        self.encoder, self.dimension, self.count = encoder, encoder.dimension, 0

    def encode(self, texts, reading, *, progress=False):
        self.count += len(texts)
        return self.encoder.encode(texts, reading)


class Giving:
    """Gives the vectors that it is told to."""

    def __init__(self, vectors, dimension=None):
        self._vectors, self.dimension = np.asarray(vectors, np.float32), dimension or np.shape(vectors)[1]

    def encode(self, texts, reading, *, progress=False):
        return self._vectors[: len(texts)]


@pytest.fixture(scope="module")
def encoder(bert_directory):
    return TextEncoder(EncoderConfig(str(bert_directory), "mean"))


@pytest.fixture
def settings(tmp_path):
    return VectorSettings(str(tmp_path), shard_size=4)


def test_vectors_are_those_of_the_encoder_and_no_key_is_encoded_twice(encoder, settings):
    counting = Counting(encoder)
    expected = encoder.encode([key.text for key in KEYS], READING)
    for _ in range(2):  # the second time as in another run
        vectors = StoredEncoder(counting, MADE_BY, settings).vectors(KEYS, READING)
        assert isinstance(vectors, Vectors)
        assert (len(vectors), vectors.dimension, counting.count) == (10, encoder.dimension, 10)
        np.testing.assert_allclose(vectors.rows(0, 10), expected, atol=1e-6)
        np.testing.assert_array_equal(vectors.rows(3, 9), vectors.rows(0, 10)[3:9])  # over three shards
        np.testing.assert_array_equal(vectors.at(np.array([9, 0, 5, 0])), vectors.rows(0, 10)[[9, 0, 5, 0]])
    assert vectors.rows(4, 4).shape == (0, encoder.dimension) == vectors.at(np.array([], int)).shape


def test_a_corpus_that_grew_keeps_its_whole_shards(encoder, settings):
    counting = Counting(encoder)
    stored = StoredEncoder(counting, MADE_BY, settings)
    before = stored.vectors(KEYS, READING).rows(0, 10)
    more = stored.vectors([*KEYS, Key("new", "new")], READING)
    assert counting.count == 10 + 3  # shards of four: the third one differs
    np.testing.assert_array_equal(more.rows(0, 8), before[:8])
    stored.vectors([Key("other id", KEYS[0].text), *KEYS[1:4], Key("x", "edited"), *KEYS[5:]], READING)
    assert counting.count == 13 + 4  # ids do not count, and an edited text costs its shard alone


def test_vectors_of_other_encoders_and_readings_lie_apart(encoder, tmp_path, settings):
    counting, folders = Counting(encoder), set()
    readings = [
        READING,
        replace(READING, instruction="x"),
        replace(READING, max_length=8),
        Reading("query", "Read: ", 16),
    ]
    ways = [(MADE_BY, reading, settings) for reading in readings]
    ways += [({"weights": "two"}, READING, settings), (MADE_BY, READING, replace(settings, dtype="float16"))]
    for made_by, reading, own in ways:
        folders.add(StoredEncoder(counting, made_by, own).vectors(KEYS[:4], reading).folder)
    assert len(folders) == len(ways) == len(list(tmp_path.iterdir())) == counting.count / 4


def test_what_is_made_of_rounded_vectors_says_so():
    assert VectorSettings("v").protocol == {}
    assert VectorSettings("v", dtype="float16").protocol == {"vectors.dtype": "float16"}


def test_half_precision_takes_half_of_the_disk(encoder, settings):
    whole, half = (
        StoredEncoder(encoder, MADE_BY, replace(settings, dtype=dtype)).vectors(KEYS, READING)
        for dtype in ("float32", "float16")
    )
    assert half.rows(0, 10).dtype == np.float32
    np.testing.assert_allclose(half.rows(0, 10), whole.rows(0, 10), atol=2**-12)  # below 1, float16 has 11 digits
    assert half.rows(0, 10).tolist() == whole.rows(0, 10).astype(np.float16).tolist()
    data = [path.stat().st_size - 128 - 32 for path in (whole.path(0), half.path(0))]  # without header and digest
    assert data == [4 * encoder.dimension * 4, 4 * encoder.dimension * 2]


def test_a_damaged_or_missing_shard_is_made_again(encoder, settings, caplog):
    counting = Counting(encoder)
    stored = StoredEncoder(counting, MADE_BY, settings)
    vectors = stored.vectors(KEYS, READING)
    expected = vectors.rows(0, 10)
    path = vectors.path(1)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[130] ^= 1  # in the first vector
    for n, damage in enumerate((bytes(flipped), whole[:100], whole[:-1], b"", b"no vectors", None), 1):
        path.unlink() if damage is None else path.write_bytes(damage)
        caplog.clear()
        np.testing.assert_array_equal(stored.vectors(KEYS, READING).rows(0, 10), expected)
        assert counting.count == 10 + 4 * n
        assert ("made again" in caplog.text) == (damage is not None)
        assert path.read_bytes() == whole


def test_the_manifest_says_what_the_vectors_are(encoder, settings):
    folder = StoredEncoder(encoder, MADE_BY, settings).vectors(KEYS, READING).folder
    (path,) = folder.glob("manifest-*.json")
    manifest = json.loads(path.read_text())
    shards = manifest.pop("shards")
    assert [path.exists() for path in (folder / f"{name}.npy" for name in shards)] == [True] * 3
    assert len(manifest.pop("texts")) == 32
    assert manifest == {
        "encoder": MADE_BY,
        "side": "key",
        "instruction": "Read: ",
        "max_length": 16,
        "keep": "start",
        "dimension": encoder.dimension,
        "dtype": "float32",
        "shard_size": 4,
        "count": 10,
    }


@pytest.mark.parametrize(
    ("made_by", "reading", "keys", "more", "told"),
    [
        ({"weights": "two", "pooling": "mean"}, READING, KEYS, {}, 'encoder.weights is "one" there, "two" here'),
        ({"weights": "one"}, READING, KEYS, {}, 'encoder.pooling is "mean" there, null here'),
        (MADE_BY, replace(READING, side="query"), KEYS, {}, 'side is "key" there, "query" here'),
        (MADE_BY, replace(READING, instruction="Find: "), KEYS, {}, 'instruction is "Read: " there, "Find: " here'),
        (MADE_BY, replace(READING, max_length=None), KEYS, {}, "max_length is 16 there, null here"),
        (MADE_BY, READING, KEYS[:9], {}, "count is 10 there, 9 here; texts is "),
        (MADE_BY, READING, KEYS, {"dtype": "float16"}, 'dtype is "float32" there, "float16" here'),
        (MADE_BY, READING, KEYS, {"shard_size": 5}, "shard_size is 4 there, 5 here"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_by_name(encoder, settings, made_by, reading, keys, more, told):
    StoredEncoder(encoder, {"weights": "far", "of": [1]}, settings).vectors(KEYS[:2], Reading("key", "Other: ", 9))
    folder = StoredEncoder(encoder, MADE_BY, settings).vectors(KEYS, READING).folder
    (manifest,) = folder.glob("manifest-*.json")
    counting = Counting(encoder)
    only_read, written = replace(settings, encode=False), manifest.stat().st_mtime_ns
    assert len(StoredEncoder(counting, MADE_BY, only_read).vectors(KEYS, READING)) == 10
    assert manifest.stat().st_mtime_ns == written
    with pytest.raises(DataError) as raised:
        StoredEncoder(counting, made_by, replace(only_read, **more)).vectors(keys, reading)
    message = str(raised.value)
    assert message.startswith(f"{manifest}: these vectors do not fit, and vectors.encode=false encodes no others: ")
    assert f": {told}" in message
    assert message.count(" there, ") == told.count(" is ")
    assert counting.count == 0


def test_without_any_vectors_or_with_damaged_ones_nothing_is_encoded(encoder, settings):
    only_read = StoredEncoder(encoder, MADE_BY, replace(settings, encode=False))
    with pytest.raises(DataError, match=r"has no vectors of a corpus, and vectors.encode=false encodes none"):
        only_read.vectors(KEYS, READING)
    vectors = StoredEncoder(encoder, MADE_BY, settings).vectors(KEYS, READING)
    vectors.path(1).write_bytes(b"no vectors")
    with pytest.raises(DataError, match=r"manifest-.*json: .* some of them are missing or damaged"):
        only_read.vectors(KEYS, READING)
    (manifest,) = vectors.folder.glob("manifest-*.json")
    manifest.write_text("{}")
    told = r"has no vectors of a corpus, .* encodes none \(1 manifests there cannot be read\)"
    with pytest.raises(DataError, match=told):
        only_read.vectors(KEYS, READING)
    other = StoredEncoder(encoder, {"weights": "far"}, settings).vectors(KEYS, READING)
    with pytest.raises(DataError, match=rf"{other.folder}/manifest-.*these vectors do not fit.*\(1 manifests there"):
        only_read.vectors(KEYS, READING)


def test_an_empty_corpus_has_no_vectors(encoder, settings):
    vectors = StoredEncoder(encoder, MADE_BY, settings).vectors([], READING)
    assert (len(vectors), vectors.rows(0, 0).shape) == (0, (0, encoder.dimension))


def test_a_vector_that_is_no_number_names_its_key_and_nothing_is_written(settings, tmp_path):
    rows = np.eye(4)
    rows[2, 1] = np.nan
    with pytest.raises(EmbedderError, match=r"key 'k2' \(number 3 of the corpus, .* holds NaN .* 0 of the 3"):
        StoredEncoder(Giving(rows), MADE_BY, settings).vectors(KEYS[:4], READING)
    assert not list(tmp_path.rglob("*.*"))


def test_vectors_of_another_dimension_are_refused(settings, tmp_path):
    with pytest.raises(EmbedderError, match=r"expected vectors of the form \[4, 3\], got \[4, 4\]"):
        StoredEncoder(Giving(np.eye(4), dimension=3), MADE_BY, settings).vectors(KEYS[:4], READING)
    assert not list(tmp_path.rglob("*.*"))


def test_a_folder_that_cannot_be_written_says_so(settings, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        StoredEncoder(Giving(np.eye(4)), MADE_BY, replace(settings, directory=str(tmp_path / "file"))).vectors(
            KEYS[:4], READING
        )


def test_processes_share_the_missing_shards_evenly(encoder, settings):
    keys = [Key(str(n), f"text {n}") for n in range(40)]
    stored = StoredEncoder(encoder, MADE_BY, settings)
    stored.vectors(keys[:12], READING)  # three of ten shards are there
    encoding = Encoding(encoder, MADE_BY, keys, READING, settings)
    assert encoding.plan() == [3, 4, 5, 6, 7, 8, 9]
    assert [encoding.order(Processes(rank, 2)) for rank in (0, 1)] == [[3, 4, 5, 6, 7, 8, 9], [7, 8, 9, 3, 4, 5, 6]]
    assert encoding.order(Processes(1, 2, in_step=True)) == encoding.missing


def test_each_process_gets_a_share_of_a_small_corpus(encoder, settings):
    assert [settings.shared(n, 3).shard_size for n in (0, 2, 7, 100)] == [1, 1, 3, 4]
    vectors = StoredEncoder(encoder, {}, settings, for_one_step=True).vectors(KEYS, READING)
    assert len(vectors.manifest.shards) == 3  # one process: as the settings say
    assert vectors.beside is None  # nobody would find an index again


def test_texts_that_are_in_two_shards_are_encoded_once(encoder, settings):
    counting = Counting(encoder)
    vectors = StoredEncoder(counting, MADE_BY, settings).vectors([*KEYS[:4], *KEYS[:4]], READING)
    assert counting.count == 4
    np.testing.assert_array_equal(vectors.rows(0, 4), vectors.rows(4, 8))


def test_memory_grows_with_the_shard_and_not_with_the_corpus(tmp_path):
    class Many:
        """Keys that are made when they are looked at."""

        def __init__(self, n):
            self.n = n

        def __len__(self):
            return self.n

        def __getitem__(self, position):
            return Key(str(position), f"{position} text")

    class Lengths:
        dimension = 64

        def encode(self, texts, reading, *, progress=False):
            return np.full((len(texts), 64), len(texts[0]), np.float32)

    def peak(n, shard_size):
        settings = VectorSettings(tempfile.mkdtemp(dir=tmp_path), shard_size=shard_size)
        tracemalloc.start()
        vectors = StoredEncoder(Lengths(), {}, settings).vectors(Many(n), READING)
        vectors.at(np.arange(0, n, n // 10))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak(1000, 500)  # what is imported and cached once
    shard = 500 * 64 * 4  # bytes of its vectors
    few, many, large = peak(1000, 500), peak(20_000, 500), peak(20_000, 5000)
    assert many - few < shard  # of vectors alone, the corpus has 38 shards more
    assert large > few + 9 * shard


def test_a_text_without_tokens_names_its_key_and_a_long_one_is_cut(encoder, settings):
    with pytest.raises(EmbedderError, match=r"key 'k6' \(number 7 of the corpus, ''\) has no tokens"):
        StoredEncoder(encoder, MADE_BY, settings).vectors([*KEYS[:6], Key("k6", "")], Reading("key"))
    long = [Key(name, "Oru " * n) for name, n in (("long", 100_000), ("cut", 8))]
    rows = StoredEncoder(encoder, MADE_BY, settings).vectors(long, Reading("key", "", 8)).rows(0, 2)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


def test_a_run_that_was_stopped_loses_the_shard_that_it_was_at(encoder, settings):
    class Stopped(Counting):
        def encode(self, texts, reading, *, progress=False):
            if self.count == 8:
                raise KeyboardInterrupt
            return super().encode(texts, reading)

    with pytest.raises(KeyboardInterrupt):
        StoredEncoder(Stopped(encoder), MADE_BY, settings).vectors(KEYS, READING)
    counting = Counting(encoder)
    StoredEncoder(counting, MADE_BY, settings).vectors(KEYS, READING)
    assert counting.count == 2  # of ten
