"""What the encoder learns from: scores and rewards in, one scalar out."""

from embedder.losses.contrastive import contrastive_loss
from embedder.losses.graded import graded_distillation_loss
from embedder.losses.kl import kl_distillation_loss
from embedder.losses.matryoshka import matryoshka_views

__all__ = ["contrastive_loss", "graded_distillation_loss", "kl_distillation_loss", "matryoshka_views"]
