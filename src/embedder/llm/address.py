"""Content addresses: scores and samples are stored under the hash of LLM, prompt and output."""

import hashlib
from collections.abc import Sequence

ADDRESS_BYTES = 16


def output_address(fingerprint: str, prompt: str, output: str) -> bytes:
    """Address of the log-likelihood of `output` after `prompt`, under the LLM with this fingerprint, 16 bytes."""
    return _address(b"output", fingerprint, prompt, output)


def sample_address(fingerprint: str, prompt: str, n: int, temperature: float, seed: int, max_new_tokens: int) -> bytes:
    """Address of `n` outputs sampled after `prompt` with these settings, 16 bytes."""
    return _address(b"sample", fingerprint, prompt, str(n), repr(float(temperature)), str(seed), str(max_new_tokens))


def text_address(fingerprint: str, prompt: str, max_new_tokens: int, stop: Sequence[str]) -> bytes:
    """Address of the text written greedily after `prompt` up to one of the stop texts, 16 bytes."""
    return _address(b"text", fingerprint, prompt, str(max_new_tokens), *stop)


def _address(kind: bytes, *parts: str) -> bytes:
    digest = hashlib.blake2b(digest_size=ADDRESS_BYTES, person=kind)
    for part in parts:
        encoded = part.encode()
        # The length in front: otherwise ("ab", "c") and ("a", "bc") would share an address.
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.digest()
