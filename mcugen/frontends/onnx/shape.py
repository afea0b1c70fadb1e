"""What only moves elements, or says how many there are: shapes, slices, transposes, pads, gathers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.loops import broadcast, strides_of
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import MOST, Join
from mcugen.ops.pick import Pick
from mcugen.ops.reshape import Reshape
from mcugen.ops.strided import Strided

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter


def reshaped(call: Call, x: Operand, shape: Sequence[int]) -> Operand:
    """The same elements under another shape; nothing where it is the same one."""
    wanted = tuple(int(n) for n in shape)
    return x if call.tensors.type_of(x).shape == wanted else call.add(Reshape(wanted), x)


def transposed(call: Call, x: Operand, order: Sequence[int]) -> Operand:
    """The axes in another order; a view where those that move have one element."""
    shape = call.tensors.type_of(x).shape
    wanted = tuple(shape[a] for a in order)
    if [a for a in order if shape[a] > 1] == sorted(a for a in order if shape[a] > 1):
        return reshaped(call, x, wanted)
    steps = strides_of(shape)
    return call.add(Strided(wanted, tuple(steps[a] for a in order)), x)


def _reshape(call: Call) -> None:
    shape = call.type(0).shape
    wanted = call.integers(1, "shape", [])
    assert wanted is not None
    if not call.attribute("allowzero", 0):
        if any(n == 0 and i >= len(shape) for i, n in enumerate(wanted)):
            raise call.refused("it copies an axis that its input does not have", "export the model again")
        wanted = [shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    if -1 in wanted:
        rest = prod(n for n in wanted if n != -1)
        if not rest or prod(shape) % rest or wanted.count(-1) > 1:
            raise call.refused(f"{prod(shape)} elements do not fill the shape {wanted}", "export the model again")
        wanted = [prod(shape) // rest if n == -1 else n for n in wanted]
    call.gives(reshaped(call, call.operand(0), wanted))


def _flatten(call: Call) -> None:
    shape = call.type(0).shape
    axis = call.attribute("axis", 1)
    axis += len(shape) if axis < 0 else 0
    call.gives(reshaped(call, call.operand(0), (prod(shape[:axis]), prod(shape[axis:]))))


def _squeeze(call: Call) -> None:
    shape = call.type(0).shape
    given = call.integers(1, "axes")
    axes = (
        {call.axis(a, len(shape)) for a in given} if given is not None else {a for a, n in enumerate(shape) if n == 1}
    )
    call.gives(reshaped(call, call.operand(0), [n for a, n in enumerate(shape) if a not in axes]))


def _unsqueeze(call: Call) -> None:
    shape, given = call.type(0).shape, call.integers(1, "axes", [])
    rank = len(shape) + len(given or ())
    axes = {call.axis(a, rank) for a in given or ()}
    rest = iter(shape)
    call.gives(reshaped(call, call.operand(0), [1 if a in axes else next(rest) for a in range(rank)]))


def _transpose(call: Call) -> None:
    rank = len(call.type(0).shape)
    call.gives(transposed(call, call.operand(0), call.attribute("perm", [*reversed(range(rank))])))


def _expand(call: Call) -> None:
    shape = call.type(0).shape
    wanted = np.broadcast_shapes(shape, tuple(call.integers(1, "shape", []) or ()))
    call.gives(call.add(Strided(tuple(wanted), broadcast(shape, wanted)), call.operand(0)))


def _tile(call: Call) -> None:
    shape, repeats = call.type(0).shape, call.integers(1, "repeats", []) or []
    call.bounded(*(n * r for n, r in zip(shape, repeats, strict=True)))
    maps = tuple(np.tile(np.arange(n), r) for n, r in zip(shape, repeats, strict=True))
    call.gives(call.add(Pick(maps), call.operand(0)))


def _slice(call: Call) -> None:
    shape = call.type(0).shape
    starts, ends = call.integers(1, "starts", []) or [], call.integers(2, "ends", []) or []
    axes = [call.axis(a, len(shape)) for a in call.integers(3, "axes", [*range(len(starts))]) or ()]
    steps = call.integers(4, "steps", [1] * len(starts)) or []
    offset, wanted, strides = 0, [*shape], [*strides_of(shape)]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken = range(shape[axis])[slice(start, _end(end, step, shape[axis]), step)]
        if not taken:
            raise call.refused(f"it leaves nothing of axis {axis}", "leave the slice out")
        offset += taken.start * strides_of(shape)[axis]
        wanted[axis], strides[axis] = len(taken), strides_of(shape)[axis] * step
    call.gives(call.add(Strided(tuple(wanted), tuple(strides), offset), call.operand(0)))


def _end(end: int, step: int, size: int) -> int | None:
    """ONNX's end as a Python slice's: what lies before the first element is said by nothing."""
    return None if step < 0 and end < -size else end


def _split(call: Call) -> None:
    shape = call.type(0).shape
    axis = call.axis(call.attribute("axis", 0), len(shape))
    parts = call.attribute("num_outputs", len(call.outputs))
    size = -(-shape[axis] // parts)
    even = [min(size, shape[axis] - i * size) for i in range(parts)]
    sizes, start, found = call.integers(1, "split", even) or even, 0, []
    for count in sizes:
        wanted = (*shape[:axis], count, *shape[axis + 1 :])
        found.append(call.add(Strided(wanted, strides_of(shape), start * strides_of(shape)[axis]), call.operand(0)))
        start += count
    call.gives(*found)


def joined(call: Call, parts: Sequence[Operand], axis: int) -> Operand:
    """Tensors one after the other along an axis; in groups where they are more than one function takes."""
    groups = [parts[i : i + MOST] for i in range(0, len(parts), MOST)]
    made = [group[0] if len(group) == 1 else call.add(Join(axis), *group) for group in groups]
    return made[0] if len(made) == 1 else joined(call, made, axis)


def _concat(call: Call) -> None:
    axis = call.axis(call.attribute("axis", 1), len(call.type(0).shape))
    call.gives(joined(call, [call.operand(i) for i in range(len(call.operands))], axis))


def _pad(call: Call) -> None:
    shape = call.type(0).shape
    mode = call.attribute("mode", "constant")
    pads = call.integers(1, "pads" if call.version >= 2 else "paddings", []) or []
    fill = call.attribute("value", 0.0)
    if call.version >= 11:
        fill = float(np.ravel(call.constant(2, "constant_value", np.asarray(0.0)))[0])
    axes = [call.axis(a, len(shape)) for a in call.integers(3, "axes", [*range(len(shape))]) or ()]
    maps = [np.arange(n) for n in shape]
    for i, axis in enumerate(axes):
        call.bounded(shape[axis] + abs(pads[i]) + abs(pads[i + len(axes)]))
        maps[axis] = _padded(shape[axis], pads[i], pads[i + len(axes)], mode)
    call.gives(call.add(Pick(tuple(maps), fill), call.operand(0)))


def _padded(size: int, before: int, after: int, mode: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Which element of an axis stands where; -1 for what is filled."""
    at = np.arange(-before, size + after)
    if mode == "constant":
        return np.where((at < 0) | (at >= size), -1, at)
    if mode == "edge":
        return np.clip(at, 0, size - 1)
    if mode == "wrap":
        return at % size
    period = max(2 * (size - 1), 1)
    around = at % period
    return np.where(around < size, around, period - around)


