"""micromlgen: a C++ class for Arduino. What its users write: one global object, and predict() on an array of floats."""

from __future__ import annotations

from typing import Any

from benchmarks.classical.code import Code

# What Arduino.h has that the classes use; its abs() takes floats, too.
ARDUINO = "#include <math.h>\n#include <stdlib.h>\n#define abs(x) ((x) > 0 ? (x) : -(x))\n"


def port(model: Any, form: str, train: Any) -> Code:
    """The class as it comes."""
    from micromlgen import port as by_micromlgen

    if hasattr(model, "var_"):
        model.sigma_ = model.var_  # its name until scikit-learn 1.0
    header = str(by_micromlgen(model))
    return in_a_class(header, header.split("class ")[1].split()[0])


def in_a_class(header: str, name: str) -> Code:
    """A header with a class of Eloquent's library."""
    return Code(
        sketch=f'{ARDUINO}#include "model.h"\n\nstatic Eloquent::ML::Port::{name} model;\n',
        call="model.predict(x)",
        # avr-gcc has no C++ library; all that the class wants of this header is va_list.
        files={"model.h": header, "cstdarg": "#include <stdarg.h>\n"},
        cpp=True,
    )
