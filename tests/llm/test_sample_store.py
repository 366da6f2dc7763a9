from embedder.llm.address import sample_address
from embedder.llm.sample_store import SampleStore

FIRST, SECOND, THIRD = (sample_address("llm", prompt, 10, 1.0, 0, 16) for prompt in "abc")


def test_outputs_survive_with_their_order_and_empty_ones(tmp_path):
    store = SampleStore(tmp_path)
    store.add([FIRST, SECOND], [["b", "", "a", "b"], []])
    store.flush()
    assert SampleStore(tmp_path).get([SECOND, THIRD, FIRST]) == [[], None, ["b", "", "a", "b"]]


def test_refresh_compact_and_a_shipped_store(tmp_path):
    shipped = SampleStore(tmp_path / "shipped")
    shipped.add([FIRST], [["x"]])
    shipped.flush()
    mine = SampleStore(tmp_path / "own", read_only=(tmp_path / "shipped",))
    theirs = SampleStore(tmp_path / "own")
    mine.add([SECOND], [["y"]])
    theirs.add([THIRD], [["Zürich"]])
    theirs.flush()
    mine.compact()
    assert mine.get([FIRST, SECOND, THIRD]) == [["x"], ["y"], ["Zürich"]]
    assert len(list((tmp_path / "own").glob("*.parquet"))) == 1
    assert len(SampleStore(tmp_path / "own")) == 3
