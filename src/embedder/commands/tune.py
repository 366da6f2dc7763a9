"""`embedder tune DOCS --llm URL`: the arguments of the command as the settings of `train.py experiment=tune`."""

import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from embedder.commands.arguments import Arguments
from embedder.entry.faults import end
from embedder.entry.start import enter
from embedder.errors import ConfigError, EmbedderError

_SECONDS = 20.0
_DESCRIPTION = """\
Tune a retriever to your LLM, from a folder of documents to a verdict.

The LLM writes questions about the documents, unless you have some, and judges which passages help it to answer;
the encoder is trained on that. Then the LLM answers held-out questions with what the base encoder and the tuned one
retrieve. The tuned encoder is exported if it is better beyond chance, or else the base encoder.

  embedder tune docs/ --llm http://127.0.0.1:8000/v1 --dry-run   what it will do, and cost
  embedder tune docs/ --llm http://127.0.0.1:8000/v1             do it
  embedder tune docs/ --llm http://127.0.0.1:8000/v1 --chat      with a chat API, which gives no log-likelihoods
  embedder tune --resume outputs/train/DATE                      go on with a run that was stopped"""


def tune(arguments: Sequence[str]) -> None:
    """Start the run that the arguments behind the name of the command describe."""
    given = parsed(arguments)
    try:
        overrides = overrides_of(given)
    except EmbedderError as error:
        end(str(error), 2)
    enter("train", overrides)


def parsed(arguments: Sequence[str]) -> Namespace:
    """The arguments by name; wrong ones end the process."""
    parser = Arguments("tune", _DESCRIPTION)
    add = parser.add_argument
    add("documents", nargs="?", metavar="DOCS", help="a folder of documents, or one document")
    add("--llm", metavar="LLM", help="the URL of an OpenAI-compatible server, or a model: a folder or a name")
    add("--model", metavar="NAME", help="as the server lists it; by default the only one that it lists")
    add("--chat", action="store_true", help="the server writes texts only: rewards from texts (reward=f1)")
    add("--api-key-env", metavar="VARIABLE", help="the environment variable that holds the server's API key")
    add("--questions", metavar="FILE", help="JSON Lines with `question` and `answers`")
    add("--dry-run", action="store_true", help="say what the run will do and cost, without the LLM")
    add("--resume", metavar="RUN", help="the folder of a run that was stopped; its settings are taken")
    add("settings", nargs="*", metavar="KEY=VALUE", help="any other setting, as of `embedder train`")
    given = parser.parse_intermixed_args(arguments)
    if given.resume is not None and given.documents is not None and "=" in given.documents:
        given.settings, given.documents = [given.documents, *given.settings], None  # the first free argument
    if given.resume is None and (given.documents is None or given.llm is None):
        parser.error("expected DOCS and --llm LLM, or --resume RUN")
    of_run = (given.documents, given.llm, given.questions, given.model, given.api_key_env)
    if given.resume is not None and any(value is not None for value in of_run):
        parser.error("--resume RUN takes DOCS and --llm from the run, and --questions, --model and --api-key-env too")
    with_server = given.llm is None or given.llm.startswith(("http://", "https://"))
    if not with_server and (given.model is not None or given.api_key_env is not None):
        parser.error("--model and --api-key-env belong to a server, and --llm is no URL")
    return given


def overrides_of(given: Namespace) -> list[str]:
    """Hydra's overrides for the arguments.

    Raises:
        ConfigError: A folder or file is not there, or the server cannot be asked for its model.
    """
    dry = ["dry_run=true"] if given.dry_run else []
    if given.resume is not None:
        return [*_of_run(Path(given.resume)), *dry, *given.settings]
    if not Path(given.documents).exists():
        raise ConfigError("DOCS", "a folder of documents, or a document", given.documents)
    overrides = ["experiment=tune", "source=folder", _quoted("source.path", given.documents), *_llm(given)]
    if given.questions is not None:
        if not Path(given.questions).is_file():
            raise ConfigError("--questions", "a file of JSON Lines", given.questions)
        overrides.append(_quoted("source.questions", given.questions))
    return [*overrides, *dry, *given.settings]


def _of_run(folder: Path) -> list[str]:
    config = folder / ".hydra" / "config.yaml"
    if not config.is_file():
        raise ConfigError("--resume", "the folder of a run, which holds .hydra/config.yaml", str(folder))
    return ["--config-path", str(config.parent), "--config-name", "config", _quoted("hydra.run.dir", str(folder))]


def _llm(given: Namespace) -> list[str]:
    if not given.llm.startswith(("http://", "https://")):
        if given.llm == "smollm2":
            return ["llm=smollm2"]
        looks_local = given.llm.startswith((".", "/", "~")) or given.llm.endswith((".gguf", "/"))
        if looks_local and not Path(given.llm).expanduser().exists():
            raise ConfigError("--llm", "the URL of a server, or a model: a name, or a folder that is there", given.llm)
        return ["llm=smollm2", _quoted("llm.name", given.llm)]
    key = [] if given.api_key_env is None else [f"llm.api_key_env={given.api_key_env}"]
    set_already = any(setting.startswith("llm.name=") for setting in given.settings)
    model = given.model if given.model or set_already else _only_model(given.llm, given.api_key_env)
    name = [] if model is None else [_quoted("llm.name", model)]
    if given.chat:
        own = {setting.partition("=")[0] for setting in given.settings}
        rewards = [f"{group}=f1" for group in ("reward", "reward@questions.reward") if group not in own]
        return ["llm=chat", _quoted("llm.url", given.llm), *name, *key, *rewards]
    return ["llm=server", _quoted("llm.url", given.llm), *name, "llm.tokenizer=null", *key]


def _only_model(url: str, api_key_env: str | None) -> str:
    """Asked once, so that a wrong URL or key shows at once."""
    from embedder.llm.server.client import ServerClient
    from embedder.llm.server.requests import only_model
    from embedder.llm.server.settings import ServerSettings

    settings = ServerSettings(url=url, api_key_env=api_key_env, attempts=1, timeout_seconds=_SECONDS)
    return ServerClient(settings).send([only_model()])[0]


def _quoted(key: str, value: str) -> str:
    """An override whose value Hydra reads as text, whatever is in it."""
    escaped = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), value)
    return f'{key}="{escaped}"'
