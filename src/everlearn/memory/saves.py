"""Which saved states of a memory can be gone back to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Held = str | None
"""The name of a state that is held."""


@dataclass(frozen=True)
class Saves:
    """The names of saved states that stay.

    Of those that were only tried the last ones: what they are for, such as a file, may come to nothing, and costs no
    other. Of those that were confirmed the last ones. Each with the one that was held when it was saved: a gate may be
    saved in the same file, and has to go back to that. And the one that is held now.

    >>> saves = Saves(keep=1).add("gate").hold("gate").add("a").confirm("a").add("b").add("c")
    >>> sorted(saves.names)
    ['a', 'c', 'gate']
    """

    keep: int = 2
    """How many stay of those tried, and of those confirmed."""
    tried: Mapping[str, Held] = field(default_factory=dict)
    """The one that is let go first first."""
    confirmed: Mapping[str, Held] = field(default_factory=dict)
    """Likewise."""
    held: Held = None
    before: Held = None
    """The one held before another was by going back; it stays until one is held anew."""

    @property
    def names(self) -> set[str]:
        """All that can be gone back to."""
        held = (*self.tried.values(), *self.confirmed.values(), self.held, self.before)
        return {*self.tried, *self.confirmed, *(name for name in held if name is not None)}

    def add(self, name: str) -> "Saves":
        """One more is tried."""
        return replace(self, tried=self._last(self.tried, name, self.held))

    def confirm(self, name: str) -> "Saves":
        """What it was tried for is there."""
        confirmed = self._last(self.confirmed, name, self.tried[name])
        return replace(self, tried=_without(self.tried, name), confirmed=confirmed)

    def hold(self, name: str) -> "Saves":
        """Hold this one in place of the one before."""
        return replace(self, tried=_without(self.tried, name), held=name, before=None)

    def back(self, name: str) -> "Saves":
        """This one is gone back to: of its kind it is the latest, and the one is held that was held with it."""
        if name in self.tried:
            with_it = self.tried[name]
            latest = replace(self, tried=self._last(self.tried, name, with_it))
        elif name in self.confirmed:
            with_it = self.confirmed[name]
            latest = replace(self, confirmed=self._last(self.confirmed, name, with_it))
        else:
            return self
        if with_it is None or with_it == self.held:
            return latest
        return replace(latest, held=with_it, before=self.held if self.before is None else self.before)

    def after(self, entry: Mapping[str, Any]) -> "Saves":
        """As a journal's entry leaves it."""
        for kind, change in (("save", self.add), ("confirm", self.confirm), ("hold", self.hold)):
            if kind in entry:
                return change(entry[kind])
        return self

    def _last(self, of: Mapping[str, Held], name: str, held: Held) -> dict[str, Held]:
        """With this one as the latest, and not too many."""
        found = {**_without(of, name), name: held}
        return {one: found[one] for one in list(found)[-self.keep :]}


def _without(names: Mapping[str, Held], name: str) -> dict[str, Held]:
    return {one: held for one, held in names.items() if one != name}
