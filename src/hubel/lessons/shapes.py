"""Shape arithmetic: how large is the output of a window that slides, with the formula and the numbers put in.

Letters: n size of the input along one axis, k kernel, s stride, p padding on each side, d dilation, all in pixels.

    convolution, pooling     floor((n + 2p - d(k - 1) - 1) / s) + 1        (ceil in place of floor with ceil_mode)
    transposed convolution   (n - 1)s - 2p + d(k - 1) + output_padding + 1
    "same" padding           d(k - 1) in all, half on each side; the odd pixel goes to the end

Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv 1603.07285, relationships 6 and 14.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubel.errors import UsageError


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One size worked out: the number, the formula with letters, the formula with numbers, and what to beware of."""

    size: int
    """Positions along the output axis."""
    formula: str
    numbers: str
    warning: str = ""
    """Not empty if the division is not whole: the last `unused` pixels of the (padded) input are never seen."""
    unused: int = 0

    def __str__(self) -> str:
        lines = [self.formula, self.numbers]
        return "\n".join([*lines, f"beware: {self.warning}"] if self.warning else lines)


def window_size(
    n: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> Arithmetic:
    """Output size of a convolution or a pooling.

    Raises UsageError when a setting is not positive or the window does not fit.

    >>> print(window_size(227, 11, stride=4, padding=2))
    floor((n + 2p - d(k - 1) - 1) / s) + 1
    floor((227 + 2*2 - 1*(11 - 1) - 1) / 4) + 1 = 56
    >>> window_size(6, 3, stride=2, padding=1).warning
    '5 / 2 is not whole: the last 1 pixel of the padded input is never seen'
    """
    _positive(n=n, kernel=kernel, stride=stride, dilation=dilation)
    if padding < 0:
        raise UsageError(f"padding must not be negative, got {padding}", hint="use 0 for none")
    span = n + 2 * padding - dilation * (kernel - 1) - 1
    if span < 0:
        raise UsageError(
            f"a window of {dilation * (kernel - 1) + 1} pixels does not fit into an input of {n} + 2*{padding} pixels",
            hint="use a larger image, a smaller kernel, less dilation, or more padding",
        )
    rest = span % stride
    size = span // stride + 1
    if ceil_mode and rest and size * stride < n + padding:
        # The last window may hang over the end, but it must begin inside the input or its left padding.
        size, rest = size + 1, 0
    rounding = "ceil" if ceil_mode else "floor"
    warning = ""
    if rest:
        where = "padded input" if padding else "input"
        pixels = "pixel" if rest == 1 else "pixels"
        verb = "is" if rest == 1 else "are"
        warning = f"{span} / {stride} is not whole: the last {rest} {pixels} of the {where} {verb} never seen"
    return Arithmetic(
        size,
        f"{rounding}((n + 2p - d(k - 1) - 1) / s) + 1",
        f"{rounding}(({n} + 2*{padding} - {dilation}*({kernel} - 1) - 1) / {stride}) + 1 = {size}",
        warning,
        rest,
    )


def transposed_size(
    n: int, kernel: int, *, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> Arithmetic:
    """Output size of a transposed convolution.

    >>> transposed_size(128, 4, stride=2, padding=1).numbers
    '(128 - 1)*2 - 2*1 + 1*(4 - 1) + 0 + 1 = 256'
    """
    _positive(n=n, kernel=kernel, stride=stride, dilation=dilation)
    if output_padding >= max(stride, dilation):
        raise UsageError(
            f"output_padding must be smaller than stride or dilation, got {output_padding} with stride {stride}",
            hint=f"use at most {max(stride, dilation) - 1}",
        )
    size = (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1
    if size < 1:
        raise UsageError(f"the output would have {size} positions", hint="use less padding or a larger kernel")
    return Arithmetic(
        size,
        "(n - 1)s - 2p + d(k - 1) + output_padding + 1",
        f"({n} - 1)*{stride} - 2*{padding} + {dilation}*({kernel} - 1) + {output_padding} + 1 = {size}",
    )


def same_padding(kernel: int, *, dilation: int = 1) -> tuple[int, int]:
    """Pixels before and after that keep the size at stride 1; equal only if d(k - 1) is even.

    >>> [same_padding(k) for k in (3, 5, 7, 4)]
    [(1, 1), (2, 2), (3, 3), (1, 2)]
    """
    _positive(kernel=kernel, dilation=dilation)
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def _positive(**settings: int) -> None:
    for name, value in settings.items():
        if value < 1:
            raise UsageError(
                f"{name} must be at least 1, got {value}", hint="kernel=3 with stride=1 and dilation=1 is usual"
            )
