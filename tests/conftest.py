"""Small real models and a browser, made once a session."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Before torch is imported: workers of pytest-xdist share the cores; and the sums of two threads have other last bits
# than those of one on some processors, so processes are compared with as many threads each.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from tests.tiny_models import tiny_bert, tiny_llama, tiny_tokenizer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# On a busy machine drawing examples is slow too; that is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for a browser can be left out where there is none."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def bert_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bert")
    tiny_bert(directory)
    return directory


@pytest.fixture(scope="session")
def llama_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llama")
    tiny_llama(directory, max_tokens=16384)
    tiny_tokenizer(directory)
    return directory


@pytest.fixture(scope="module")  # no longer: while it is open, a loop of asyncio runs in this thread
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright  # here, as few tests need it

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(f"the page is tested in a browser, and none of {names} is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=0)
        yield found
        found.close()
