"""Content addresses: what was scored or sampled is found again by what it was, wherever and whenever it was made."""

import hashlib

ADDRESS_BYTES = 16


def output_address(fingerprint: str, prompt: str, output: str) -> bytes:
    """Address of the log-likelihood of `output` after `prompt`, under the LLM with this fingerprint, 16 bytes."""
    return _address(b"output", fingerprint, prompt, output)


def sample_address(fingerprint: str, prompt: str, n: int, temperature: float, seed: int, max_new_tokens: int) -> bytes:
    """Address of `n` outputs sampled after `prompt` with these settings, 16 bytes."""
    return _address(b"sample", fingerprint, prompt, str(n), repr(float(temperature)), str(seed), str(max_new_tokens))


def _address(kind: bytes, *parts: str) -> bytes:
    digest = hashlib.blake2b(digest_size=ADDRESS_BYTES, person=kind)
    for part in parts:
        encoded = part.encode()
        # The length in front: otherwise ("ab", "c") and ("a", "bc") would share an address.
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.digest()
