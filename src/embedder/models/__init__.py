"""What encoders and LLMs share: opening a model folder, its fingerprint, the device, batches of tokens."""
