"""Augmentation of sound: stretch in time, shift in pitch, add noise, mask: functions on tensors, per sample.

Letters: B batch, T samples of the wave, F frequency bins, M frames of a spectrogram, S samples a second.

Stretch and pitch use a phase vocoder (Flanagan & Golden, Bell System Technical Journal 45, 1966): the short-time
spectrum is read at another speed, and each bin's phase goes on at its own rate, so that tempo and pitch come apart.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from hubel.data.draws import Draws
from hubel.errors import UsageError
from hubel.registry import Component, Registry

__all__ = [
    "SOUND", "add_noise", "augment_waves", "mask_spectrogram", "pitch_shift", "resample", "spectrogram", "time_stretch",
]  # fmt: skip

WINDOW, HOP = 512, 128


def spectrogram(waves: torch.Tensor, *, window: int = WINDOW, hop: int = HOP) -> torch.Tensor:
    """Magnitudes of the short-time Fourier transform: B T -> B F M, F = window / 2 + 1 bins, one frame every `hop`.

    >>> spectrogram(torch.zeros(2, 4000)).shape
    torch.Size([2, 257, 32])
    """
    return _spectrum(waves, window, hop).abs()


def _spectrum(waves: torch.Tensor, window: int, hop: int) -> torch.Tensor:
    if waves.ndim != 2 or waves.shape[1] < window:
        raise UsageError(
            f"waves must be B T with at least {window} samples, got shape {tuple(waves.shape)}",
            hint="pad short sounds with zeros, or use a smaller window",
        )
    hann = torch.hann_window(window, dtype=waves.dtype, device=waves.device)
    return torch.stft(waves, window, hop, window=hann, return_complex=True)  # B F M


def time_stretch(waves: torch.Tensor, rate: float, *, window: int = WINDOW, hop: int = HOP) -> torch.Tensor:
    """Faster (rate above 1) or slower at the same pitch: B T -> B T/rate (rounded).

    >>> tone = torch.sin(torch.arange(8000) * 0.35)[None]
    >>> time_stretch(tone, 2.0).shape
    torch.Size([1, 4000])
    """
    if not 0.1 <= rate <= 10:
        raise UsageError(f"the rate must be from 0.1 to 10, got {rate:g}", hint="0.8 to 1.25 sounds natural")
    length = round(waves.shape[1] / rate)
    if rate == 1:
        return waves
    spectrum = _spectrum(waves, window, hop)
    frames = torch.arange(0, spectrum.shape[2], rate, device=waves.device, dtype=waves.dtype)  # places to read
    before = frames.long()
    share = frames - before
    padded = F.pad(spectrum, (0, 2))
    here, after = padded[:, :, before], padded[:, :, before + 1]
    size = torch.lerp(here.abs(), after.abs(), share)
    # How far each bin turns in a hop. Frames are laid down as far apart as they were taken: whole turns do not matter.
    turn = after.angle() - here.angle()
    phase = torch.cat((here.angle()[:, :, :1], turn[:, :, :-1]), dim=2).cumsum(dim=2)
    # Bins around a peak carry one tone; each keeps its phase to the peak as it was, or they would drift and cancel.
    peak = _nearest_peak(size)
    phase = phase.gather(1, peak) + here.angle() - here.angle().gather(1, peak)
    hann = torch.hann_window(window, dtype=waves.dtype, device=waves.device)
    return torch.istft(torch.polar(size, phase), window, hop, window=hann, length=length)


def _nearest_peak(size: torch.Tensor) -> torch.Tensor:
    """For each bin the bin of the nearest local maximum in its frame: B F M -> B F M, int64 (Laroche & Dolson 1999)."""
    bins = torch.arange(size.shape[1], device=size.device)[:, None].expand(size.shape)
    padded = F.pad(size, (0, 0, 1, 1), value=-1)
    peaks = (size >= padded[:, :-2]) & (size > padded[:, 2:])
    far = 2 * size.shape[1]
    below = torch.where(peaks, bins, -far).cummax(dim=1).values
    above = torch.where(peaks, bins, far).flip(1).cummin(dim=1).values.flip(1)
    nearest = torch.where(bins - below <= above - bins, below, above)
    return torch.where((nearest >= 0) & (nearest < size.shape[1]), nearest, bins)  # silence has no peak


def resample(waves: torch.Tensor, length: int) -> torch.Tensor:
    """The wave with `length` samples, B T -> B length, by cutting or padding its spectrum: no aliases, exact for tones.

    >>> resample(torch.ones(1, 100), 80).shape
    torch.Size([1, 80])
    """
    spectrum = torch.fft.rfft(waves)
    bins = length // 2 + 1
    spectrum = spectrum[:, :bins] if bins <= spectrum.shape[1] else F.pad(spectrum, (0, bins - spectrum.shape[1]))
    return torch.fft.irfft(spectrum, n=length) * (length / waves.shape[1])


def pitch_shift(waves: torch.Tensor, semitones: float, *, window: int = WINDOW, hop: int = HOP) -> torch.Tensor:
    """Higher or lower at the same length: B T -> B T. Stretched by 2^(semitones/12), then played that much faster."""
    if not -24 <= semitones <= 24:
        raise UsageError(f"the shift must be within two octaves, got {semitones:g} semitones", hint="2 is usual")
    if semitones == 0:
        return waves
    factor = 2 ** (semitones / 12)
    return resample(time_stretch(waves, 1 / factor, window=window, hop=hop), waves.shape[1])


def add_noise(waves: torch.Tensor, ids: torch.Tensor, *, snr: float, seed: int, epoch: int) -> torch.Tensor:
    """White noise `snr` decibels below each wave's own power: B T -> B T. Silence stays silent."""
    noise = Draws(ids.to(waves.device), seed, epoch).normal(waves.shape[1]).to(waves.dtype)
    power = waves.square().mean(dim=1, keepdim=True)
    return waves + noise * (power * 10 ** (-snr / 10)).sqrt()


