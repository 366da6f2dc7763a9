"""Sends an export to a Hugging Face hub."""

import logging
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from embedder.encoders.export import check_whole
from embedder.errors import ConfigError
from embedder.replaced import copy_as_one

logger = logging.getLogger(__name__)

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def push_to_hub(folder: Path, repository: str, *, private: bool = True) -> str:
    """Upload an export as one commit, into a repository that is made if it does not exist.

    The client finds the user's token itself (`hf auth login` or HF_TOKEN): it is neither read nor logged here.

    Args:
        folder: Of `export`; sent is a copy, which takes as much room where temporary files lie.
        repository: `USER/NAME` on the hub.
        private: Whether a repository that is made here is seen by its owner only.

    Returns:
        The address of the commit.

    Raises:
        ConfigError: The repository is not named so.
        DataError: The folder is no export, or is damaged.
    """
    from huggingface_hub import HfApi

    check_repository(repository, "repository")
    check_whole(folder)
    client = HfApi()
    with TemporaryDirectory() as place:
        copy_as_one(folder, copy := Path(place) / "export")  # inside, where no other user of the machine can look
        client.create_repo(repository, private=private, exist_ok=True)
        commit = client.upload_folder(
            repo_id=repository, folder_path=copy, commit_message="Export of embedder", ignore_patterns=[".*"]
        )
    logger.info("%s is at %s", folder, commit.commit_url)
    return str(commit.commit_url)


def check_repository(name: object, setting: str) -> None:
    """Refuse what cannot be the name of a repository, before anything is sent.

    Raises:
        ConfigError: It is no text such as `USER/NAME`.
    """
    if not isinstance(name, str) or not _REPOSITORY.fullmatch(name):
        raise ConfigError(setting, "NAMESPACE/NAME", name)
