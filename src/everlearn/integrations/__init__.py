"""Where measures go: to TensorBoard, MLflow, Weights & Biases, or a file of JSON lines."""

from everlearn.integrations.sinks import json_lines, mlflow_run, tensorboard, wandb_run

__all__ = ["json_lines", "mlflow_run", "tensorboard", "wandb_run"]
