"""Every fenced block of README and docs is run or read by a test, and every link leads somewhere."""

import ast
import importlib
import re
from functools import cache

import pytest
from omegaconf import DictConfig

from tests.docs.in_docs import PAGES, ROOT, Block, blocks, command_in
from tests.docs.test_docs import KINDS, PYTHON
from tests.entry_points import composed

LISTED = [command for _, command in KINDS]


def checked_by(block: Block) -> str | None:
    """What checks it; None for nothing."""
    if block.language == "":
        lines = [line for line in block.lines if line and not line.startswith("#")]
        return "commands.txt" if all(command_in(line) in LISTED for line in lines) else None
    if block.page == "docs/api.md" and not block.imports:
        return "test_api.py and, with >>>, test_docstrings.py"
    if block.language == "python" and block.imports:
        return "test_docs.py, as a file" if block.file else "test_docs.py, or test_its_names_exist"
    if block.language == "yaml" and (block.file or block.text.startswith("program:")):
        return "test_docs.py"
    if block.rows_of_files and block.page == "docs/how-to.md":
        return "test_docs.py, as files"
    others = {"json": ["docs/data.md"], "mermaid": ["docs/architecture.md"]}
    if block.page in others.get(block.language, []):
        return "test_docs.py, test_picture.py"
    return "what a command wrote, or a prompt" if block.language == "text" else None


@pytest.mark.parametrize("block", blocks(), ids=lambda one: f"{one.page}:{one.text.splitlines()[0][:40]}")
def test_a_block_is_checked(block):
    assert checked_by(block), "a block without language has commands alone; what they print is `text`"


NOT_RUN = [one for one in blocks() if one.language == "python" and one.imports and not one.file and one not in PYTHON]


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda one: one.page)
def test_its_names_exist(block):
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
        elif isinstance(node, ast.Import):
            assert all(importlib.import_module(name.name) for name in node.names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_exist(page):
    inline = re.findall(r"`'?([a-z_]+[\w.@/]*)=([^`\s]*)`", page.read_text(encoding="utf-8"))
    settings = {(key.replace("tasks.NAME", "tasks.qa"), value) for key, value in inline}
    settings = {(key, value) for key, value in settings if "NAME" not in key and not key.startswith("hydra.")}
    unknown = [f"{key}={value}" for key, value in settings if not (is_choice(key, value) or key in keys())]
    assert not [
        one for one in unknown if page.name not in ("log.md", "benchmarks.md")
    ]  # of the past; of the public form


def is_choice(key, value):
    group = ROOT / "conf" / key.partition("@")[0]
    return group.is_dir() and (not value or value.isupper() or (group / f"{value.rstrip(chr(39))}.yaml").is_file())


@cache
def keys():
    """All settings, each below each choice that has it."""
    commands = [
        ("train", "task_mix=all", "source=folder", "experiment=tune", "callbacks=reindex"),
        ("train", "source=corpus", "callbacks=rag_eval", "llm=server"),
        ("prepare", "llm=chat", "reward=judged"),
        ("prepare", "engine=ray"),
        ("evaluate", "source=world", "consumer=single_shot"),
        *[("evaluate", f"action={action}") for action in ("compare", "html", "dashboard")],
    ]
    configs = [composed(*command) for command in commands]
    return {name for config in configs for name in names_of(config)}


def names_of(config, above=""):
    for name in config:
        yield above + str(name)
        if isinstance(below := config._get_node(name), DictConfig) and not below._is_none():
            yield from names_of(below, f"{above}{name}.")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            name, _, anchor = link.partition("#")
            target = (page.parent / name) if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors_of(target), link


def anchors_of(page):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_readme():
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md", "demo/README.md"} <= set(links)
