"""T17, T18, T19: any bytes get an answer, cuts are found, whole pictures pass, bombs are refused from the header."""

from __future__ import annotations

import io
import random
import struct
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from data.pictures import deep, encoded, png, scene, text_chunk
from hubel.data.images import AVIF, MAX_PIXELS, BadPicture, decode, read_bytes
from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError

KINDS = {"truncated", "corrupt", "not an image", "empty", "bomb", "unreadable"}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    # Pillow remarks on odd files; in a worker process those remarks are off.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def verdict(data: bytes, preprocessing: Preprocessing | None = None) -> str:
    try:
        decode(data, preprocessing)
    except BadPicture as bad:
        return bad.kind if bad.reason else "no reason"
    return "ok"


ENCODINGS: dict[str, bytes] = {
    "baseline": encoded(scene(1), "JPEG", quality=80),
    "progressive": encoded(scene(2), "JPEG", progressive=True, quality=80),
    "restart": encoded(scene(3), "JPEG", restart_marker_blocks=2),
    "png": encoded(scene(4), "PNG"),
    "webp": encoded(scene(5), "WEBP", quality=70),
    "gif": encoded(scene(6).quantize(64), "GIF"),
    "bmp": encoded(scene(7), "BMP"),
    "tiff": encoded(scene(8), "TIFF", compression="tiff_lzw"),
    "ppm": encoded(scene(9), "PPM"),
} | ({"avif": encoded(scene(10), "AVIF", quality=60, speed=10)} if AVIF else {})


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A few of the accidents that happen to files."""
    damaged = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(damaged)) if damaged else 0
        what = dice.randrange(6)
        if what == 0 and damaged:
            damaged[at] ^= 1 << dice.randrange(8)
        elif what == 1 and damaged:
            damaged[at] = dice.choice((0, 1, 127, 128, 255))
        elif what == 2:
            del damaged[at:]
        elif what == 3:
            del damaged[at : at + dice.randrange(1, 40)]
        elif what == 4:
            damaged[at:at] = damaged[: dice.randrange(1, 40)]
        else:
            damaged[at : at + 4] = struct.pack(">I", dice.choice((0, 1, 2**31 - 1, 2**32 - 1)))
    return bytes(damaged)


def answered(count: int, seed: int) -> dict[str, int]:
    dice = random.Random(seed)
    preprocessing = Preprocessing(height=16, width=16)
    found: dict[str, int] = {}
    for _ in range(count):
        data = mutated(ENCODINGS[dice.choice(list(ENCODINGS))], dice)
        started = time.perf_counter()
        kind = verdict(data, preprocessing)
        assert time.perf_counter() - started < 5
        found[kind] = found.get(kind, 0) + 1
    assert set(found) <= KINDS | {"ok"}
    return found


def test_ten_thousand_damaged_pictures_get_an_answer_and_never_another_exception() -> None:
    found = answered(10_000, seed=0)
    assert found["ok"] > 200
    assert sum(found.values()) - found["ok"] > 5000


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(ENCODINGS)))
def test_any_bytes_get_an_answer(tail: bytes, name: str) -> None:
    assert verdict(tail) in KINDS
    verdict(ENCODINGS[name][:20] + tail)


def whole_pictures(count: int) -> Iterator[bytes]:
    """Clean files with everything that has fooled a checker: thumbnails, second pictures, trailing data, odd sizes."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for seed in range(count):
        picture = scene(seed, 8 + seed % 61, 8 + seed % 47)
        choice = seed % 10
        if choice == 0:
            thumbnail = encoded(picture.resize((16, 16)), "JPEG")
            app = b"Exif\0\0" + thumbnail
            data = encoded(picture, "JPEG")
            yield data[:2] + b"\xff\xe1" + (len(app) + 2).to_bytes(2) + app + data[2:]
        elif choice == 1:
            yield encoded(picture, "MPO", save_all=True, append_images=[scene(seed + 1)])
        elif choice == 2:
            yield encoded(picture, "JPEG") + b"trailing words \xff\xd9 and more" * 20
        elif choice == 3:
            yield encoded(picture, "JPEG", progressive=True, quality=60 + seed % 35)
        elif choice == 4:
            yield encoded(picture, "JPEG", restart_marker_blocks=1 + seed % 5, subsampling=seed % 3)
        elif choice == 5:
            yield encoded(picture.convert("L").resize((1 + seed % 3, 17)), "JPEG", exif=exif)
        elif choice == 6:
            yield encoded(Image.new("RGB", picture.size, ("white", "black", "red")[seed % 3]), "JPEG", optimize=True)
        elif choice == 7:
            yield encoded(picture.convert("CMYK"), "JPEG", quality=95)
        elif choice == 8:
            yield encoded(picture, ("PNG", "WEBP", "BMP", "TIFF")[seed // 10 % 4])
        else:
            yield (
                encoded(picture.quantize(16), "GIF", save_all=True, append_images=[picture.quantize(8)] * (seed % 3))
                + b"\0"
            )


def test_two_thousand_whole_pictures_raise_no_false_alarm() -> None:
    refused = [(i, why) for i, data in enumerate(whole_pictures(2000)) if (why := verdict(data)) != "ok"]
    assert refused == []


def recall(form: str, count: int, *, end_marker: bool = False, **options: object) -> float:
    dice = random.Random(count)
    caught = 0
    for seed in range(count):
        data = encoded(scene(seed).quantize(200) if form == "GIF" else scene(seed), form, **options)
        start = data.index(b"\xff\xda") + 14 if form == "JPEG" else 32
        cut = data[: dice.randrange(start, len(data) - 2)]
        caught += verdict(cut + b"\xff\xd9" * end_marker, Preprocessing(height=16, width=16)) != "ok"
    return caught / count


@pytest.mark.parametrize("end_marker", [False, True], ids=["cut", "cut and closed with an end marker"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}], ids=str)
def test_cut_jpegs_are_found(options: dict[str, object], end_marker: bool) -> None:
    assert recall("JPEG", 400, end_marker=end_marker, quality=85, **options) >= 0.99


@pytest.mark.parametrize(
    ("form", "least"), [("PNG", 0.99), ("WEBP", 0.95), ("GIF", 0.95), ("BMP", 0.95), ("TIFF", 0.95), ("PPM", 0.99)]
)
def test_other_cut_files_are_found(form: str, least: float) -> None:
    assert recall(form, 60) >= least


def test_a_large_cut_jpeg_is_found_by_its_last_row() -> None:
    picture = scene(0, 900, 700)
    data = encoded(picture, "JPEG", quality=97)
    assert len(data) > 1 << 17
    assert verdict(data) == "ok"
    for share in (0.3, 0.9, 0.999):
        assert verdict(data[: int(share * len(data))] + b"\xff\xd9") == "truncated"


def test_a_large_picture_with_a_black_bottom_is_whole() -> None:
    picture = scene(0, 900, 700)
    picture.paste("black", (0, 500, 900, 700))
    data = encoded(picture, "JPEG", quality=97)
    assert len(data) > 1 << 16
    assert verdict(data) == "ok"


def test_pixels_are_those_of_an_ordinary_decoder() -> None:
    for name, data in ENCODINGS.items():
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        _, pixels = decode(data, Preprocessing(height=picture.height, width=picture.width))
        assert np.array_equal(pixels, np.asarray(picture)), name


@pytest.mark.parametrize("code", range(1, 9))
def test_exif_orientation_is_honoured(code: int) -> None:
    picture = scene(9, 40, 24)
    exif = Image.Exif()
    exif[0x0112] = code
    turned = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1), 7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda a: np.rot90(a),
    }[code](np.asarray(picture))  # fmt: skip
    height, width = turned.shape[:2]
    look, pixels = decode(encoded(picture, "PNG", exif=exif), Preprocessing(height=height, width=width))
    assert (look.width, look.height) == (width, height)
    assert np.array_equal(pixels, turned)


