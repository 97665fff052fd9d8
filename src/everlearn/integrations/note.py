"""What the memory of a run is of, noted beside it."""

import json
from pathlib import Path
from typing import Any
from zlib import crc32

from transformers import PreTrainedTokenizerBase

from everlearn.files import write_whole
from everlearn.types import InputError


class Note:
    """Of which tokenizer a memory's tokens are, how many processes have one, and whether it is but begun.

    Args:
        file: where it is noted, if it was before.
        processes: how many there are.
        tokenizer: the trainer's; what is none is not noted.

    Raises:
        InputError: they are of another tokenizer, or of another number of processes, or the note can't be read.
    """

    def __init__(self, file: Path, processes: int, tokenizer: Any) -> None:
        is_told = isinstance(tokenizer, PreTrainedTokenizerBase)
        words = crc32(json.dumps(sorted(tokenizer.get_vocab().items())).encode()) if is_told else None
        self._file, self._told, self.is_begun = file, {"processes": processes, "words": words}, False
        if not file.exists():
            return
        try:
            found = json.loads(file.read_text())
            before, known, self.is_begun = found["processes"], found["words"], bool(found["begun"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file} is damaged: it tells what the memory beside it is of") from error
        if before != processes:
            raise InputError(
                f"the memory beside {file} is that of {before} processes, now there are {processes}: name another "
                "memory_dir"
            )
        if is_told and known not in (None, words):
            raise InputError(f"the memory beside {file} holds tokens of another tokenizer: name another memory_dir")

    def write(self, *, begun: bool) -> None:
        """Put it there, whole."""
        write_whole(self._file, json.dumps(self._told | {"begun": begun}).encode())
