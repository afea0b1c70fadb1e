"""Resize and Upsample: along each axis every element of the output is a weighted sum of a few of the input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.ops.contract import Contract
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.pick import Pick

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """One axis: its sizes, its scale, and what the node asks for."""

    size: int
    out: int
    scale: float
    start: float
    end: float
    coordinates: str
    nearest: str
    mode: str
    cubic: float
    exclude: bool
    antialias: bool

    def places(self) -> Floats:
        """Where in the input each element of the output lies, (out,)."""
        x, whole = np.arange(self.out, dtype=np.float64), self.scale * self.size
        by = (1.0, self.scale)
        if (
            abs(whole - self.out) < 1e-5 * self.out
        ):  # a scale made of two sizes, which together are exact: `floor` depends on it
            whole, by = self.out, (self.size, self.out)
        if self.coordinates == "asymmetric":
            return np.asarray(x * by[0] / by[1])
        if self.coordinates == "align_corners":
            return np.asarray(x * (self.size - 1) / (whole - 1) if whole != 1 else np.zeros_like(x))
        if self.coordinates == "pytorch_half_pixel":
            return np.asarray((x + 0.5) * by[0] / by[1] - 0.5 if whole > 1 else np.zeros_like(x))
        if self.coordinates == "tf_crop_and_resize":
            if self.out == 1:
                return np.asarray(np.full_like(x, 0.5 * (self.start + self.end) * (self.size - 1)))
            step = (self.end - self.start) * (self.size - 1) / (self.out - 1)
            return np.asarray(self.start * (self.size - 1) + x * step)
        if self.coordinates == "half_pixel_symmetric":
            adjusted = self.out / whole
            offset = self.size / 2 * (1 - adjusted)
            return np.asarray(offset + (x + 0.5) * by[0] / by[1] - 0.5)
        return np.asarray((x + 0.5) * by[0] / by[1] - 0.5)

    def picks(self) -> npt.NDArray[np.int64]:
        """Mode `nearest`: the element for each place."""
        x = self.places()
        ways: Mapping[str, Callable[[Floats], Floats]] = {
            "round_prefer_floor": lambda v: np.asarray(np.ceil(v - 0.5)),
            "round_prefer_ceil": lambda v: np.asarray(np.floor(v + 0.5)),
            "floor": lambda v: np.asarray(np.floor(v)),
            "ceil": lambda v: np.asarray(np.ceil(v)),
        }
        rounding = ways[self.nearest]
        return np.asarray(np.clip(rounding(x), 0, self.size - 1), np.int64)

    def weights(self) -> Floats:
        """Modes `linear` and `cubic`: (out, size)."""
        found = np.zeros((self.out, self.size))
        shrink = min(self.scale, 1.0) if self.antialias else 1.0
        reach = (1.0 if self.mode == "linear" else 2.0) / shrink
        for row, x in enumerate(self.places()):
            taps = np.arange(math.floor(x - reach) + 1, math.floor(x + reach) + 1)
            if not self.antialias:
                width = int(reach)
                taps = np.arange(math.floor(x) - width + 1, math.floor(x) + width + 1)
            weights = self._kernel((x - taps) * shrink)
            inside = (taps >= 0) & (taps < self.size)
            if self.exclude:
                weights = np.where(inside, weights, 0.0)
            if self.exclude or self.antialias:
                weights = weights / weights.sum()
            np.add.at(found[row], np.clip(taps, 0, self.size - 1), weights)
        return found

    def _kernel(self, x: Floats) -> Floats:
        x, a = np.abs(x), self.cubic
        if self.mode == "linear":
            return np.maximum(1 - x, 0)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return np.asarray(np.where(x <= 1, near, np.where(x < 2, far, 0.0)))


def _resize(call: Call) -> None:
    shape = call.type(0).shape
    first = 2 if call.version >= 11 else 1  # of scales; 1 is the region from operator set 11 on
    axes = [call.axis(a, len(shape)) for a in call.attribute("axes", range(len(shape)))]
    scales, sizes = _sizes(call, shape, axes, first)
    region = _region(call, len(shape), axes) if call.version >= 11 else np.tile([0.0, 1.0], (len(shape), 1))
    mode = call.attribute("mode", "nearest")
    cropped = call.attribute("coordinate_transformation_mode", "half_pixel" if call.version >= 11 else "asymmetric")
    x: Operand = call.operand(0)
    call.bounded(*sizes)
    maps, outside = [np.arange(n) for n in shape], []
    for axis, (size, out, scale) in enumerate(zip(shape, sizes, scales, strict=True)):
        one = Axis(
            size, out, scale, float(region[axis][0]), float(region[axis][1]), cropped,
            call.attribute("nearest_mode", "round_prefer_floor" if call.version >= 11 else "floor"), mode,
            call.attribute("cubic_coeff_a", -0.75), bool(call.attribute("exclude_outside", 0)),
            bool(call.attribute("antialias", 0)),
        )  # fmt: skip
        if cropped == "tf_crop_and_resize":
            at = one.places()
            outside.append((axis, (at < 0) | (at > size - 1)))
        if mode == "nearest":
            maps[axis] = one.picks()
        elif out != size or not np.array_equal(one.weights(), np.eye(size)):
            x = _weighted(call, x, axis, one.weights())
    if mode == "nearest":
        x = call.add(Pick(tuple(maps)), x)
    call.gives(_filled(call, x, outside))


def _sizes(call: Call, shape: tuple[int, ...], axes: list[int], first: int) -> tuple[list[float], list[int]]:
    """The scale and the size of every axis of the output."""
    scales, sizes = [1.0] * len(shape), [*shape]
    given = (
        call.constant(first, "scales")
        if call.op == "Resize" or call.version >= 9
        else np.asarray(call.attribute("scales"))
    )
    if given is not None and len(np.ravel(given)):
        for axis, scale in zip(axes, np.ravel(given), strict=True):
            scales[axis] = float(scale)
            sizes[axis] = math.floor(shape[axis] * float(scale))
        return scales, sizes
    wanted = call.integers(first + 1, "sizes", []) or []
    policy = call.attribute("keep_aspect_ratio_policy", "stretch")
    for axis, size in zip(axes, wanted, strict=True):
        scales[axis], sizes[axis] = size / shape[axis], size
    if policy != "stretch":
        choose = min if policy == "not_larger" else max
        scale = choose(scales[a] for a in axes)
        for axis in axes:
            scales[axis], sizes[axis] = scale, math.floor(scale * shape[axis] + 0.5)
    return scales, sizes


def _region(call: Call, rank: int, axes: list[int]) -> Floats:
    found = np.tile([0.0, 1.0], (rank, 1))
    given = call.constant(1, "roi")
    if given is not None and len(np.ravel(given)):
        found[axes] = np.ravel(given).reshape(2, -1).T
    return found


def _weighted(call: Call, x: Operand, axis: int, weights: Floats) -> Operand:
    """Sums along an axis. A row of weights has few that are not 0: as many elements are picked and multiplied."""
    kind = call.tensors.type_of(x)
    letters = "abcdefgh"[: len(kind.shape)]
    word = letters[:axis] + "z" + letters[axis + 1 :]
    return call.add(Contract((word, letters[axis] + "z"), letters), x, np.asarray(weights, kind.dtype.numpy))


def _filled(call: Call, x: Operand, outside: list[tuple[int, npt.NDArray[np.bool_]]]) -> Operand:
    """What lies outside of a cropped region has a value of its own."""
    kind = call.tensors.type_of(x)
    mask = np.zeros(kind.shape, np.bool_)
    for axis, missing in outside:
        mask |= missing.reshape((-1,) + (1,) * (len(kind.shape) - axis - 1))
    if not mask.any():
        return x
    value = np.asarray(call.attribute("extrapolation_value", 0.0), kind.dtype.numpy)
    return call.add(Elementwise("Where"), mask, value, x)


CONVERTERS: Mapping[str, Converter] = {"Resize": _resize, "Upsample": _resize}
