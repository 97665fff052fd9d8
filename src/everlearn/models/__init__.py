"""Models of the experiments. A learner takes any `torch.nn.Module`; these are conveniences."""

from everlearn.models.by_task import ByTask
from everlearn.models.conv import ConvNet
from everlearn.models.mlp import mlp
from everlearn.models.nature import nature
from everlearn.models.task_input import TaskInputNet

__all__ = ["ByTask", "ConvNet", "TaskInputNet", "mlp", "nature"]
