"""A checkpoint that was damaged on disk is refused, though torch would read it."""

import pytest
import torch

from embedder.encoders.checkpoint_file import read_checkpoint
from embedder.errors import DataError


def test_a_flipped_bit_is_named(tmp_path):
    path = tmp_path / "last.ckpt"
    about = {"encoder": {}, "tasks": {}, "about": {}, "probes": [], "probe_vectors": []}
    torch.save({"state_dict": {"encoder.a": torch.zeros(9999)}, "embedder": about}, path)
    assert read_checkpoint(path)["embedder"] == about
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"last\.ckpt: a damaged checkpoint: its part last/data/0 is not as it was written"
    ):
        read_checkpoint(path)
