import logging

import pytest

from embedder.models.device import has_bfloat16, warn_of_slow_bfloat16


@pytest.mark.parametrize(
    ("information", "has"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512f\n", False),
        ("processor : 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", True),
        ("processor : 0\nflags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("Features\t: fp asimd\n", False),
        ("model name: some\n", True),  # nothing is said
    ],
)
def test_flags_of_a_processor(information, has):
    assert has_bfloat16(information) == has


def test_what_is_slow_is_told_once_with_what_to_set(monkeypatch, caplog):
    monkeypatch.setattr("embedder.models.device.has_bfloat16", lambda information: False)
    warn_of_slow_bfloat16.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            warn_of_slow_bfloat16("cpu", "llm.dtype", "float32")
        warn_of_slow_bfloat16("cuda", "llm.dtype", "float32")
    assert [record.message for record in caplog.records if "set llm.dtype=float32" in record.message] == [
        caplog.records[0].message
    ]
