"""What the C of networks' layers is made of (conv_rows, pool_rows): counts follow the loops of templates/ops, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.ir import DType, TensorType
from mcugen.op import Work
from mcugen.windows import Window

if TYPE_CHECKING:
    from mcugen.ops.conv_rows import ConvRows
    from mcugen.ops.pool_rows import PoolRows

Places = npt.NDArray[np.int64]
FOUR = 4  # pixels, channels or bytes that are worked out together
ROUND = 8  # steps of a block that are unrolled


def convolution(op: ConvRows, *inputs: TensorType) -> Work:
    """Of a decided conv_rows."""
    from mcugen.ops.conv_rows import DSP, FPU

    x = inputs[0]
    runs = {DSP: _dsp, FPU: _fpu}.get(op.form, _plain)(op, x)
    kind = f"{x.dtype.short} {op.form} {'depthwise' if op.depthwise else 'dense'}"
    code = {f"base {kind}": 1.0} | {f"{name} {kind}": 1.0 for name in _options(op)}
    code |= {f"has {name}": 1.0 for name in ("bounded", "added", "added floats") if name in runs}
    stack = {f"base {kind}": 1.0} | {f"{name} {kind}": 1.0 for name in _options(op)}
    shared = dict.fromkeys(_shared(op, runs), 1.0)
    return Work(0, code, {f"base {kind}": 1.0} | _named(runs, kind), stack, shared)


def _named(runs: Mapping[str, float], kind: str) -> dict[str, float]:
    return {f"{name} {kind}": float(count) for name, count in runs.items() if count}


def _options(op: ConvRows) -> list[str]:
    """What the code of a layer depends on."""
    said = {
        "outside": not (op.rows.inside and op.columns.inside),
        "pixels": op.pointwise,
        "fours": op.form == "rows" and op.outs >= FOUR,
        "blocks": _blocks(op)[0] > 0,
        "singles": _blocks(op)[1] > 0,
        "dilated": op.columns.dilation > 1,
    }
    return [name for name, so in said.items() if so]


def _shared(op: ConvRows, runs: Mapping[str, float]) -> list[str]:
    """The functions that layers have in common, by their names in templates/dsp.c.j2 and fpu.c.j2."""
    if op.form == "rows":
        return ["four"] * bool(runs.get("fours"))
    letter, ending = ("f", "") if op.form == "fpu" else ("", "_float" if op.by_float else "")
    found = [
        text for name, text in (("blocks", "block4"), ("singles", "block1"), ("pixels", "depthwise")) if runs.get(name)
    ]
    moved = ["spread4"] * bool(runs.get("spreads")) + ["pairs"] * (op.form == "dsp" and bool(runs.get("gathers")))
    return [f"{letter}{name}{ending}" for name in found] + [f"{letter}{name}" for name in moved]


def _blocks(op: ConvRows) -> tuple[int, int, int]:
    """Blocks of four pixels, single pixels, and in how many rows."""
    if op.depthwise or op.form == "rows":
        return 0, 0, op.rows.out
    long = op.pointwise and op.rows.stride == op.columns.stride == 1
    height, width = (1, op.rows.out * op.columns.out) if long else (op.rows.out, op.columns.out)
    return height * (width // FOUR), height * (width % FOUR), height


def _inside(window: Window, more: int = 0) -> npt.NDArray[np.bool_]:
    """Of each place of a window, whether it and the `more` following ones stay on the input."""
    begin = _begin(window)
    return (begin >= 0) & (begin + window.reach + more * window.stride <= window.size)


def _begin(window: Window) -> Places:
    return np.arange(window.out) * window.stride - window.before


def _taps_inside(window: Window) -> npt.NDArray[np.bool_]:
    """(places, taps): whether a tap lies on the input."""
    at = _begin(window)[:, np.newaxis] + np.arange(window.kernel) * window.dilation
    return (at >= 0) & (at < window.size)


def _dsp(op: ConvRows, x: TensorType) -> dict[str, float]:
    """Blocks of integers, templates/ops/conv_rows/dsp.c.j2."""
    from mcugen.ops.conv_rows import packed

    ins = x.shape[2]
    if op.depthwise:
        return _depthwise(op, ins) | _finished(op, op.rows.out * op.columns.out, ins)
    run, steps, pairs = op.columns.kernel * ins, packed.steps(op, ins), op.outs // 2
    blocks, singles, height = _blocks(op)
    found: dict[str, float] = {"rows": height, "blocks": blocks, "singles": singles}
    found |= {"block pairs": blocks * pairs, "block steps": blocks * pairs * steps}
    found |= {"block rounds": blocks * pairs * -(-steps // ROUND)}
    found |= {"single pairs": singles * pairs, "single steps": singles * pairs * steps}
    found |= {"pairs by float": (blocks + singles) * pairs * op.by_float}
    fast = _fast(op, blocks) if run >= FOUR and op.columns.dilation == 1 else 0
    calls = fast * op.rows.kernel
    found |= {"spreads": calls, "spread words": calls * (run // FOUR)}
    slow = _slow(op, ins, fast)
    slow["gathers"] += FOUR * calls * (run % FOUR > 0)
    slow["gathered rest"] += FOUR * calls * (run % FOUR > 0)
    return found | slow | _finished(op, blocks, FOUR * op.outs) | _also(_finished(op, singles, op.outs))


def _also(found: Mapping[str, float]) -> dict[str, float]:
    """The same of single pixels."""
    return {f"{name} of one": count for name, count in found.items()}


def _finished(op: ConvRows, times: int, each: int) -> dict[str, float]:
    """What is done with results afterwards, so many at a time."""
    found: dict[str, float] = {}
    low, high = op.bounds if op.form == "dsp" else (0, 0)
    if op.form == "dsp" and (low > -128 or high < 127):
        found |= {"bounding": times, "bounded": times * each}
    if op.adds:
        name = "added floats" if op.scaled is not None and hasattr(op.scaled, "scales") else "added"
        found |= {"adding": times, name: times * each}
    return found


def _fast(op: ConvRows, blocks: int) -> int:
    """Blocks of which no window leaves the input."""
    if op.pointwise:
        return blocks
    first = _inside(op.columns, FOUR - 1)[: op.columns.out // FOUR * FOUR : FOUR]
    return int(_inside(op.rows).sum() * first.sum())


def _slow(op: ConvRows, ins: int, fast: int) -> dict[str, float]:
    """Windows that are gathered pixel by pixel: those of single pixels, and of blocks that leave the input."""
    blocks, singles, _ = _blocks(op)
    run, kernel = op.columns.kernel * ins, op.rows.kernel
    windows = FOUR * (blocks - fast) + singles
    found: dict[str, float] = {
        "windows": windows,
        "gathers": windows * kernel,
        "gathered words": windows * kernel * (run // FOUR),
    }
    found |= {"gathered rest": windows * kernel * (run % FOUR > 0)}
    if op.pointwise:
        return found
    straight = op.columns.dilation == 1
    across = _inside(op.columns) if straight else np.zeros(op.columns.out, bool)
    whole = op.columns.out // FOUR * FOUR
    four = _inside(op.columns, FOUR - 1)[:whole:FOUR] & straight & (run >= FOUR)
    alone = np.ones((op.rows.out, op.columns.out), bool)
    alone[:, :whole] = ~(_inside(op.rows)[:, np.newaxis] & np.repeat(four, FOUR)[np.newaxis])
    lines = _taps_inside(op.rows)[:, np.newaxis]  # (rows, 1, taps)
    broken = alone[..., np.newaxis] & ~(lines & across[np.newaxis, :, np.newaxis])
    columns = _taps_inside(op.columns).sum(axis=1)[np.newaxis, :, np.newaxis]
    copied = int((broken * lines * columns).sum())
    filled = int(broken.sum()) * op.columns.kernel - copied
    return found | _edges(copied, filled, ins)


def _edges(copied: int, filled: int, ins: int) -> dict[str, float]:
    """Pixels at the edge, copied or made up."""
    found: dict[str, float] = {"copied pixels": copied, "copied channels": copied * ins}
    return found | {"filled pixels": filled, "filled channels": filled * ins}


def _depthwise(op: ConvRows, ins: int) -> dict[str, float]:
    """A pixel after the other, of integers or floats."""
    pixels = op.rows.out * op.columns.out
    found: dict[str, float] = {"rows": op.rows.out, "pixels": pixels, "fours": pixels * ins // FOUR}
    found |= {"fours by float": pixels * ins // FOUR * op.by_float}
    broken = ~(_inside(op.rows)[:, np.newaxis] & _inside(op.columns)[np.newaxis])
    lines, columns = (_taps_inside(w).sum(axis=1) for w in (op.rows, op.columns))
    copied = int((broken * lines[:, np.newaxis] * columns[np.newaxis]).sum())
    return found | _edges(copied, 9 * int(broken.sum()) - copied, ins) | {"broken": int(broken.sum())}


def _fpu(op: ConvRows, x: TensorType) -> dict[str, float]:
    """Blocks of floats, templates/ops/conv_rows/fpu.c.j2."""
    ins = x.shape[2]
    if op.depthwise:
        return _depthwise(op, ins)
    taps, groups = op.rows.kernel * op.columns.kernel * ins, op.outs // FOUR
    blocks, singles, height = _blocks(op)
    found: dict[str, float] = {"rows": height, "blocks": blocks, "singles": singles}
    found |= {"block groups": blocks * groups, "block steps": blocks * groups * taps}
    found |= {"block left": blocks * groups * (taps % ROUND), "block rounds": blocks * groups * (taps // ROUND)}
    found |= {"single groups": singles * groups, "single steps": singles * groups * (taps // FOUR)}
    found |= {"single left": singles * groups * (taps % FOUR)}
    if op.low == 0 and not op.adds:
        found |= {"bounded block groups": blocks * groups, "bounded single groups": singles * groups}
    fast = _fast(op, blocks) if op.columns.dilation == 1 else 0
    found |= {"spreads": fast * op.rows.kernel, "spread words": fast * op.rows.kernel * op.columns.kernel * ins}
    if op.pointwise:
        return found | _finished(op, blocks, FOUR * op.outs) | _also(_finished(op, singles, op.outs))
    slow = FOUR * (blocks - fast) + singles
    each = op.rows.kernel * op.columns.kernel
    found |= {"windows": slow, "gathers": slow * each, "gathered": slow * each * ins}
    return found | _finished(op, blocks, FOUR * op.outs) | _also(_finished(op, singles, op.outs))


def _plain(op: ConvRows, x: TensorType) -> dict[str, float]:
    """Window by window, templates/ops/conv_rows/rows.c.j2."""
    pixels, ins, taps = op.rows.out * op.columns.out, x.shape[2], op.rows.kernel * op.columns.kernel
    found: dict[str, float] = {"rows": op.rows.out, "pixels": pixels, "results": pixels * op.outs}
    outside = not (op.rows.inside and op.columns.inside)
    if op.depthwise:
        whole = int(_inside(op.rows).sum() * _inside(op.columns).sum())
        found |= {"lines": whole * op.outs * op.rows.kernel, "taps": whole * op.outs * taps}
        found |= {"taps tested": (pixels - whole) * op.outs * taps, "broken": pixels - whole}
        found |= {"lines tested": (pixels - whole) * op.outs * op.rows.kernel}
        found |= {"results by group": pixels * op.outs * (op.outs != ins)}
    else:
        fours = op.outs // FOUR if x.dtype is DType.I8 else 0
        found |= {"fours": pixels * fours, "four products": pixels * fours * taps * ins}
        found |= {"products": pixels * (op.outs - FOUR * fours) * taps * ins}
        found |= {"window sums": pixels * taps * ins * (x.dtype is DType.I8)}
        if not op.pointwise:
            tested = " tested" * outside
            found |= {f"taps{tested}": pixels * taps, f"gathered{tested}": pixels * taps * ins}
    found |= {"results by float": pixels * op.outs * op.by_float}
    return found | _finished(op, pixels, op.outs)


def pool(op: PoolRows, x: TensorType) -> Work:
    """Of a pool_rows: channel by channel, tap by tap."""
    outside = not (op.rows.inside and op.columns.inside)
    taps = op.rows.kernel * op.columns.kernel
    four = "" if not op.apart or taps < FOUR else " in fours" if taps % FOUR == 0 else " in fours and more"
    by = f"by float{four}" if op.scales else ""
    form = "outside" if outside else "whole" if op.rows.out == op.columns.out == 1 else ""
    kind = " ".join(filter(None, (x.dtype.short, op.function, by, form)))
    pixels = op.rows.out * op.columns.out
    results, ins = pixels * x.shape[2], x.shape[2]
    lines = int(_taps_inside(op.rows).sum()) * op.columns.out * ins
    inside = int(_taps_inside(op.rows).sum() * _taps_inside(op.columns).sum()) * ins
    runs = {"rows": op.rows.out, "pixels": pixels, "results": results, "lines": lines, "taps": inside}
    runs |= {"taps outside": results * taps - inside}
    parts = {f"base {kind}": 1.0}
    return Work(0, parts, parts | _named(runs, kind), parts)


def sums(kind: str, x: TensorType) -> Work:
    """Of two quantised tensors that are added element by element."""
    parts = {f"base {kind}": 1.0}
    return Work(0, parts, parts | {f"elements {kind}": float(x.size)}, parts)