def test_notes_about_a_picture_are_not_read_where_they_are_larger_than_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    padded = exif.tobytes() + bytes(2 << 20)
    monkeypatch.setattr(Image.Image, "getexif", None)
    assert decode(encoded(scene(1, 40, 24), "PNG", exif=padded))[0].width == 40


BOMBS = {
    "81 megapixels": png(9000, 9000),
    "60,000 x 60,000": png(60_000, 60_000),
    "a wide strip": png(2**31 - 1, 1),
    "a tall strip": png(1, 2**31 - 1),
    "colour": png(20_000, 20_000, grey=False),
    "a JPEG header": ENCODINGS["baseline"].replace(
        ENCODINGS["baseline"][(at := ENCODINGS["baseline"].index(b"\xff\xc0")) : at + 9],
        b"\xff\xc0\x00\x11\x08" + b"\xff\xff\xff\xff",
    ),
    "a BMP header": ENCODINGS["bmp"][:18] + struct.pack("<ii", 60_000, 60_000) + ENCODINGS["bmp"][26:],
    "a GIF header": b"GIF89a\xff\xff\xff\xff\x80\x00\x00" + b"\0" * 6 + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x00;",
    "a text chunk": png(8, 8, b"\0" * 72, chunks=text_chunk(b"a" * 80_000_000)),
}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Pillow was asked to decode: its memory is none of Python's, so nothing else sees it."""
    seen: list[str] = []
    load, getdecoder = ImageFile.ImageFile.load, Image._getdecoder

    def loading(picture: ImageFile.ImageFile) -> object:
        seen.append("load")
        return load(picture)

    def decoding(*arguments: object) -> object:
        seen.append("decoder")
        return getdecoder(*arguments)

    monkeypatch.setattr(ImageFile.ImageFile, "load", loading)
    monkeypatch.setattr(Image, "_getdecoder", decoding)
    return seen


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_fast_and_small(name: str, decoded: list[str]) -> None:
    tracemalloc.start()
    started = time.perf_counter()
    try:
        assert verdict(BOMBS[name], Preprocessing(height=8, width=8)) in {"bomb", "corrupt"}
    finally:
        grown = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.perf_counter() - started < 2
    assert grown < 100 << 20
    assert decoded == []


