"""The transfer-interference microscope: do the gradients of new and old rows agree?

A step of rate α on row i changes the loss on row j by about −α ∇Lᵢ·∇Lⱼ: where the dot product is
positive there is transfer, where it is negative interference (Riemer et al. 2019, equations 1 and 2).

Everything is measured in evaluation mode and changes nothing: not the weights, not a gradient, not
the memory, no generator of the learner's.
"""

from everlearn.alignment.gradients import Gradients, Products, gradients, products
from everlearn.alignment.meter import Meter, Reading
from everlearn.alignment.tasks import TaskMatrix, task_matrix

__all__ = ["Gradients", "Meter", "Products", "Reading", "TaskMatrix", "gradients", "products", "task_matrix"]
