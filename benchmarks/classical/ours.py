"""mcugen's own C, called as the peers' is."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import mcugen
from benchmarks.classical.cases import Case
from benchmarks.classical.code import Code
from benchmarks.classical.program import Core, FailedError
from mcugen.boards import Optimize
from mcugen.diagnostics import McugenError

INPUTS = {"uint8_t": "uint8"}  # C types of rows that a caller holds as integers, as `input` of compile names them


def port(core: Core, case: Case, optimize: Optimize) -> Code:
    """The C for a model. FailedError where mcugen does not take it, with the diagnostic's words."""
    try:
        compiled = mcugen.compile(case.fitted, board=core.board_name, name="model", optimize=optimize, **options(case))
        files = {Path(path).name: text for path, text in compiled.files.items()}
    except McugenError as problem:
        one = problem.diagnostics[0]
        raise FailedError(f"{one.code}: {one.message}"[:160]) from problem
    # Rows go in as the header has them: float until `input` says otherwise.
    input_ = case.input if f"const {case.input} " in files["model.h"] else "float"
    return Code(
        sketch='#include "model.h"\n',
        call="model_predict(x)",
        files=files,
        compiled=tuple(name for name in files if name.endswith(".c")),
        flags=("-ffp-contract=off",),  # which the projects that mcugen writes set
        input=input_,
        form=form_of(compiled),
    )


def options(case: Case) -> dict[str, Any]:
    """What compile takes beside the model: the proof on this computer is left out, the answers are counted here."""
    known = inspect.signature(mcugen.compile).parameters
    given: dict[str, Any] = {"check_answers": False, "check_fit": False}
    if "data" in known:
        given["data"] = case.train
    if "input" in known and case.input in INPUTS:
        given["input"] = INPUTS[case.input]
    return given


def form_of(compiled: Any) -> str:
    """The forms and number formats that were chosen, as far as the nodes know them."""
    ops = [node.op for node in compiled.module.predict.nodes]
    return " ".join(str(op.form) for op in ops if getattr(op, "form", ""))