def test_decoding_would_be_noticed(decoded: list[str]) -> None:
    assert [verdict(data) for data in ENCODINGS.values()] == ["ok"] * len(ENCODINGS)
    assert len(decoded) >= len(ENCODINGS) - 1, "all but PPM are decoded by Pillow"


FAULTS: list[Exception] = [
    OSError("x"), SyntaxError("x"), ValueError("x"), TypeError("x"), KeyError("x"), IndexError("x"),
    AttributeError("x"), EOFError("x"), OverflowError("x"), NotImplementedError("x"), ZeroDivisionError("x"),
    RuntimeError("x"), AssertionError("x"), struct.error("x"), zlib.error("x"), MemoryError(),
    Image.DecompressionBombError("x"), Image.DecompressionBombWarning("x"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("where", ["open", "load", "transpose"])
def test_whatever_pillow_raises_on_a_damaged_file_is_a_bad_picture(
    fault: Exception, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(1), "PNG", exif=exif)
    holder = {"open": Image, "load": ImageFile.ImageFile, "transpose": Image.Image}[where]
    monkeypatch.setattr(holder, where, fail)
    assert verdict(data) in KINDS


def progressive(side: int, scans: int) -> bytes:
    """A red square whose last scan is said again and again, which costs a few bytes each time."""
    data = encoded(Image.new("RGB", (side, side), "red"), "JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[start:end] * scans + data[end:]


SLOW = {
    "2,000 scans": progressive(400, 2000),
    "60 scans of 36 megapixels": progressive(16, 60).replace(b"\x08\x00\x10\x00\x10", b"\x08\x17\x70\x17\x70", 1),
    "a million segments": b"\xff\xd8" + b"\xff\xfe\x00\x02" * 1_000_000,
    "30 MB of fill": b"\xff\xd8" + b"\xff" * 30_000_000 + ENCODINGS["baseline"][2:],
    "a GIF of tiny blocks": b"GIF89a\x01\0\x01\0\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02"
    + b"\x01\0" * 20
    + b"\x01\1" * 2_100_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_files_that_would_take_for_ever_are_refused_before_they_are_decoded(name: str, decoded: list[str]) -> None:
    assert verdict(SLOW[name], Preprocessing(height=8, width=8)) == "bomb"
    assert decoded == []


def test_a_progressive_file_of_many_honest_scans_is_read() -> None:
    assert verdict(progressive(40, 40)) == "ok"


def huge(width: int, height: int, **options: object) -> bytes:
    """A flat JPEG of any size, from the scan of a small one: grey, so that every block is alike."""
    return encoded(Image.new("L", (width, height), 90), "JPEG", **options)


def test_a_jpeg_above_the_limit_is_decoded_at_a_fraction_of_its_size() -> None:
    small, exif = Preprocessing(height=16, width=16), Image.Exif()
    exif[0x0112] = 1
    data = huge(1200, 900)
    look, pixels = decode(data, small, max_pixels=100_000)
    assert (look.width, look.height) == (1200, 900)
    assert pixels is not None
    assert set(pixels.ravel().tolist()) == {90}
    assert decode(data, max_pixels=100_000)[1] is None, "whether it is whole can be told at a fraction, too"
    assert decode(huge(1200, 900, exif=exif), small, max_pixels=100_000)[0].width == 1200
    for refused in (huge(1200, 900, progressive=True), encoded(Image.new("L", (1200, 900)), "PNG"), huge(1600, 1200)):
        with pytest.raises(
            BadPicture, match=r"bomb: .*the limit is 100,000 in all \(another one: HUBEL_MAX_MEGAPIXELS"
        ):
            decode(refused, small, max_pixels=100_000)
    with pytest.raises(BadPicture, match="bomb"):
        decode(data, Preprocessing(height=400, width=400), max_pixels=100_000)


def test_the_limit_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("L", (200, 100)), "PNG")
    monkeypatch.setenv("HUBEL_MAX_MEGAPIXELS", "0.01")
    assert verdict(data) == "bomb"
    monkeypatch.setenv("HUBEL_MAX_MEGAPIXELS", "0.02")
    assert verdict(data) == "ok"
    for wrong in ("many", "-1", "0", "nan", "inf"):
        monkeypatch.setenv("HUBEL_MAX_MEGAPIXELS", wrong)
        with pytest.raises(UsageError, match="HUBEL_MAX_MEGAPIXELS must be a number of megapixels above 0, got"):
            decode(data)


def test_a_limit_above_pillows_own_holds_and_pillows_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)
    data = encoded(Image.new("L", (200, 100)), "PNG")
    assert decode(data, max_pixels=20_000)[0].width == 200
    assert Image.MAX_IMAGE_PIXELS == 5_000


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (b"P1 # black is 1\n3 2\n1 0 1 010", [0, 255, 0, 255, 0, 255]),
        (b"P2\n# fifteen is white\n3 2 15\n0 5 15 15 10 3 ", [0, 85, 255, 255, 170, 51]),
        (b"P4 3 2\n\xa0\x40", [0, 255, 0, 255, 0, 255]),
        (b"P5 3 2 255\n" + bytes([0, 85, 255, 9, 170, 51]), [0, 85, 255, 9, 170, 51]),
        (b"P5 3 2 4095\n" + np.array([0, 1365, 4095, 4095, 2730, 819], ">u2").tobytes(), [0, 85, 255, 255, 170, 51]),
        (b"P3 1 2 255 0 85 255 9 170 51", [0, 85, 255, 9, 170, 51]),
        (b"P6 1 2 255 " + bytes([0, 85, 255, 9, 170, 51]), [0, 85, 255, 9, 170, 51]),
    ],
    ids=lambda value: value[:2].decode() if isinstance(value, bytes) else "",
)
def test_netpbm_files_are_read_in_all_their_kinds(data: bytes, pixels: list[int]) -> None:
    channels = 3 if data[:2] in (b"P3", b"P6") else 1
    look, found = decode(data, Preprocessing(height=2, width=6 // 2 // channels, channels=channels))
    assert look.format == "PPM"
    assert found is not None
    assert found.ravel().tolist() == pixels


@pytest.mark.parametrize(
    "data",
    [
        *(b"P2 3 1 15 " + samples for samples in (b"", b"0 5", b"0 5 x", b"0 5 16")),
        *(b"P1 3 1 012", b"P5 3 1 0 \0", b"P5 3 1 9 ", b"P6 3"),
    ],
)
def test_damaged_netpbm_files_are_named(data: bytes) -> None:
    assert verdict(data, Preprocessing(height=1, width=3)) in {"corrupt", "truncated"}


@pytest.mark.skipif(not AVIF, reason="this Pillow reads no AVIF")
def test_avif_is_read() -> None:
    assert decode(ENCODINGS["avif"])[0].format == "AVIF"
    assert recall("AVIF", 20) >= 0.95


def test_greys_of_more_than_8_bits_keep_their_brightness_from_picture_to_picture() -> None:
    def seen(value: float, kind: type, levels: tuple[float, float] | None = None) -> int:
        picture = Image.fromarray(np.full((4, 4), value, kind))
        found = decode(encoded(picture, "TIFF"), Preprocessing(height=4, width=4, channels=1, levels=levels))[1]
        assert found is not None
        return int(found.max())

    assert seen(0.6, np.float32) == 153
    assert seen(153.0, np.float32) == 255, "not what 0.6 is"
    assert [seen(value, np.float32, (0, 255)) for value in (0.6, 153.0)] == [1, 153]
    assert [seen(value, np.uint16) for value in (200, 4095)] == [1, 16]
    assert [seen(value, np.uint16, (0, 4095)) for value in (200, 4095)] == [12, 255]
    assert [seen(value, np.int32, (-1024, 1023)) for value in (-2000, 0, 1023)] == [0, 128, 255]
    assert seen(float("nan"), np.float32) == 0


def test_colours_of_16_bits_follow_the_levels_of_the_set() -> None:
    samples = np.random.default_rng(0).integers(0, 4096, (6, 5, 3))
    samples[0, 0, 0], samples[0, 0, 1] = 0, 4095
    plain, twelve = (Preprocessing(height=6, width=5, levels=levels) for levels in (None, (0, 4095)))
    for data in (deep(samples), deep(np.dstack([samples, np.full((6, 5), 65535)]))):
        look, pixels = decode(data, twelve)
        assert look.mode in ("RGB;16", "RGBA;16")
        assert (look.low, look.high) == (0, 4095)
        assert np.array_equal(pixels, np.floor(samples * (255 / 4095) + 0.5))
        assert np.array_equal(decode(data, plain)[1], samples >> 8), "without levels as ever"
    look, pixels = decode(deep(samples * 16), plain)
    assert look.high > 60_000
    assert np.array_equal(pixels, samples >> 4)


def test_the_limit_lets_the_largest_cameras_through() -> None:
    assert 8192 * 6144 < MAX_PIXELS < 81_000_000


def test_a_gif_of_many_frames_costs_one_frame() -> None:
    frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    data = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff" + frame * 100_000 + b";"
    started = time.perf_counter()
    assert verdict(data) == "ok"
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", "empty", "0 bytes"),
        (b"just some words\n", "not an image", "begins like none of JPEG, PNG"),
        (b"%PDF-1.7 ...", "not an image", "PDF"),
        (b"<!doctype html><html>", "not an image", "web page"),
        (b"PK\x03\x04rest", "not an image", "zip"),
        (b"\0\0\0\x1cftypheic\0\0\0\0", "not an image", "HEIC"),
        (b"\x89PNG\r\n\x1a\nrubbish", "corrupt", "PNG"),
        (b"\xff\xd8rubbish", "corrupt", "JPEG"),
    ],
)
def test_the_reason_is_in_words(data: bytes, kind: str, words: str) -> None:
    with pytest.raises(BadPicture) as bad:
        decode(data)
    assert bad.value.kind == kind
    assert words in bad.value.reason


def test_a_reason_never_quotes_what_is_no_picture() -> None:
    with pytest.raises(BadPicture) as bad:
        decode(b"root:x:0:0:root:/root:/bin/bash\n")
    assert "root" not in bad.value.reason


def test_a_file_is_read_whole_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_bytes(str(tmp_path / "a"))[0] == b"x" * 100_000
    for name in ("link", "missing"):
        with pytest.raises(BadPicture, match="unreadable"):
            read_bytes(str(tmp_path / name))
    with pytest.raises(BadPicture, match="limit"):
        read_bytes(str(tmp_path / "a"), max_bytes=10)
