"""Sounds as spectrograms: every plain form of WAV, and what is refused in words."""

from __future__ import annotations

import io
import struct
import wave
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from scipy.signal import stft

from hubel.data.choose import choose_preprocessing
from hubel.data.images import BadPicture, decode, open_picture, pixel_limit
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import scan
from hubel.data.sounds import header, samples, spectrogram
from hubel.data.sources import open_source

RATE = 16_000


def tone(hertz: float = 1000, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def pcm(sound: np.ndarray, bits: int = 16, channels: int = 1, rate: int = RATE) -> bytes:
    whole = np.round(np.repeat(sound, channels) * (2 ** (bits - 1) - 1)).astype(np.int64)
    if bits == 8:
        raw = (whole + 128).astype(np.uint8).tobytes()
    else:
        raw = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, : bits // 8].tobytes()
    with wave.open(out := io.BytesIO(), "wb") as file:
        file.setparams((channels, bits // 8, rate, 0, "NONE", ""))
        file.writeframes(raw)
    return out.getvalue()


def with_code(data: bytes, code: int) -> bytes:
    return data[:20] + struct.pack("<H", code) + data[22:]


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_plain_form_gives_the_samples_that_were_written(bits: int, channels: int) -> None:
    data = pcm(tone(), bits, channels)
    found = samples(data, header(data))
    np.testing.assert_allclose(found, tone(), atol=2 / 2 ** (bits - 1) + 1e-6)
    if bits in (16, 32):  # another reader says the same
        other = wavfile.read(io.BytesIO(data))[1].astype(float).reshape(-1, channels).mean(1) / 2 ** (bits - 1)
        np.testing.assert_allclose(found, other, atol=1e-6)


def test_floating_point_and_extended_headers_are_read() -> None:
    wavfile.write(out := io.BytesIO(), RATE, tone().astype(np.float32))
    np.testing.assert_allclose(samples(out.getvalue(), header(out.getvalue())), tone(), atol=1e-6)
    plain = pcm(tone(), 24)
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, 3 * RATE, 3, 24, 22, 24, 4) + struct.pack("<H", 1) + bytes(14)
    long = plain[:12] + b"LIST\x03\0\0\0abc\0fmt " + struct.pack("<I", len(form)) + form + plain[36:]
    np.testing.assert_array_equal(samples(long, header(long)), samples(plain, header(plain)))


def test_the_spectrogram_is_that_of_another_implementation() -> None:
    draw = np.random.default_rng(0)
    sound = (tone(440) + 0.1 * draw.normal(size=8000)).astype(np.float32)
    found = spectrogram(sound, RATE)
    assert found.shape == (64, 48)
    _, _, parts = stft(sound, RATE, "hann", 400, 240, nfft=1024, boundary=None, padded=False)
    frequencies = np.arange(513) * RATE / 1024
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66) / 2595) - 1)
    bands = np.stack([np.interp(frequencies, edges[k : k + 3], [0, 1, 0]) for k in range(64)])
    power = (bands @ np.abs(parts) ** 2)[::-1]
    wanted = 255 * (1 + np.clip(10 * np.log10(power / power.max()), -80, 0) / 80)
    np.testing.assert_allclose(found, wanted, atol=1)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", "empty", "0 bytes"),
        (pcm(np.zeros(0)), "empty", "no sound"),
        (pcm(tone())[:-100], "truncated", "15,900 bytes of sound, its header says 16,000"),
        (pcm(tone())[:40], "truncated", "ends before its samples begin"),
        (with_code(pcm(tone()), 0x11), "not an image", "compressed .IMA ADPCM.: convert it to PCM"),
        (with_code(pcm(tone()), 7), "not an image", "mu-law"),
        (with_code(pcm(tone()), 0x1234), "not an image", "0x1234"),
        (with_code(pcm(tone()), 3), "corrupt", "1 channels of 16 bits"),
        (b"RF64" + pcm(tone())[4:], "not an image", "of the kind RF64"),
        (pcm(tone())[:24] + struct.pack("<I", 7) + pcm(tone())[28:], "corrupt", "7 samples a second"),
    ],
)
def test_what_is_no_whole_plain_sound_is_refused_in_words(data: bytes, kind: str, words: str) -> None:
    with pytest.raises(BadPicture, match=words) as found:
        decode(data)
    assert found.value.kind == kind


def test_no_damage_of_a_header_is_a_fault_of_ours() -> None:
    draw, whole = np.random.default_rng(0), pcm(tone(seconds=0.05))
    for _ in range(300):
        data = bytearray(whole)
        for place in draw.integers(0, 44, 3):
            data[place] = draw.integers(0, 256)
        with suppress(BadPicture):
            look, _ = decode(bytes(data), Preprocessing(height=8, width=8, channels=1))
            assert look.width >= 1


def test_silence_is_black_and_a_moment_is_filled_up() -> None:
    assert not spectrogram(np.zeros(8000), RATE).any()
    look, pixels = decode(pcm(tone(seconds=0.001)), Preprocessing(height=64, width=1, channels=1))
    assert (look.width, look.height, look.format) == (1, 64, "WAV")
    assert pixels is not None
    assert pixels.max() == 255


def test_pillow_opens_it_as_a_grey_picture() -> None:
    picture = open_picture(pcm(tone()), pixel_limit())
    assert (picture.size, picture.mode, picture.format) == ((48, 64), "L", "WAV")
    np.testing.assert_array_equal(np.asarray(picture), spectrogram(tone().astype(np.float32), RATE))
    assert Image.open(io.BytesIO(pcm(tone()))).size == (48, 64)


def test_a_folder_of_sounds_of_any_length_and_rate_is_a_folder_of_pictures(tmp_path: Path) -> None:
    for kind, hertz in (("low", 300), ("high", 2000)):
        (tmp_path / kind).mkdir()
        for k, rate in enumerate((8000, 16000, 44100)):
            (tmp_path / kind / f"{k}.wav").write_bytes(pcm(tone(hertz, 0.3 + 0.1 * k, rate), rate=rate))
    (tmp_path / "low" / "cut.wav").write_bytes(pcm(tone())[:-9])
    found = scan(open_source(tmp_path))
    assert [look.format for look in found.looks] == ["WAV"] * 6
    assert [(p.path, p.kind) for p in found.problems if p.left_out] == [("low/cut.wav", "truncated")]
    sight = choose_preprocessing(found.manifest)
    assert (sight.height, sight.channels, sight.fit) == (64, 1, "squash")
    places = [int(decode((tmp_path / "high" / f"{k}.wav").read_bytes(), sight)[1][:, :, 0].mean(1).argmax())  # type: ignore[index]
              for k in range(3)]  # fmt: skip
    assert max(places) - min(places) <= 1  # one tone lies in one band, whatever the rate
