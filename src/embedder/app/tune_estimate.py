"""The plan of a tuning for people: tokens, time and money of each stage."""

from collections.abc import Callable, Sequence

from embedder.app.tune_plan import SAMPLE, Plan
from embedder.data.jsonl import JsonLines
from embedder.llm.usage import CHARACTERS_A_TOKEN, Price, Tokens
from embedder.rewards.estimate import duration


def rendered(plan: Plan, price: Price, speed: float | None) -> str:
    """The plan for people.

    Args:
        plan: What is known.
        price: Of the LLM's tokens.
        speed: Tokens a second of this LLM, as an earlier run measured them; None where there was none.
    """
    stages = list(plan.stages())
    a_token, basis = _characters_a_token(plan)
    tokens = [Tokens(stage.read / a_token, stage.written / a_token) for stage in stages]
    total = sum(tokens, Tokens())
    lines = [
        f"{stage.name:<10} {stage.text}{f'; {_about(own)}' if own.read else ''}"
        for stage, own in zip(stages, tokens, strict=True)
    ]
    lines.append(f"{'LLM':<10} {_about(total)}, at most, {basis}; what its store has is not asked again")
    if speed is None:
        lines.append(f"{'time':<10} not known before a tuning with this LLM has ended; questions.n=20 is the shortest")
    else:
        seconds = (total.read + total.written) / speed
        lines.append(f"{'time':<10} {duration(seconds)} of the LLM, at {speed:,.0f} tokens/s as last measured")
    money = price.of(total.read, total.written)
    told = (
        "price.input and price.output (of a million tokens) tell it"
        if money is None
        else f"{money:,.2f} {price.currency}"
    )
    return "\n".join([*lines, f"{'money':<10} {told}"])


def _about(tokens: Tokens) -> str:
    return f"about {tokens.read:,.0f} tokens read and {tokens.written:,.0f} written"


def _characters_a_token(plan: Plan) -> tuple[float, str]:
    """By the tokenizer of the LLM where it is here; else what is usual in English."""
    count: Callable[[Sequence[str]], int] | None = getattr(
        plan.preparation.rewards.language_model, "count_tokens", None
    )
    rows = JsonLines(plan.dataset.file("corpus"))
    texts = [rows.row(k).text("text") for k in range(min(SAMPLE, len(rows)))]
    if count is None or not any(texts):
        return CHARACTERS_A_TOKEN, f"at {CHARACTERS_A_TOKEN:g} characters a token"
    return sum(map(len, texts)) / count(texts), "by its tokenizer"
