"""An estimator's attributes, read with suspicion: from a file, any of them may be anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Diagnostic, Loc, McugenError, error
from mcugen.ir import Label

MAX_SHOWN = 20  # problems listed of one model; a broken forest would fill the screen
REPAIR = (
    "the model was damaged or edited after `fit`, or comes from a scikit-learn too far from this one: "
    "fit it again here and save it with `skops.io.dump(model, 'model.skops')`"
)

Problem = tuple[str, str]  # where inside the estimator, what is wrong


def shown(value: object, limit: int = 40) -> str:
    """A short, printable form of a value from a file; never calls a `__repr__` that the file chose."""
    value = value.item() if isinstance(value, np.generic) else value
    if type(value) in (str, bytes):
        return _cut(ascii(value[: limit + 1]), limit)  # type: ignore[index]  # mypy does not narrow by `in`
    if type(value) is int:
        return str(value) if abs(value) < 2**64 else "a number of more than 64 bits"
    return ascii(value) if type(value) in (bool, float) else f"a {_cut(type(value).__name__, limit)}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def whole(value: object) -> int | None:
    """The value as an int where it is a whole number of 64 bits (int or NumPy integer, not bool), else None."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        return None
    return int(value) if -(2**63) <= value < 2**63 else None


def refuse(problems: Iterable[Problem], loc: Loc) -> None:
    """Raise E0107 with all problems (the first 20), if there are any; one without a name is that of the place itself."""
    found = list(problems)
    if not found:
        return
    rest = [f"{len(found) - MAX_SHOWN} more problems of this kind"] if len(found) > MAX_SHOWN else []
    raise McugenError(
        Diagnostic("E0107", what, REPAIR, loc.within(where) if where else loc, tuple(rest) if i == 0 else ())
        for i, (where, what) in enumerate(found[:MAX_SHOWN])
    )


def labels_of(classes: object, loc: Loc) -> tuple[Label, ...]:
    """The user's labels from `classes_`, a 1-d array of int, str, bool or finite float, as Python objects.

    Raises E0107 where it is no such array or names a label twice, E0302 for labels of another kind.
    """
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or not len(classes):
        refuse([("classes_", f"must be a one-dimensional array of labels, not {_array_shown(classes)}")], loc)
    assert isinstance(classes, np.ndarray)
    labels = tuple(v.item() if isinstance(v, np.generic) else v for v in classes)
    check_labels(labels, loc.within("classes_"))
    if len(set(labels)) < len(labels):
        refuse([("classes_", "a label occurs twice")], loc)
    return labels


def tables_of(classes: object, answers: int, loc: Loc) -> tuple[tuple[Label, ...], ...]:
    """The user's labels of each of several answers, from a list of `classes_`; E0107 and E0302 as `labels_of`."""
    if not isinstance(classes, list | tuple) or len(classes) != answers or not classes:
        refuse([("classes_", f"must be a list of the labels of each of {answers} answers, not {shown(classes)}")], loc)
    assert isinstance(classes, list | tuple)
    return tuple(labels_of(one, loc.within(f"answer {i}")) for i, one in enumerate(classes))


def _array_shown(value: object) -> str:
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else shown(value)


def check_labels(labels: Sequence[object], loc: Loc) -> None:
    """E0302 for labels that cannot be written in C, or are not all of a kind."""
    kinds = {type(label) for label in labels}
    if len(kinds) > 1 or not kinds <= {int, str, bool, float}:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise error(
            "E0302",
            f"class labels of type {names} are not supported",
            help="use labels that are all int, all str, all bool or all float: "
            "`y = sklearn.preprocessing.LabelEncoder().fit_transform(y)`",
            loc=loc,
        )
    odd = next((label for label in labels if not _writable(label)), None)
    if odd is not None:
        raise error(
            "E0302",
            f"the class label {shown(odd)} cannot be written in C",
            help="use finite numbers of at most 64 bits, or texts without NUL and lone surrogates",
            loc=loc,
        )


def _writable(label: object) -> bool:
    if isinstance(label, float):
        return bool(np.isfinite(label))
    if isinstance(label, str):
        return "\0" not in label and not any(0xD800 <= ord(c) <= 0xDFFF for c in label)
    return isinstance(label, bool) or (isinstance(label, int) and -(2**63) <= label < 2**63)


def numbers_of(state: Mapping[str, object], name: str, shape: tuple[int, ...], loc: Loc) -> npt.NDArray[np.float64]:
    """An attribute as finite float64 of this shape (one number fills it); E0107 where it is anything else."""
    found = state.get(name)
    wanted = "x".join(map(str, shape)) or "a single"
    if isinstance(found, int | float | np.generic) and not isinstance(found, bool):
        found = np.asarray(found)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu" or found.shape not in (shape, ()):
        refuse([(name, f"must be an array of {wanted} numbers, not {_array_shown(found)}")], loc)
    numbers = np.broadcast_to(np.asarray(found, np.float64), shape)
    refuse(((name, f"must be finite; number {i} is not") for i in np.flatnonzero(~np.isfinite(numbers))), loc)
    return np.array(numbers)


def arrays_of(state: Mapping[str, object], names: Iterable[str], loc: Loc) -> None:
    """E0107 for an attribute that is not an array of one dimension or more, where scikit-learn itself counts its elements."""
    odd = [name for name in names if not (isinstance(found := state.get(name), np.ndarray) and found.ndim)]
    refuse(((name, f"must be an array of numbers, not {shown(state.get(name))}") for name in odd), loc)


def word(state: Mapping[str, object], name: str, loc: Loc, other: str = "") -> str:
    """An option that is a word, `other` where there is none; E0107 where it is anything else."""
    found = state.get(name, other)
    if not isinstance(found, str):
        refuse([(name, f"must be a word, not {shown(found)}")], loc)
    return str(found)


def flag(state: Mapping[str, object], name: str, loc: Loc) -> bool:
    """An option that is on or off, off where there is none; E0107 where it is anything but True, False, 1 or 0."""
    found = state.get(name, False)
    if not isinstance(found, bool | np.bool_ | int) and found is not None:
        refuse([(name, f"must be True or False, not {shown(found)}")], loc)
    return bool(found)