def _shape(call: Call) -> None:
    shape = call.type(0).shape
    start, end = call.attribute("start", 0), call.attribute("end", len(shape))
    call.gives(np.asarray(shape[slice(start, end)], np.int64))


def _size(call: Call) -> None:
    call.gives(np.asarray(prod(call.type(0).shape), np.int64))


def _constant(call: Call) -> None:
    value = next((v for name, v in call.attributes.items() if name != "sparse_value"), None)
    if value is None:
        raise call.refused("a sparse constant is not supported", "export it as a dense one")
    if isinstance(value, np.ndarray):
        call.gives(value)
    else:
        kind = np.float32 if any(isinstance(v, float) for v in np.ravel(np.asarray(value, object))) else np.int64
        call.gives(np.asarray(value, kind))


def _constant_of_shape(call: Call) -> None:
    shape = call.integers(0, "shape", []) or []
    call.bounded(prod(shape))
    value = call.attribute("value", np.zeros(1, np.float32))
    call.gives(np.full(shape, np.ravel(value)[0], value.dtype))


def _range(call: Call) -> None:
    start, limit, delta = (call.constant(i, name) for i, name in enumerate(("start", "limit", "delta")))
    if not delta:
        raise call.refused("its step is 0", "export the model again")
    count = max(int(np.ceil((limit - start) / delta)), 0)
    call.bounded(count)
    call.gives((start + np.arange(count) * delta).astype(start.dtype))


def _depth_to_space(call: Call) -> None:
    n, c, h, w = call.type(0).shape
    b = call.attribute("blocksize")
    if call.attribute("mode", "DCR") == "DCR":
        split, order = (n, b, b, c // b**2, h, w), (0, 3, 4, 1, 5, 2)
    else:
        split, order = (n, c // b**2, b, b, h, w), (0, 1, 4, 2, 5, 3)
    moved = transposed(call, reshaped(call, call.operand(0), split), order)
    call.gives(reshaped(call, moved, (n, c // b**2, h * b, w * b)))


def _space_to_depth(call: Call) -> None:
    n, c, h, w = call.type(0).shape
    b = call.attribute("blocksize")
    split = reshaped(call, call.operand(0), (n, c, h // b, b, w // b, b))
    order = (0, 3, 5, 1, 2, 4) if call.attribute("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    call.gives(reshaped(call, transposed(call, split, order), (n, c * b**2, h // b, w // b)))


def _trilu(call: Call) -> None:
    kind = call.type(0)
    k = int(np.ravel(call.constant(1, "k", np.asarray(0)))[0])
    rows, columns = np.ogrid[: kind.shape[-2], : kind.shape[-1]]
    kept = columns - rows >= k if call.attribute("upper", 1) else columns - rows <= k
    zero = np.zeros((), kind.dtype.numpy)
    call.gives(call.add(Elementwise("Where"), kept, call.operand(0), zero))


CONVERTERS: Mapping[str, Converter] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}
