"""Sound: tempo and pitch come apart, noise has the loudness asked for, masks silence bands."""

from __future__ import annotations

import math

import pytest
import torch

from hubel.data.augment_audio import (
    add_noise,
    augment_waves,
    mask_spectrogram,
    pitch_shift,
    resample,
    spectrogram,
    time_stretch,
)  # fmt: skip
from hubel.errors import UsageError

RATE = 8000


def tone(hertz: float, seconds: float = 1.0) -> torch.Tensor:
    return torch.sin(torch.arange(int(RATE * seconds)) * (2 * math.pi * hertz / RATE))[None]


def pitch(wave: torch.Tensor) -> float:
    """The strongest frequency, in hertz, from the middle half of the wave."""
    middle = wave[0, wave.shape[1] // 4 : -wave.shape[1] // 4]
    power = torch.fft.rfft(middle * torch.hann_window(len(middle)), n=8 * RATE).abs()
    return power.argmax().item() / 8


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.0, 1.25, 2.0])
@pytest.mark.parametrize("hertz", [440, 523, 1001])
def test_stretching_changes_the_length_and_leaves_the_pitch(rate: float, hertz: int) -> None:
    out = time_stretch(tone(hertz), rate)
    assert out.shape[1] == round(RATE / rate)
    assert pitch(out) == pytest.approx(hertz, abs=3)


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25])
def test_stretching_leaves_the_loudness_of_a_tone(rate: float) -> None:
    out = time_stretch(tone(440), rate)
    middle = out[:, out.shape[1] // 4 : -out.shape[1] // 4]
    assert middle.square().mean().sqrt().item() == pytest.approx(math.sqrt(0.5), rel=0.05)


@pytest.mark.parametrize("semitones", [-12, -3, 0, 2, 12])
def test_shifting_changes_the_pitch_and_leaves_the_length(semitones: int) -> None:
    out = pitch_shift(tone(440), semitones)
    assert out.shape == (1, RATE)
    assert pitch(out) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)


def test_resampling_a_whole_number_of_waves_is_exact() -> None:
    torch.testing.assert_close(resample(tone(100), 6000)[0], torch.sin(torch.arange(6000) * (2 * math.pi * 100 / 6000)),
                               atol=1e-4, rtol=0)  # fmt: skip


@pytest.mark.parametrize("snr", [0.0, 10.0, 30.0])
def test_noise_lies_as_many_decibels_below_the_wave_as_asked(snr: float) -> None:
    wave = tone(440)
    noise = add_noise(wave, torch.tensor([5]), snr=snr, seed=0, epoch=0) - wave
    assert 10 * torch.log10(wave.square().mean() / noise.square().mean()).item() == pytest.approx(snr, abs=0.3)


def test_silence_stays_silent() -> None:
    assert not add_noise(torch.zeros(1, 100), torch.tensor([1]), snr=0, seed=0, epoch=0).any()


def test_masks_silence_one_band_and_one_moment_and_nothing_else() -> None:
    spectra = torch.ones(20, 30, 40)
    masked = mask_spectrogram(spectra, torch.arange(20), bins=6, frames=9, seed=0, epoch=0)
    for spectrum in masked:
        hidden_bins = (spectrum.sum(dim=1) == 0).sum().item()
        hidden_frames = (spectrum.sum(dim=0) == 0).sum().item()
        assert hidden_bins <= 6
        assert hidden_frames <= 9
        assert spectrum.sum().item() == (30 - hidden_bins) * (40 - hidden_frames)


def test_what_happens_to_a_wave_does_not_depend_on_its_batch() -> None:
    waves, ids = torch.cat([tone(300, 0.5), tone(440, 0.5), tone(600, 0.5)]), torch.tensor([7, 8, 9])
    whole = augment_waves(waves, ids, seed=1, epoch=2)
    torch.testing.assert_close(augment_waves(waves[1:2], ids[1:2], seed=1, epoch=2), whole[1:2])
    assert not torch.equal(whole, augment_waves(waves, ids, seed=1, epoch=3))


def test_a_spectrogram_shows_a_tone_in_its_bin() -> None:
    loudest = spectrogram(tone(1000))[0].sum(dim=1).argmax().item()
    assert loudest == round(1000 / RATE * 512)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: time_stretch(tone(440), 0.0), "rate must be from 0.1 to 10"),
        (lambda: time_stretch(torch.zeros(1, 100), 2.0), "at least 512 samples"),
        (lambda: pitch_shift(tone(440), 40), "within two octaves"),
        (lambda: mask_spectrogram(torch.ones(1, 4, 4), torch.tensor([0]), bins=5, frames=0, seed=0, epoch=0), "0 to 4"),
        (lambda: augment_waves(tone(440), torch.tensor([0]), seed=0, epoch=0, stretch=1), "stretch must be"),
    ],
)
def test_what_cannot_be_is_refused(call, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()
