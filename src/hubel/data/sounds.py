"""Sounds as pictures: a WAV file is read as its spectrogram, so that every net, explanation and command takes it.

A Hann window of 25 ms every 10 ms; the power in 64 mel bands from 0 to 8,000 Hz (mel = 2595 lg(1 + f / 700), triangles
that overlap by half); decibels below the loudest place of the file, from 0 (white) to -80 (black); low tones at the
bottom, a pixel each 10 ms. Channels are averaged. Files of any rate have the same bands: what a low rate cannot hold
stays black.

PCM of 8, 16, 24 and 32 bits and floating point of 32 and 64 bits are read, by the standard library and NumPy;
compressed sound is refused in words. Letters: S samples, T frames of 10 ms, F frequencies, M mel bands.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from hubel.data.manifest import BadPicture

FORMAT = "WAV"
"""As the format is called beside Pillow's own."""
VERSION = 1
"""Of the spectrogram: another one gives other pixels."""
WINDOW, HOP = 0.025, 0.010
"""Seconds."""
BANDS, HIGHEST = 64, 8000.0
"""Mel bands, and where they end, in Hz."""
FLOOR = -80.0
"""Decibels below the loudest place that are black."""
RATES = (100, 1_000_000)
"""Samples a second that are taken for such."""
PCM, FLOATS, EXTENSIBLE = 1, 3, 0xFFFE
CODES = {
    2: "Microsoft ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3",
    0xFF: "AAC", 0x161: "WMA", 0x2000: "AC-3",
}  # fmt: skip
"""Compressed forms by their number in a header."""
_AT_ONCE = 512
"""Frames that are taken apart together."""


@dataclass(frozen=True)
class Sound:
    """What the header of a WAV file says, and where its samples lie."""

    rate: int
    channels: int
    bits: int
    floats: bool
    start: int
    """Of the first byte of the samples."""
    frames: int
    """S: samples of each channel."""

    @property
    def pixels(self) -> tuple[int, int]:
        """Width (T) and height (M) of the spectrogram."""
        window, hop = _steps(self.rate)
        return 1 + max(0, self.frames - window) // hop, BANDS


def is_sound(data: bytes) -> bool:
    """Whether bytes begin as a WAV file does."""
    return data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE"


def header(data: bytes) -> Sound:
    """The header of a WAV file, with a check that all of its samples are there. Raises BadPicture.

    >>> import io, wave
    >>> with wave.open(file := io.BytesIO(), "wb") as made:
    ...     made.setparams((1, 2, 8000, 0, "NONE", "")), made.writeframes(bytes(16000))
    (None, None)
    >>> found = header(file.getvalue())
    >>> found.rate, found.bits, found.frames, found.pixels
    (8000, 16, 8000, (98, 64))
    """
    if data[:4] != b"RIFF":
        raise BadPicture("not an image", f"it is a WAV file of the kind {data[:4].decode('ascii')}, which is not read")
    at, form = 12, None
    while at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"fmt ":
            form = _form(data[at : at + length])
        elif name == b"data":
            return _with_samples(form, at, length, len(data))
        at += length + length % 2
    raise BadPicture("truncated", "it ends before its samples begin")


def _form(chunk: bytes) -> tuple[int, int, int, bool]:
    """(rate, channels, bits, whether they are floating point)."""
    if len(chunk) < 16:
        raise BadPicture("truncated", "it ends in its header")
    code, channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunk[:16])
    if code == EXTENSIBLE and len(chunk) >= 26:
        code = int.from_bytes(chunk[24:26], "little")
    if code not in (PCM, FLOATS):
        name = CODES.get(code, f"the form {code:#x}")
        raise BadPicture("not an image", f"its sound is compressed ({name}): convert it to PCM, the plain form of WAV")
    if bits not in ((8, 16, 24, 32) if code == PCM else (32, 64)) or not 1 <= channels <= 64:
        raise BadPicture("corrupt", f"its header claims {channels} channels of {bits} bits")
    if block != channels * bits // 8 or not RATES[0] <= rate <= RATES[1]:
        raise BadPicture("corrupt", f"its header claims {rate:,} samples a second of {block} bytes each")
    return rate, channels, bits, code == FLOATS


