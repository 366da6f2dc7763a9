"""Sends an export to a Hugging Face hub."""

import logging
from pathlib import Path

from embedder.encoders.export import check_whole

logger = logging.getLogger(__name__)


def push_to_hub(folder: Path, repository: str, *, private: bool = True) -> str:
    """Upload an export as one commit, into a repository that is made if it does not exist.

    The client finds the user's token itself (`hf auth login` or HF_TOKEN): it is neither read nor logged here.

    Args:
        folder: Of `export`.
        repository: `USER/NAME` on the hub.
        private: Whether a repository that is made here is seen by its owner only.

    Returns:
        The address of the commit.

    Raises:
        DataError: The folder is no export, or is damaged.
    """
    from huggingface_hub import HfApi

    check_whole(folder)
    client = HfApi()
    client.create_repo(repository, private=private, exist_ok=True)
    commit = client.upload_folder(
        repo_id=repository, folder_path=folder, commit_message="Export of embedder", ignore_patterns=[".*"]
    )
    logger.info("%s is at %s", folder, commit.commit_url)
    return str(commit.commit_url)
