"""Options that several commands share, as one dataclass: each is written once, and a command names the group."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer reads it: a parameter whose type is a dataclass stands for the fields of that dataclass.

    Each field needs a default.  Errors: `TypeError` for one without, and for a name that comes twice.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Place:
    ...     folder: str = "here"
    >>> def show(name: str, place: Place) -> None:
    ...     print(name, place.folder)
    >>> str(inspect.signature(grouped(show)))
    "(*, name: str, folder: str = 'here') -> None"
    >>> grouped(show)(name="a", folder="there")
    a there
    """
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            groups[parameter.name] = kind
            for field in fields(kind):
                if field.default is MISSING:
                    raise TypeError(f"{kind.__name__}.{field.name} has no default")
                parameters.append(_option(field.name, field.default, field.type))
        else:
            parameters.append(_option(parameter.name, parameter.default, kind))
    if len({each.name for each in parameters}) != len(parameters):
        raise TypeError(f"{command.__name__} has two options of one name")

    def called(**given: object) -> None:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        command(**given, **made)

    called.__name__, called.__doc__, called.__module__ = command.__name__, command.__doc__, command.__module__
    called.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
    called.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    return called


def _option(name: str, default: object, kind: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
