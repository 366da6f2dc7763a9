import pytest

from embedder.files import whole_file, write_atomically


def test_a_file_is_there_as_a_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_atomically(path, "é\n")
    with whole_file(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_bytes() == b"\xc3\xa9\n"
    assert path.read_text() == "half"
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "half"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]  # nothing is left behind
