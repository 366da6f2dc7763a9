"""A folder of the real evaluation, and a browser, each made once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.report.folders import evaluate_the_world


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory, bert_directory, llama_directory) -> Path:
    return evaluate_the_world(tmp_path_factory.mktemp("evaluation"), bert_directory, llama_directory)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(f"the page is tested in a browser, and none of {names} is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=0)
        yield found
        found.close()
