"""Models beside each other: in one program, and as headers in one file, whatever their names and their values' names are."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from sanitized import check_on_avr, check_with_clang, compiled, run_main, write_files
from small_models import FORMS, forest, graph

from mcugen.ir import DType, GraphBuilder, TensorType
from mcugen.ops.add import Add
from mcugen.ops.relu import Relu
from mcugen.ops.tree_ensemble import Output
from mcugen.symbols import KINDS
from mcugen.targets.driver import Unit

OUTPUTS: tuple[Output, ...] = ("label", "proba", "value")
NAMES = ("a", "a_b", "a_op", "a_const", "a_state", "a_op_relu", "a_predict", "a_label", "a_flash", "a_arena")


def everything(name: str, header: bool = False) -> Unit:
    """Tables, state, arena and kernels; its values are named after what the other models have."""
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((2,), DType.F32))
    last = x
    for other in NAMES:
        for kind in ("arena", "flash", "u32", "op_relu", "const_b", "state_b"):
            stem = f"{other}_{kind}"
            table = builder.const(f"{stem}_c", np.array([1, 0], np.float32))
            (last,) = builder.add(Add(), last, table, names=(stem,))
            (last,) = builder.add(Relu(), last, names=(stem.removeprefix("a_") if other != "a" else f"{stem}_r",))
    for stem in ("b", "predict", "op_relu"):
        state = builder.state(stem, np.array([0, 1], np.float32))
        (new,) = builder.add(Add(), state, x, names=(f"{stem}_new",))
        builder.update(state, new)
        (last,) = builder.add(Add(), last, new)
    builder.output(last)
    return compiled(builder.build(), name=name, header=header)


def call(name: str) -> str:
    """C that runs the model on (1, 2) and prints what comes back."""
    return f'    {name}_run(x, y);\n    printf("%g %g\\n", (double)y[0], (double)y[1]);\n'


def main_of(names: tuple[str, ...], calls: bool = True) -> str:
    """C that includes the models and, if asked to, calls them."""
    includes = "".join(f'#include "{name}.h"\n' for name in names)
    body = "    const float x[2] = {1, 2};\n    float y[2];\n" + "".join(call(n) for n in names) if calls else ""
    return f"{includes}#include <stdio.h>\n\nint main(void)\n{{\n{body}    return 0;\n}}\n"


ANSWER = f"{6 * len(NAMES) + 4} {2 + 3 * 3}\n"  # 1 + a 1 per table + 3 states of 1; 2 + 3 states of 1 + 2


@pytest.mark.parametrize("header", [False, True])
def test_models_whose_names_begin_with_each_others(header: bool) -> None:
    units = [everything(name, header) for name in NAMES]
    assert run_main(units, main_of(NAMES)) == ANSWER * len(NAMES)
    if not header:
        check_on_avr(units)


def test_headers_that_nobody_calls() -> None:
    """gcc takes them, and a forest's in every form, without a word about what is not used."""
    units = [*forests(header=True), everything("a", header=True), everything("a_b", header=True)]
    names = tuple(u.module.name for u in units)
    assert run_main(units, main_of(names, calls=False)) == ""


@pytest.mark.parametrize("header", [False, True])
def test_clang_takes_them_too(header: bool, tmp_path: Path) -> None:
    own = [everything(name, header) for name in NAMES[:3]]
    units = [*forests(header), *own]
    names = tuple(u.module.name for u in units)
    check_with_clang(write_files(tmp_path, units, main_of(names, calls=False)))
    check_with_clang(write_files(tmp_path, units, main_of(NAMES[:3])))


def forests(header: bool = False) -> list[Unit]:
    """A forest for every output and form, its labels texts or integers."""
    kinds = itertools.product(OUTPUTS, FORMS, ((0, 1, 2), (3, -1, 2**40), ("a", "b", "c")))
    return [
        forest(output, form, f"t{i}", labels=labels, header=header) for i, (output, form, labels) in enumerate(kinds)
    ]


def symbols_of(each: Unit) -> set[str]:
    """The words of the C that begin with the model's name, which is one word here; comments do not count."""
    text = re.sub(r"/\*.*?\*/", "", "".join(each.files.values()), flags=re.DOTALL)
    return set(re.findall(rf"\b(?:{each.module.name}|{each.module.name.upper()})_(\w+)", text))


MACROS = {"features", "classes", "flash", "h", "split", "opaque"}  # the kinds of macros


def test_symbols_keep_to_the_rule_that_keeps_models_apart() -> None:
    """See mcugen.symbols: the first word is a kind, the others are none."""
    for each in (graph(), *forests(), *forests(header=True)):
        for symbol in symbols_of(each):
            first, *rest = symbol.lower().split("_")
            assert first in KINDS | MACROS, symbol
            assert not (KINDS | MACROS) & {*rest}, symbol
