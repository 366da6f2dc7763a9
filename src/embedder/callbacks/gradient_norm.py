"""Log the norm of the gradient, before it is clipped."""

import lightning as L
import torch
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from embedder.training.module import require_retriever


class GradientNorm(L.Callback):
    """Logs `train/gradient_norm` at every optimizer step: how often `trainer.gradient_clip_val` cuts shows there."""

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        """Take the norm; Lightning clips after this."""
        gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        whole = norm.full_tensor() if isinstance(norm, DTensor) else norm  # with FSDP2 each process has a part
        require_retriever(pl_module).add_step_value("train/gradient_norm", whole.detach())
