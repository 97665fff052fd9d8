"""Files that a crash leaves whole."""

import os
from pathlib import Path
from uuid import uuid4


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that others see it whole or not at all, after a crash too; its folder is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.{uuid4().hex}.part")
    try:
        with aside.open("xb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(file)
        sync_names(file.parent)
    finally:
        aside.unlink(missing_ok=True)


def sync_names(folder: Path) -> None:
    """Return once the names in a folder would survive a crash."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
