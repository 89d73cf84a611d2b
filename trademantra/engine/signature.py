"""What a kernel takes and answers, in words of our own: declaring one loads no compiler.

A word is a `Scalar`, an `ArrayOf` them or of records, a `TupleOf` words, or a `Signature`: a kernel that is given as an
argument.  A scalar or a tuple, called with the words of the arguments, is the signature of a kernel that answers with it.

>>> NUMBER(VECTOR, INDEX).arguments == (VECTOR, INDEX)
True
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, Union

import numpy as np

Word: TypeAlias = Union["Scalar", "ArrayOf", "TupleOf", "Signature"]


class Scalar(Enum):
    """The value is numba's name of it."""

    NUMBER = "float64"
    INDEX = "int64"
    CODE = "int8"
    TRUTH = "boolean"
    NOTHING = "void"

    def __call__(self, *arguments: Word) -> "Signature":
        return Signature(self, arguments)


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """An array whose items lie one after the other in memory (C order); `item` is a scalar or the type of a record."""

    item: Scalar | np.dtype[np.void]
    dimensions: int = 1
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class TupleOf:
    """`count` values of one kind."""

    item: Word
    count: int

    def __call__(self, *arguments: Word) -> "Signature":
        return Signature(self, arguments)


@dataclass(frozen=True, slots=True)
class Signature:
    """A kernel that takes `arguments` and answers with `result`."""

    result: Word
    arguments: tuple[Word, ...]

    @property
    def takes_kernels(self) -> bool:
        """Whether other kernels, or tuples of them, are among the arguments."""
        return any(
            isinstance(each.item if isinstance(each, TupleOf) else each, Signature) for each in self.arguments
        )


NUMBER, INDEX, TRUTH, NOTHING = Scalar.NUMBER, Scalar.INDEX, Scalar.TRUTH, Scalar.NOTHING
VECTOR = ArrayOf(NUMBER)
MATRIX = ArrayOf(NUMBER, 2)
CUBE = ArrayOf(NUMBER, 3)
INTEGERS = ArrayOf(INDEX)
INTEGER_MATRIX = ArrayOf(INDEX, 2)
CODES = ArrayOf(Scalar.CODE)
FLAGS = ArrayOf(TRUTH)


def records(dtype: np.dtype[np.void]) -> ArrayOf:
    """A one-dimensional array of such records."""
    return ArrayOf(dtype)
