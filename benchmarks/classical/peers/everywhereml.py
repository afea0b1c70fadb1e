"""everywhereml, by the author of micromlgen: classes of its own that stand in for scikit-learn's when fitting."""

from __future__ import annotations

from typing import Any

from benchmarks.classical.code import Code


def port(model: Any, form: str, train: Any) -> Code:
    """Its class gets the fitted model's attributes, so that it holds the same trees."""
    from everywhereml.sklearn.ensemble import RandomForestClassifier
    from everywhereml.sklearn.tree import DecisionTreeClassifier

    own = {"DecisionTreeClassifier": DecisionTreeClassifier, "RandomForestClassifier": RandomForestClassifier}[
        type(model).__name__
    ]()
    own.fit(
        train, model.classes_[[i % len(model.classes_) for i in range(len(train))]]
    )  # for what it notes of the data
    own.__dict__.update(model.__dict__)
    return Code(
        # The class times itself; a clock that stands still is the kindest.
        sketch='#include <math.h>\nstatic inline unsigned long micros(void) { return 0; }\n#include "model.h"\n',
        call="model.predict(x)",
        files={"model.h": str(own.to_arduino(instance_name="model")), "cstdarg": "#include <stdarg.h>\n"},
        cpp=True,
    )