def mask_spectrogram(
    spectra: torch.Tensor, ids: torch.Tensor, *, bins: int, frames: int, seed: int, epoch: int
) -> torch.Tensor:
    """A band of up to `bins` frequencies and one of up to `frames` moments silenced: B F M -> B F M.

    SpecAugment: Park et al., arXiv:1904.08779, section 2.
    """
    draws = Draws(ids.to(spectra.device), seed, epoch)
    for dimension, most in ((1, bins), (2, frames)):
        count = spectra.shape[dimension]
        if not 0 <= most <= count:
            raise UsageError(
                f"a mask must be from 0 to {count} wide, got {most}",
                hint=f"0 leaves it out, {count} may silence all of it",
            )
        width = draws.integer(0, most)
        start = (draws.uniform() * (count - width + 1)).long()
        index = torch.arange(count, device=spectra.device)
        hidden = (index >= start[:, None]) & (index < (start + width)[:, None])  # B count
        spectra = spectra.masked_fill(hidden[:, :, None] if dimension == 1 else hidden[:, None, :], 0)
    return spectra


def augment_waves(
    waves: torch.Tensor,
    ids: torch.Tensor,
    *,
    seed: int,
    epoch: int,
    stretch: float = 0.1,
    semitones: float = 2.0,
    snr: float = 20.0,
) -> torch.Tensor:
    """Each wave stretched, shifted in pitch and made noisy by amounts of its own: B T -> B T, cut or padded with zeros.

    The rate lies in [1 − stretch, 1 + stretch], the pitch within ± semitones, the noise `snr` decibels or more below.

    >>> waves = torch.sin(torch.arange(4000) * 0.3).repeat(2, 1)
    >>> augment_waves(waves, torch.tensor([3, 4]), seed=0, epoch=0).shape
    torch.Size([2, 4000])
    """
    if not 0 <= stretch < 0.9:
        raise UsageError(f"stretch must be from 0 to below 0.9, got {stretch:g}", hint="0.1 is usual")
    draws = Draws(ids.to(waves.device), seed, epoch, 1)
    rates = draws.uniform(1 - stretch, 1 + stretch).tolist()
    tones = draws.uniform(-semitones, semitones).tolist()
    quiet = draws.uniform(0, 20).tolist()
    changed = []
    for index, (rate, tone, softer) in enumerate(zip(rates, tones, quiet, strict=True)):
        wave = pitch_shift(time_stretch(waves[index : index + 1], rate), tone)
        wave = F.pad(wave, (0, max(0, waves.shape[1] - wave.shape[1])))[:, : waves.shape[1]]
        changed.append(add_noise(wave, ids[index : index + 1], snr=snr + softer, seed=seed, epoch=epoch))
    return torch.cat(changed) if changed else waves


SOUND: Registry[Component[Callable[..., torch.Tensor]]] = Registry(
    "sound augmentation", listing="hubel components sound"
)
"""Name -> function on waves, or on spectrograms; called from Python, since recipes are about pictures."""

for _name, _function, _title, _formula, _source, _rows in (
    ("time-stretch", time_stretch, "Time stretching", "f(t) -> f(rate · t), pitches kept by a phase vocoder",
     "Flanagan & Golden, BSTJ 45, 1966; Laroche & Dolson, 1999", ("C111",)),
    ("pitch-shift", pitch_shift, "Pitch shifting", "pitches times 2^(semitones / 12), length kept",
     "Flanagan & Golden, BSTJ 45, 1966", ("C111",)),
    ("add-noise", add_noise, "Noise in a sound", "f + n, the power of n so many decibels below that of f",
     "folklore", ("C107", "C111")),
    ("mask-spectrogram", mask_spectrogram, "SpecAugment", "a band of bins and one of frames set to 0",
     "Park et al., arXiv:1904.08779", ("C111",)),
    ("augment-waves", augment_waves, "All of them, drawn for each sound", "stretched, shifted, noisy, by its id",
     "folklore", ("C111",)),
):  # fmt: skip
    SOUND.add(
        _name,
        Component(
            title=_title, build=_function, formula=_formula, source=_source, rows=_rows,
            note=(_function.__doc__ or "").strip().partition("\n")[0],
        ),
    )  # fmt: skip
