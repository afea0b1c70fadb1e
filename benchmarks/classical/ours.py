"""mcugen's own C, called as the peers' is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mcugen
from benchmarks.classical.cases import Case
from benchmarks.classical.code import Code
from benchmarks.classical.program import Core, FailedError
from mcugen.arguments import Input
from mcugen.boards import Optimize
from mcugen.diagnostics import McugenError

INPUTS: dict[str, Input] = {
    "float": "float32",
    "uint8_t": "uint8",
}  # C types of a row, as `input` of compile names them


def port(core: Core, case: Case, optimize: Optimize) -> Code:
    """The C for a model. FailedError where mcugen does not take it, with the diagnostic's words."""
    try:
        compiled = mcugen.compile(
            case.fitted,
            board=core.board_name,
            name="model",
            optimize=optimize,
            input=INPUTS[case.input],
            data=case.train,
            check_fit=False,  # what it finds too large, the linker may not
            check_answers=False,  # they are counted here
        )
        files = {Path(path).name: text for path, text in compiled.files.items()}
    except McugenError as problem:
        one = problem.diagnostics[0]
        raise FailedError(f"{one.code}: {one.message}"[:160]) from problem
    return Code(
        sketch='#include "model.h"\n',
        call="model_predict(x)",
        files=files,
        compiled=tuple(name for name in files if name.endswith(".c")),
        flags=("-ffp-contract=off",),  # which the projects that mcugen writes set
        input=case.input,
        form=form_of(compiled),
    )


def form_of(compiled: Any) -> str:
    """The forms and number formats that were chosen, as far as the nodes know them."""
    ops = [node.op for node in compiled.module.predict.nodes]
    return " ".join(str(op.form) for op in ops if getattr(op, "form", ""))
