"""Language models that read one kind of text after another."""

from everlearn.lm.experiment import LanguageExperiment, Opened, Read, Tested
from everlearn.lm.llama import SIZES, llama
from everlearn.lm.rows import cut
from everlearn.lm.texts import TEXTS, text

__all__ = ["SIZES", "TEXTS", "LanguageExperiment", "Opened", "Read", "Tested", "cut", "llama", "text"]
