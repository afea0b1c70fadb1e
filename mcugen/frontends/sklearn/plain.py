"""Which numbers of a model are those of its rows, or whole ones: what float32 holds as scikit-learn's float64 does; and the
models that others hold, as they are asked of such rows."""

from __future__ import annotations

from copy import copy
from typing import Any

from mcugen.ir import GraphBuilder
from mcugen.ops.binarize import Binarize
from mcugen.ops.cast import Cast
from mcugen.ops.concat import Concat
from mcugen.ops.gather import Gather
from mcugen.ops.impute import Impute
from mcugen.ops.lookup import Lookup
from mcugen.ops.missing import Missing
from mcugen.ops.one_hot import OneHot
from mcugen.rows import single

_PLAIN = (Binarize, Cast, Concat, Gather, Impute, Missing, OneHot)  # an imputer's numbers count as they are rounded


def computed_by(builder: GraphBuilder, value: str) -> str:
    """The name of an op that a value's numbers are worked out by; empty where they are a row's, or whole."""
    maker = builder.maker(value)
    if maker is None:
        return ""
    whole = isinstance(maker.op, Lookup) and all((single(one) == one).all() for one in maker.op.values)
    if not whole and not isinstance(maker.op, _PLAIN):
        return maker.op.name
    return next((found for name in maker.inputs if (found := computed_by(builder, name))), "")


def keeps(estimator: object) -> bool:
    """Whether a transformer hands on numbers of its rows, or gives whole ones."""
    from mcugen.frontends.sklearn import family_of

    asked = getattr(family_of(estimator), "keeps", None)
    return bool(asked and asked(estimator))


def asked_inside(estimator: Any, plain: bool, *names: str) -> Any:
    """A copy whose attributes `names`, estimators or lists of them, are as references ask them."""
    from mcugen.frontends.sklearn import as_asked

    changed = copy(estimator)
    for name in names:
        held = getattr(estimator, name)
        several = isinstance(held, list | tuple)
        setattr(changed, name, [as_asked(one, plain) for one in held] if several else as_asked(held, plain))
    return changed
