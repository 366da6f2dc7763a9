"""How much each candidate helps the LLM: sampled outputs, stored log-likelihoods, and rewards made from them."""