def _with_samples(form: tuple[int, int, int, bool] | None, start: int, length: int, total: int) -> Sound:
    if form is None:
        raise BadPicture("corrupt", "its samples come before what says how to read them")
    if start + length > total:
        raise BadPicture("truncated", f"{total - start:,} bytes of sound, its header says {length:,}")
    rate, channels, bits, floats = form
    frames = length // (channels * bits // 8)
    if not frames:
        raise BadPicture("empty", "there is no sound in it")
    return Sound(rate, channels, bits, floats, start, frames)


def samples(data: bytes, about: Sound) -> np.ndarray:
    """S float32 from -1 to 1, the mean of the channels. Raises BadPicture for numbers that are not finite."""
    width = about.bits // 8
    raw = np.frombuffer(data, np.uint8, about.frames * about.channels * width, about.start)
    if about.floats:
        found: np.ndarray = raw.view("<f4" if width == 4 else "<f8").astype(np.float32)
        if not np.isfinite(found).all():
            raise BadPicture("corrupt", "some of its samples are not finite")
    elif width == 1:
        found = (raw.astype(np.float32) - 128) / 128
    elif width == 3:  # as the higher three bytes of four
        whole = np.zeros((len(raw) // 3, 4), np.uint8)
        whole[:, 1:] = raw.reshape(-1, 3)
        found = whole.view("<i4")[:, 0].astype(np.float32) / 2**31
    else:
        found = raw.view(f"<i{width}").astype(np.float32) / 2 ** (about.bits - 1)
    return np.asarray(found.reshape(-1, about.channels).mean(1), dtype=np.float32)


def spectrogram(sound: np.ndarray, rate: int) -> np.ndarray:
    """M T uint8 of S samples, high tones first; a file shorter than a window is filled up with silence.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> found = spectrogram(tone, 16000)
    >>> found.shape, int(found[:, 50].argmax())  # 1,000 Hz are 1,000 mel, of 2,840
    ((64, 98), 41)
    """
    window, hop = _steps(rate)
    sound = np.pad(sound.astype(np.float32), (0, max(0, window - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::hop]
    size = 1 << (2 * window - 1).bit_length()
    weights, hann = _bands(rate, size), np.hanning(window + 1)[:-1].astype(np.float32)
    parts = [
        np.square(np.abs(np.fft.rfft(frames[start : start + _AT_ONCE] * hann, size))) @ weights
        for start in range(0, len(frames), _AT_ONCE)
    ]
    power = np.concatenate(parts).T[::-1]
    loudest = float(power.max(initial=0.0))
    if loudest <= 0:
        return np.zeros(power.shape, np.uint8)
    decibels = 10 * np.log10(np.maximum(power / loudest, 10 ** (FLOOR / 10)))
    return np.asarray(np.round(255 * (1 - decibels / FLOOR)), dtype=np.uint8)


def _steps(rate: int) -> tuple[int, int]:
    """Samples of a window, and from one to the next."""
    return max(2, round(WINDOW * rate)), max(1, round(HOP * rate))


@lru_cache(maxsize=4)
def _bands(rate: int, size: int) -> np.ndarray:
    """F M: how much of each frequency is in each band."""
    frequencies = np.arange(size // 2 + 1) * rate / size
    mel = np.linspace(0, 2595 * np.log10(1 + HIGHEST / 700), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    up = (frequencies[:, None] - low) / (middle - low)
    down = (high - frequencies[:, None]) / (high - middle)
    return np.asarray(np.clip(np.minimum(up, down), 0, None), dtype=np.float32)


class SoundFile(ImageFile.ImageFile):
    """How Pillow opens a WAV file: as a grey picture, whose pixels are computed when they are asked for."""

    format = FORMAT
    format_description = "Sound as its spectrogram"

    def _open(self) -> None:
        assert self.fp is not None
        self._about = header(_whole(self.fp))
        self._mode, self._size = "L", self._about.pixels
        self.tile = []

    def load(self) -> Any:
        """Compute the pixels, once."""
        if self._im is None:
            assert self.fp is not None
            pixels = spectrogram(samples(_whole(self.fp), self._about), self._about.rate)
            self.im = Image.fromarray(pixels).im
            self.fp.close()
        return super().load()


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


Image.register_open(FORMAT, SoundFile, is_sound)
