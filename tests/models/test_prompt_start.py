from transformers import PreTrainedTokenizerFast

from embedder.models.prompt_start import prompt_start
from tests.tiny_models import tiny_tokenizer


def test_what_a_tokenizer_puts_in_front(tmp_path):
    from tokenizers.processors import TemplateProcessing

    tiny_tokenizer(tmp_path)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert prompt_start(tokenizer) == []
    first = tokenizer.convert_ids_to_tokens(0)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A {first}", special_tokens=[(first, 0)]
    )
    assert tokenizer("a")["input_ids"] == [0, *tokenizer("a", add_special_tokens=False)["input_ids"], 0]
    assert prompt_start(tokenizer) == [0]  # and not the one behind
