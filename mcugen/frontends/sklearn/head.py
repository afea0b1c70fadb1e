"""What every family asks of an estimator before it reads its arrays: its class, its features, its labels, its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import Problem, refuse, shown, whole
from mcugen.ir import Label

MAX_CLASSES = 32_767  # an index is an int of 16 bits on AVR
MAX_FEATURES = 65_535
# The logarithms of odds below which a probability of float64 is 0.
NO_POWER = -745.14  # that is a power of e
NO_SIGMOID = -709.79  # that is 1 / (1 + e^-odds)
# A subclass or an object that has one of these of its own may answer differently from the class whose arrays are read.
ANSWERS = ("predict", "predict_proba", "decision_function", "transform", "__getattribute__", "__getattr__")


@dataclass(frozen=True)
class Head:
    """What an estimator says of itself, checked.

    base        scikit-learn's own class, whose answers count
    n_features  columns of a row
    outputs     what can be asked of it, the default first
    labels      the user's labels where a class is predicted
    odds        of two classes, where `build` gives the logarithm of the second one's odds as `decision`, whether or not that is
                one of the outputs: below it scikit-learn's probability is 0. None where there are no such numbers
    several     whether it gives a row of answers at once
    tables      of several answers that are classes, the user's labels of each
    """

    base: type
    n_features: int
    outputs: tuple[Output, ...]
    labels: tuple[Label, ...] | None = None
    odds: float | None = None
    several: bool = False
    tables: tuple[tuple[Label, ...], ...] = ()

    @property
    def name(self) -> str:
        """What messages call it: its class, or, of what was read of a library's file, that library's model (TITLE)."""
        return str(getattr(self.base, "TITLE", self.base.__name__))


def base_of(estimator: object, known: Iterable[type]) -> type | None:
    """The first of the known classes that an estimator is of or derives from; None where there is none."""
    supported = frozenset(known)
    return next((cls for cls in type(estimator).__mro__ if cls in supported), None)


def state_of(estimator: object, base: type, fitted: str, loc: Loc, also: Iterable[str] = ()) -> Mapping[str, object]:
    """An estimator's attributes. E0106 where `fitted` is not among them, E0301 where its class or it changes an answer.

    also  more names that a subclass may not have of its own
    """
    cls = type(estimator)
    above = cls.__mro__[: cls.__mro__.index(base)]
    decisive = (*ANSWERS, *also)
    own = {n for c in above for n in vars(c) if n in decisive} | (vars(estimator).keys() & set(ANSWERS))
    if own:
        raise error(
            "E0301",
            f"{cls.__module__}.{cls.__qualname__} changes {base.__name__}: {', '.join(sorted(own))}",
            help=f"its answers may differ from {base.__name__}'s: fit a plain {base.__name__} and compile that",
            loc=loc,
        )
    state = vars(estimator)
    if fitted not in state:
        raise error(
            "E0106",
            f"this {base.__name__} is not fitted",
            help="call `fit(X, y)` on it first, then compile or save it",
            loc=loc,
        )
    refuse(_odd_arrays(state), loc)
    return state


def _odd_arrays(state: Mapping[str, object]) -> Iterator[Problem]:
    """Arrays that reckon otherwise than arrays do: no `fit` leaves one."""
    for name, value in state.items():
        for part in value if type(value) is list else [value]:
            if isinstance(part, np.matrix | np.ma.MaskedArray):
                yield name, f"must be a plain array, not {shown(part)}"
                break


def features_of(state: Mapping[str, object], loc: Loc) -> int:
    """`n_features_in_`, checked. E0107 where it is no positive whole number, E0303 where the C has no room for so many."""
    count = whole(state.get("n_features_in_"))
    if count is None or count < 1:
        text = f"must be a positive whole number, not {shown(state.get('n_features_in_'))}"
        refuse([("n_features_in_", text)], loc)
    check_sizes(cast(int, count), 0, loc)
    return cast(int, count)


def check_sizes(features: int, classes: int, loc: Loc) -> None:
    """E0303 for more features or classes than the generated C counts."""
    for count, limit, what in ((features, MAX_FEATURES, "features"), (classes, MAX_CLASSES, "classes")):
        if count > limit:
            raise too_large(f"{count:,} {what}; the generated C takes {limit:,} at most", loc)


def too_large(message: str, loc: Loc) -> McugenError:
    """E0303 for a model that the C has no room for."""
    return error("E0303", message, help="fit a smaller model: fewer features, classes, trees or a `max_depth`", loc=loc)


def chosen(output: str | None, head: Head, loc: Loc) -> Output:
    """The output asked for, or the first; E0304 where the estimator has no such output."""
    wanted = head.outputs[0] if output is None else output
    if wanted not in head.outputs:
        text = f"this {head.name} has no output '{wanted}'"
        several = head.several and bool(head.tables) and wanted in ("proba", "decision")
        raise error(
            "E0304",
            f"{text} of several answers: each would have an array of its own" if several else text,
            help=f"use `--output {head.outputs[0]}`" + "".join(f" or `--output {o}`" for o in head.outputs[1:]),
            loc=loc,
        )
    return wanted
