from embedder.llm.address import output_address, sample_address


def test_parts_do_not_run_into_each_other():
    triples = [("a", "b", "c"), ("ab", "", "c"), ("", "ab", "c"), ("a", "bc", ""), ("a", "", "bc"), ("", "", "abc")]
    assert len({output_address(*triple) for triple in triples}) == len(triples)


def test_an_address_is_16_bytes_and_never_changes():
    # Stores are shipped and shared: a change of this value orphans everything stored so far.
    assert output_address("llm", "Q: 1 + 1? A:", " 2").hex() == "4e169e061934a2f2cb62ae745ad75837"


def test_every_setting_of_a_sample_counts():
    base = ("llm", "prompt", 10, 1.0, 0, 16)
    others = [
        ("x", *base[1:]),
        *[(*base[:k], f"{base[k]}x" if k == 1 else base[k] + 1, *base[k + 1 :]) for k in range(1, 6)],
    ]
    assert len({sample_address(*settings) for settings in (base, *others)}) == 7


def test_outputs_and_samples_never_meet():
    assert output_address("llm", "p", "10") != sample_address("llm", "p", 10, 1.0, 0, 16)
