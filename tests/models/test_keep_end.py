from pathlib import Path

import pytest

from embedder.errors import ConfigError
from embedder.models.encoder import EncoderConfig
from embedder.models.keep_end import keep_ends
from embedder.types import Reading
from tests.tiny_models import tiny_backbone


def wordpiece_tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "ask", ":", "light", "##house", "house", "at", "oru", "##s"]
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )


def test_the_front_of_a_text_goes_by_hand():
    # [CLS] ask : light ##house at oru ##s [SEP] are 9 tokens.
    tokenizer = wordpiece_tokenizer()
    text = "lighthouse at orus"
    for length, kept in ((9, text), (8, "house at orus"), (7, "at orus"), (6, "orus"), (5, "s")):
        assert keep_ends(tokenizer, [text], "ask: ", length) == [kept]
    # `##house` alone is the word `house`: other tokens, as many of them. `s` alone is no word: [UNK], still one token.
    ids = tokenizer("ask: " + "house at orus")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "ask", ":", "house", "at", "oru", "##s", "[SEP]"]


def test_an_instruction_without_room_for_text_is_refused():
    with pytest.raises(ConfigError, match="max_length: expected more than the 4 tokens of instruction"):
        keep_ends(wordpiece_tokenizer(), ["lighthouse at orus"], "ask: ", 4)


def test_bytes_that_share_a_character_are_cut_together(tmp_path: Path):
    # Byte-level tokens: each of these characters is 3 bytes and 3 tokens, and cannot be cut inside.
    tokenizer = EncoderConfig(name=str(tiny_backbone(tmp_path, "bert")), pooling="mean").build().tokenizer
    assert len(tokenizer("灯台守")["input_ids"]) == 9
    for length, kept in ((9, "灯台守"), (8, "台守"), (6, "台守"), (5, "守"), (3, "守")):
        assert keep_ends(tokenizer, ["灯台守"], "", length) == [kept]


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("instruction", ["", "Q: ", "Who designed "])
def test_what_is_left_fits_and_ends_as_the_text_does(tmp_path: Path, instruction, pooling):
    encoder = EncoderConfig(name=str(tiny_backbone(tmp_path, "llama", num_key_value_heads=2)), pooling=pooling).build()
    texts = [
        "Oru",
        "",
        "The lighthouse at Oru was designed by Maren Tolvik and finished in 1783.",
        "at Oru " * 30,
        "灯台守" * 5,
    ]
    for length in (12, 16, 24, 60):
        tokens = encoder.tokenize(texts, instruction, length, keep="end")
        whole = encoder.tokenize(texts, instruction)
        for ids, mask, all_ids, all_mask, text in zip(*tokens.values(), *whole.values(), texts, strict=True):
            kept, complete = ids[mask.bool()].tolist(), all_ids[all_mask.bool()].tolist()
            assert len(kept) <= length
            if len(complete) <= length:
                assert kept == complete
                continue
            shown = encoder.tokenizer.decode(kept, skip_special_tokens=True)
            assert shown.startswith(instruction)
            assert text.endswith(shown.removeprefix(instruction))
            # Cutting falls between tokens: little room is left, a character of 3 bytes and a word that joins others.
            assert len(kept) >= length - 4
            assert kept[-3:] == complete[-3:]


def test_encoding_keeps_the_end_where_it_is_asked_to(tmp_path: Path):
    encoder = EncoderConfig(name=str(tiny_backbone(tmp_path, "bert")), pooling="mean").build()
    long, end = (
        "Who designed the lighthouse? " * 9 + "at Oru",
        keep_ends(encoder.tokenizer, ["Who designed the lighthouse? " * 9 + "at Oru"], "Q: ", 20),
    )
    assert len(end[0]) < len(long)
    vectors = encoder.encode([long], Reading("query", "Q: ", 20, keep="end"))
    assert abs(vectors - encoder.encode(end, Reading("query", "Q: "))).max() < 1e-6
    assert abs(vectors - encoder.encode([long], Reading("query", "Q: ", 20))).max() > 1e-2
