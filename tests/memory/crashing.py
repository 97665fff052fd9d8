"""A folder whose machine may lose its power: what was not synced is there, or not, or in part."""

import random
from dataclasses import dataclass, field
from pathlib import Path

from everlearn.memory.folder import Folder

PAGE = 64
"""A disk's would be 512 bytes or more; with small ones, small rows are torn as well."""


@dataclass
class File:
    """A file's content on the disk, and what was done since."""

    content: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[str, int, bytes]] = field(default_factory=list)

    def settle(self, steps):
        for step, place, data in steps:
            if step == "resize":
                self.content = self.content[:place].ljust(place, b"\0")
            else:
                self.content = self.content.ljust(place + len(data), b"\0")
                self.content[place : place + len(data)] = data


class Losing(Folder):
    """Does all that a folder does, and remembers what of it the disk knows."""

    def __init__(self, path):
        super().__init__(path)
        self.files: dict[str, File] = {}
        self.names: list[dict[str, File]] = [{}]
        """As the disk knows them, and after each change since."""
        self.between = lambda: None
        """Called before and after all that is done."""

    def _of(self, name):
        if name not in self.files:
            self.files[name] = File()
            self.names.append(dict(self.files))
        return self.files[name]

    def write(self, name, place, data):
        self.between()
        self._of(name).waiting.append(("write", place, bytes(data)))
        super().write(name, place, data)
        self.between()

    def resize(self, name, size):
        self._of(name).waiting.append(("resize", size, b""))
        super().resize(name, size)

    def sync(self, name):
        self.between()
        super().sync(name)
        file = self._of(name)
        file.settle(file.waiting)
        file.waiting = []
        self.between()

    def rename(self, name, to):
        super().rename(name, to)
        self.files[to] = self.files.pop(name)
        self.names.append(dict(self.files))
        self.between()

    def sync_names(self):
        super().sync_names()
        self.names = [dict(self.files)]

    def after_a_crash(self, path: Path, chance: random.Random) -> None:
        """Write what may be found after one into another folder."""
        path.mkdir()
        for name, file in chance.choice(self.names).items():
            found = File(bytearray(file.content))
            found.settle(self._survived(file, chance))
            (path / name).write_bytes(found.content)

    def _survived(self, file, chance):
        share = chance.choice([0.0, 0.2, 0.8, 1.0])
        for step, place, data in file.waiting:
            if step == "resize":
                if chance.random() < share:
                    yield step, place, data
                continue
            for start in range(0, len(data), PAGE):
                if chance.random() < share:
                    yield step, place + start, data[start : start + PAGE]
