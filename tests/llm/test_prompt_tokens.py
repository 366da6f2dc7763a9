import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from embedder.data.prompts import ExamplePrompt, QuestionPrompt
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.prompt_tokens import output_ids, prompt_ids, prompt_start, reads_otherwise_behind
from embedder.llm.row_scoring import score_in_rows
from embedder.llm.server.language_model import ServerLanguageModel
from embedder.models.folder import load_tokenizer
from tests.llm.local_server import local_server
from tests.tiny_models import ONE_TOKEN, sentencepiece_tokenizer, tiny_tokenizer

# After a line break, after a colon with a space, and one whose first character the prompt's last one could join.
PAIRS = [
    (prompt.render("Q: When was the harbour built"), prompt.output(text))
    for prompt, text in ((ExamplePrompt(), "positive"), (QuestionPrompt(), "Maren"), (ExamplePrompt(), "1712"))
]


@pytest.fixture(scope="module", params=["prepend", "metaspace", "none"])
def folder(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    sentencepiece_tokenizer(directory, request.param)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=512, initializer_range=0.3, **sizes)).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def model(folder):
    return HuggingFaceLanguageModel(str(folder), device="cpu")


def read_as_one(model, prompt, output):
    """Log-likelihood of what the output adds to the text: the definition."""
    tokenizer = AutoTokenizer.from_pretrained(model.name)
    before, ids = tokenizer(prompt)["input_ids"], tokenizer(prompt + output)["input_ids"]
    assert ids[: len(before)] == before
    with torch.inference_mode():
        table = model._local.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    places = range(len(before), len(ids))
    return sum(float(table[i - 1, ids[i]]) for i in places), len(places)


def test_an_output_is_scored_as_it_stands_behind_its_prompt(model):
    prompts, outputs = [prompt for prompt, _ in PAIRS], [[output] for _, output in PAIRS]
    packed = model.score(prompts, outputs)
    rows = score_in_rows(model._local.model, model._requests(prompts, outputs), 512)
    _, answered = model.answer(prompts, outputs, 2)
    for k, (prompt, output) in enumerate(PAIRS):
        likelihood, n_tokens = read_as_one(model, prompt, output)
        for some in (packed, rows, answered):
            assert some[k][0].n_tokens == n_tokens
            assert some[k][0].sum_logprob == pytest.approx(likelihood, abs=1e-3)


def test_a_server_scores_the_same(model, folder, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    prompts, outputs = [prompt for prompt, _ in PAIRS], [[output] for _, output in PAIRS]
    with local_server(folder) as server:
        behind = ServerLanguageModel("tiny", url=server.url, tokenizer=str(folder))
        for ours, theirs in zip(model.score(prompts, outputs), behind.score(prompts, outputs), strict=True):
            assert theirs[0].n_tokens == ours[0].n_tokens
            assert theirs[0].sum_logprob == pytest.approx(ours[0].sum_logprob, abs=1e-3)
    assert behind.fingerprint.endswith(":behind") == model.fingerprint.endswith(":behind")


def test_only_tokenizers_whose_scores_change_have_another_address(folder, model, llama_directory):
    tokenizer = load_tokenizer(folder, "llm.name", "x")
    puts_a_space = tokenizer.convert_ids_to_tokens(tokenizer("positive", add_special_tokens=False)["input_ids"])[0]
    assert reads_otherwise_behind(tokenizer) == puts_a_space.startswith("▁") == model.fingerprint.endswith(":behind")
    assert HuggingFaceLanguageModel(str(llama_directory)).fingerprint.endswith(":float32")  # byte-level, as SmolLM2's


def test_a_token_across_the_border_leaves_the_prompt_as_it_is(folder):
    # "posi" + "tive" read as one is a word of its own tokens; the output is what would follow a line break.
    tokenizer = load_tokenizer(folder, "llm.name", "x")
    ((ids,),) = output_ids(tokenizer, ["A posi"], [["tive"]], behind=True)
    assert tokenizer.decode(ids) == "tive"
    assert "▁" not in "".join(tokenizer.convert_ids_to_tokens(ids))


def test_control_tokens_in_a_text_are_plain_characters(llama_directory, folder):
    for name, control in ((llama_directory, "<end>"), (folder, "</s>")):
        model = HuggingFaceLanguageModel(str(name), device="cpu")
        (number,) = model._local.tokenizer.convert_tokens_to_ids([control])
        (prompt,) = prompt_ids(model._local.tokenizer, [f"In HTML, {control} closes it.\nA:"])
        ((output,),) = output_ids(
            model._local.tokenizer, ["A:"], [[f" {control}"]], behind=model._local.reader.reads_behind
        )
        assert number not in prompt
        assert number not in output
        assert len(output) > 1
        assert model._local.tokenizer.decode(prompt).endswith(f"In HTML, {control} closes it.\nA:")


def test_what_a_tokenizer_puts_in_front(tmp_path):
    from tokenizers.processors import TemplateProcessing

    tiny_tokenizer(tmp_path, ONE_TOKEN)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert prompt_start(tokenizer) == []
    first = tokenizer.convert_ids_to_tokens(0)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A {first}", special_tokens=[(first, 0)]
    )
    assert tokenizer("a")["input_ids"] == [0, *tokenizer("a", add_special_tokens=False)["input_ids"], 0]
    assert prompt_start(tokenizer) == [0]  # and not the one behind
