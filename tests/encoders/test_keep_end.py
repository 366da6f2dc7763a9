from pathlib import Path

import pytest

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.keep_end import keep_ends
from embedder.errors import ConfigError
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
    # [CLS] ask : light ##house at oru ##s [SEP] are 9 tokens; the instruction and what the tokenizer adds stay.
    tokenizer = wordpiece_tokenizer()
    text = ["light", "##house", "at", "oru", "##s"]
    for length in (9, 8, 7, 6, 5):
        (ids,) = keep_ends(tokenizer, ["lighthouse at orus"], "ask: ", length)
        assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "ask", ":", *text[9 - length :], "[SEP]"]


def test_an_instruction_without_room_for_text_is_refused():
    with pytest.raises(ConfigError, match="max_length: expected more than the 4 tokens of instruction"):
        keep_ends(wordpiece_tokenizer(), ["lighthouse at orus"], "ask: ", 4)


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("instruction", ["", "Q: ", "Who designed "])
def test_what_is_left_fits_and_ends_as_the_text_does(tmp_path: Path, instruction, pooling):
    encoder = TextEncoder(
        EncoderConfig(name=str(tiny_backbone(tmp_path, "llama", num_key_value_heads=2)), pooling=pooling)
    )
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
        for ids, mask, all_ids, all_mask in zip(*tokens.values(), *whole.values(), strict=True):
            kept, complete = ids[mask.bool()].tolist(), all_ids[all_mask.bool()].tolist()
            assert len(kept) <= length
            if len(complete) <= length:
                assert kept == complete
                continue
            # Full to the last token: the instruction, then the end of the text.
            assert len(kept) == length
            n_instruction = len(encoder.tokenizer(instruction.rstrip())["input_ids"]) - (pooling == "last")
            assert kept[:n_instruction] == complete[:n_instruction]
            rest = length - n_instruction - 1  # a space behind the instruction can be a token of its own
            assert kept[-rest:] == complete[-rest:]


def test_encoding_keeps_the_end_where_it_is_asked_to(tmp_path: Path):
    encoder = TextEncoder(EncoderConfig(name=str(tiny_backbone(tmp_path, "bert")), pooling="mean"))
    long = "Who designed the lighthouse? " * 9 + "at Oru"
    tokens = encoder.tokenize([long], "Q: ", 20, keep="end")
    assert tokens["input_ids"].shape == (1, 20)
    vectors = encoder.encode([long], Reading("query", "Q: ", 20, keep="end"))
    assert abs(vectors - encoder.eval()(tokens, "query").detach().numpy()).max() < 1e-6
    assert abs(vectors - encoder.encode([long], Reading("query", "Q: ", 20))).max() > 1e-2
