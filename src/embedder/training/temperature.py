"""Temperatures that are trained with the encoder, one for each task with `learned_temperature`."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from embedder.training.objective import HIGHEST_LEARNED, LOWEST_LEARNED, Objective


class LearnedTemperatures(nn.Module):
    """The temperature of every task: a number of its settings, or the exponential of a parameter, clamped.

    All parameters lie in one tensor, which every step reaches: data-parallel training waits for all parameters.

    Source: Radford et al., CLIP (arXiv 2103.00020), section 2.5.

    Args:
        objectives: Of the tasks, by name.
    """

    def __init__(self, objectives: Mapping[str, Objective]) -> None:
        super().__init__()
        learned = [name for name, objective in objectives.items() if objective.learned_temperature]
        self._index = {name: index for index, name in enumerate(learned)}
        self._fixed = {name: objective.temperature for name, objective in objectives.items()}
        if learned:
            self.logarithms = nn.Parameter(torch.tensor([self._fixed[name] for name in learned]).log())

    def forward(self, task: str) -> Tensor:
        """The temperature of a task, a scalar that carries a gradient where it is learned."""
        if not self._index:
            return torch.tensor(self._fixed[task])
        free = self.logarithms.exp()
        # The gradient passes the limit: one that was clamped away would never bring the temperature back.
        temperatures = free + (free.clamp(LOWEST_LEARNED, HIGHEST_LEARNED) - free).detach()
        nothing = 0.0 * temperatures.sum()  # a step of another task reaches the parameter too
        if task in self._index:
            return temperatures[self._index[task]] + nothing
        return self._fixed[task] + nothing
