"""Models of the experiments. A learner takes any `torch.nn.Module`; these are conveniences."""

from everlearn.models.mlp import mlp

__all__ = ["mlp"]
