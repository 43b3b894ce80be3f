"""A dictionary from names to classes, which a user may extend with classes of his own."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar, get_type_hints, overload

Kind = TypeVar("Kind")
Own = TypeVar("Own")


class NamedClasses(dict[str, type[Kind]], Generic[Kind]):
    """The classes of one part of an agent by name.

    Args:
        kind: what the part is called: "memory", "controller", ...
        parent: the class that all of them are derived from.
        given: names of the constructor's arguments that the agent fills in; all others are for the user to set.
        classes: name -> class.
    """

    def __init__(self, kind: str, parent: type[Any], given: Collection[str], classes: Mapping[str, Any]) -> None:
        super().__init__(classes)
        self.kind = kind
        self.parent = parent
        self.given = frozenset(given)

    @overload
    def register(self, name: str) -> Callable[[type[Own]], type[Own]]: ...

    @overload
    def register(self, name: str, cls: type[Own]) -> type[Own]: ...

    def register(self, name: str, cls: type[Any] | None = None) -> Any:
        """Give a class a name by which scripts and configurations can choose it.

        Args:
            name: a word, such as "mine".
            cls: the class; left out, the result is a decorator.

        Returns:
            the class, unchanged.

        Raises:
            ValueError: if another class has this name, the name is no word, or the class is of another kind.
        """
        if cls is None:
            return lambda decorated: self.register(name, decorated)
        self._check_class(cls)
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"{self.kind} name {name!r} must be a word of letters, digits and underscores")
        taken = self.get(name)
        # Compared by path, so that a cell of a notebook or a module can be run again.
        if taken is not None and _path(taken) != _path(cls):
            raise ValueError(f"{self.kind} '{name}' is {_path(taken)} already; choose another name for {_path(cls)}")
        self[name] = cls
        return cls

    def resolve(self, chosen: str | type[Kind], kwargs: Mapping[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """Look a class up and check its arguments.

        Args:
            chosen: a name, or the class itself.
            kwargs: arguments for it, without those that are given by the agent.

        Returns:
            the class, to be called with what the agent gives and with the arguments returned beside it.

        Raises:
            ValueError: if there is no class of that name, or an argument is unknown or missing.
        """
        if not isinstance(kwargs, Mapping | None):
            raise ValueError(f"{self.kind}_kwargs={kwargs!r} must be a dictionary from names to values")
        if isinstance(chosen, type):
            self._check_class(chosen)
            cls, name = chosen, chosen.__name__
        elif isinstance(chosen, str) and chosen in self:
            cls, name = self[chosen], chosen
        else:
            raise ValueError(
                f"unknown {self.kind} {chosen!r}; choose one of {', '.join(sorted(self))}, or give a class "
                f"(a name of your own is known once the module that registers it is imported)"
            )
        arguments, given = self.arguments(cls), dict(kwargs or {})
        for key in given:
            if key not in arguments:
                close = difflib.get_close_matches(key, arguments, n=1)
                hint = f"did you mean '{close[0]}'? " if close else ""
                known = ", ".join(arguments) or "none"
                raise ValueError(f"{self.kind} '{name}' has no argument '{key}'; {hint}its arguments are: {known}")
        missing = [
            key for key, argument in arguments.items() if argument.default is argument.empty and key not in given
        ]
        if missing:
            raise ValueError(f"{self.kind} '{name}' needs a value for: {', '.join(missing)}; see {self.kind}_kwargs")
        return cls, given

    def arguments(self, cls: type[Any]) -> dict[str, inspect.Parameter]:
        """Return the constructor's arguments that a user may set, with their annotations resolved.

        Where a constructor takes `**kwargs`, those of its parent class follow.
        """
        found: dict[str, inspect.Parameter] = {}
        for owner in cls.__mro__:
            if "__init__" not in vars(owner):
                continue
            constructor = vars(owner)["__init__"]
            try:
                hints = get_type_hints(constructor)
            except NameError:  # imported for type checkers only
                hints = {}
            _, *parameters = inspect.signature(constructor).parameters.values()
            for one in parameters:
                if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) and one.name not in self.given:
                    found.setdefault(one.name, one.replace(annotation=hints.get(one.name, one.empty)))
            if not any(one.kind is one.VAR_KEYWORD for one in parameters):
                break
        return found

    def _check_class(self, cls: type[Any]) -> None:
        if not isinstance(cls, type) or not issubclass(cls, self.parent):
            raise ValueError(f"{self.kind} {cls!r} must be a subclass of {_path(self.parent)}")


def _path(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
