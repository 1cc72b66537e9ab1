"""Tensors in few bytes: nothing is lost, and nothing that comes from outside is believed."""

from __future__ import annotations

import heapq
import json
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hubel.checkpoint import ModelSpec, golden_images, golden_logits, load, packed_size, save_weights
from hubel.checkpoint.huffman import LANE, LONGEST, Garbled, decoded, encoded, word_lengths
from hubel.checkpoint.packed import MAGIC, gaps_of, pack, read_packed_header, unpack
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, HubelError
from hubel.store import RunStore

SPEC = ModelSpec(architecture="mlp", num_classes=3, in_chans=1, img_size=(8, 8), options={"hidden": [12]})
SEEN = Preprocessing(height=8, width=8, channels=1)


def net(seed: int = 0, keep: float = 0.2) -> torch.nn.Module:
    """A small net, pruned, whose weights share few values."""
    torch.manual_seed(seed)
    model = SPEC.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                limit = parameter.abs().flatten().quantile(1 - keep)
                parameter.copy_(torch.where(parameter.abs() > limit, (parameter * 20).round() / 20, 0.0))
    return model


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Are all weights equal, bit for bit?"""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)


def saved(folder: Path) -> Path:
    """A folder with its packed weights."""
    folder.mkdir(exist_ok=True)
    images = golden_images(torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8))
    save_weights(
        RunStore(folder), "best", net().state_dict(), spec=SPEC, preprocessing=SEEN, class_names=["a", "b", "c"],
        probes=(images, golden_logits(net(), SEEN, images)), form="packed", recipe={"augment": {"views": "mirror"}},
    )  # fmt: skip
    return folder


def test_what_is_read_is_what_was_written_bit_for_bit() -> None:
    draw = torch.Generator().manual_seed(0)
    shared = torch.randn(300, 700, generator=draw).mul(3).round() / 3
    tensors = {
        "shared": torch.where(shared.abs() > 1, shared, 0.0),
        "rare": torch.zeros(50, 2_000).index_put((torch.tensor([3, 49]), torch.tensor([7, 1_999])), torch.tensor(0.1)),
        "nothing": torch.zeros(9, 9),
        "one": torch.full((1, 40), 2.5),
        "fine": torch.randn(40, 30, generator=draw),
        "half": torch.randn(33, generator=draw).half().float(),
        "tiny": torch.tensor([1e-30, 1.0]),
        "count": torch.tensor(7),
        "empty": torch.zeros(0, 4),
        "bytes": torch.arange(6, dtype=torch.uint8),
    }
    data = pack(tensors, about={"x": 1})
    header = read_packed_header(data)
    found = unpack(data, header)
    assert {name: (each.dtype, each.shape) for name, each in found.items()} == {
        name: (each.dtype, each.shape) for name, each in tensors.items()
    }
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name
    forms = {each.name: each.form for each in header.tensors}
    assert forms["shared"] == forms["rare"] == forms["nothing"] == "shared"
    assert (forms["fine"], forms["half"], forms["tiny"]) == ("plain", "half", "plain")
    assert len(data) < sum(each.numel() * each.element_size() for each in tensors.values()) / 5


@pytest.mark.parametrize("count", [0, 1, 2, LANE - 1, LANE, LANE + 1, 3 * LANE + 5])
@pytest.mark.parametrize("alphabet", [1, 2, 3, 32, 256])
def test_every_text_is_read_again(count: int, alphabet: int) -> None:
    text = np.random.default_rng(count).geometric(0.3, count).clip(1, alphabet) - 1
    assert (decoded(encoded(text, alphabet), count, alphabet) == text).all()


def huffman_bits(counts: list[int]) -> int:
    """Bits of the shortest code, from the sums of Huffman's tree alone."""
    heap, total = [count for count in counts if count], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_the_code_is_the_shortest_there_is(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 50, 30)
    lengths = word_lengths(counts)
    assert int((counts * lengths).sum()) == huffman_bits(counts.tolist())
    assert (0.5 ** lengths[lengths > 0]).sum() == 1, "Kraft's sum of a full code"


def test_no_word_is_longer_than_a_table_can_hold() -> None:
    counts = [1, 1]
    while len(counts) < 40:
        counts.append(counts[-1] + counts[-2])  # the counts for which Huffman's tree is deepest
    assert word_lengths(np.array(counts)).max() == LONGEST


def test_gaps_reach_over_any_number_of_zeros() -> None:
    place = np.array([0, 254, 509, 1_020, 5_000])
    steps = gaps_of(place)
    ends = np.cumsum(np.where(steps == 255, 255, steps + 1)) - 1
    assert ends[steps < 255].tolist() == place.tolist()


@pytest.mark.parametrize(
    ("block", "count", "alphabet"),
    [(b"", 5, 4), (b"x", 0, 4), (bytes(40), 5, 4), (b"\xff" * 40, 5, 4), (encoded(np.arange(4), 4)[:-1], 4, 4),
     (encoded(np.arange(4), 4) + b"x", 4, 4), (encoded(np.arange(4), 4), 1 << 40, 4)],
)  # fmt: skip
def test_a_block_that_nobody_wrote_is_refused(block: bytes, count: int, alphabet: int) -> None:
    with pytest.raises(Garbled):
        decoded(block, count, alphabet)


def test_packed_weights_load_like_any_others(tmp_path: Path) -> None:
    found = load(saved(tmp_path))
    assert (found.class_names, found.preprocessing, found.views) == (("a", "b", "c"), SEEN, "mirror")
    assert same(found.model, net())
    file = tmp_path / "weights" / "best.packed"
    assert not (tmp_path / "weights" / "best.safetensors").exists()
    assert file.stat().st_size == packed_size(
        net().state_dict(), spec=SPEC, preprocessing=SEEN, class_names=["a", "b", "c"],
        recipe={"augment": {"views": "mirror"}},
    )  # fmt: skip


def test_one_packed_file_copied_out_of_a_run_is_useful_by_itself(tmp_path: Path) -> None:
    alone = tmp_path / "alone.packed"
    alone.write_bytes((saved(tmp_path / "run") / "weights" / "best.packed").read_bytes())
    found = load(alone)
    assert (found.class_names, found.views) == (("a", "b", "c"), "mirror")
    assert same(found.model, net())


def test_either_form_takes_the_place_of_the_other(tmp_path: Path) -> None:
    about: dict[str, Any] = {"spec": SPEC, "preprocessing": SEEN, "class_names": ["a", "b", "c"]}
    store = RunStore(saved(tmp_path))
    save_weights(store, "best", net(1).state_dict(), **about)
    assert store.exists("weights/best.safetensors")
    assert not store.exists("weights/best.packed")
    assert same(load(tmp_path).model, net(1))
    save_weights(store, "best", net(2).state_dict(), **about, form="packed")
    assert store.exists("weights/best.packed")
    assert not store.exists("weights/best.safetensors")
    assert same(load(tmp_path).model, net(2))


def rebuilt(data: bytes, change: Any) -> bytes:
    """The file with another header, and a check sum that fits."""
    length = int.from_bytes(data[8:12], "little")
    header = json.loads(data[12 : 12 + length])
    text = json.dumps(change(header) or header).encode()
    whole = MAGIC + len(text).to_bytes(4, "little") + text + data[12 + length : -4]
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def tensor(**changes: Any) -> Any:
    """A change of the first tensor of the header."""
    keys = ("name", "dtype", "shape", "form", "numbers", "size")

    def change(header: dict[str, Any]) -> None:
        for key, value in changes.items():
            header["tensors"][0][keys.index(key)] = value

    return change


def shared(place: int, value: int) -> Any:
    """A change of one number of the first tensor whose values are shared."""

    def change(header: dict[str, Any]) -> None:
        next(row for row in header["tensors"] if row[3] == "shared")[4][place] = value

    return change


HOSTILE = {
    "no list": lambda header: header.update(tensors={}),
    "another key": lambda header: header.update(code="import os"),
    "a name with a slash": tensor(name="../x"),
    "an unknown type": tensor(dtype="F8"),
    "an unknown form": tensor(form="pickle"),
    "a negative side": tensor(shape=[-1, 12]),
    "a side that is no number": tensor(shape=["12"]),
    "a huge side": tensor(shape=[1 << 50]),
    "true for a number": tensor(numbers=[True]),
    "another size": tensor(size=3),
    "a tensor twice": lambda header: header["tensors"].append(header["tensors"][0]),
    "a tensor fewer": lambda header: header["tensors"].pop(),
    "an object for a tensor": lambda header: header["tensors"].insert(0, {}),
    "more weights than elements": shared(1, 1 << 30),
    "no values": shared(0, 0),
    "fewer gaps than weights": shared(2, 1),
    "another net": lambda header: header["about"]["architecture"].update(name="resnet18"),
    "a net as large as the moon": lambda header: header["about"]["architecture"].update(options={"hidden": [10**9]}),
    "no net": lambda header: header.update(about=None),
    "a net with an import path": lambda header: header["about"]["architecture"].update(name="os:system"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_header_is_refused_with_the_reason(tmp_path: Path, what: str) -> None:
    file = saved(tmp_path) / "weights" / "best.packed"
    alone = tmp_path / "alone.packed"
    alone.write_bytes(rebuilt(file.read_bytes(), HOSTILE[what]))
    with pytest.raises(ArtefactError) as error:
        load(alone)
    assert "alone.packed" in str(error.value) or "architecture" in str(error.value) or "header" in str(error.value)


def test_a_file_that_would_burst_is_refused_before_memory_is_spent() -> None:
    huge = {"about": {}, "tensors": [["a", "F32", [1 << 20, 1 << 20], "shared", [0, 0, 0, 0], 0]]}
    text = json.dumps(huge).encode()
    whole = MAGIC + len(text).to_bytes(4, "little") + text
    with pytest.raises(ArtefactError, match="would take"):
        read_packed_header(whole + zlib.crc32(whole).to_bytes(4, "little"))


def test_a_weight_in_the_first_place_beyond_the_shape_is_refused() -> None:
    weights = torch.zeros(30, 50)
    weights[3, 7] = weights[-1, -1] = 0.5
    data = pack({"a": weights}, about={})
    assert torch.equal(unpack(data, read_packed_header(data))["a"], weights)
    cut = rebuilt(data, tensor(shape=[1, 30 * 50 - 1]))
    with pytest.raises(ArtefactError, match="beyond its shape"):
        unpack(cut, read_packed_header(cut))


def test_changed_or_missing_bytes_are_noticed_wherever_they_are(tmp_path: Path) -> None:
    data = (saved(tmp_path) / "weights" / "best.packed").read_bytes()
    alone = tmp_path / "alone.packed"
    for place in range(0, len(data), 7):
        for broken in (data[:place], data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]):
            alone.write_bytes(broken)
            with pytest.raises(ArtefactError):
                load(alone)
    alone.write_bytes(data)
    assert load(alone).class_names == ("a", "b", "c")


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, taken out, doubled or put in, and a check sum that fits again."""
    found = bytearray(data[:-4])
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(8, len(found))
        kind = draw.randrange(4)
        if kind == 0:
            found[at] = draw.randrange(256)
        elif kind == 1:
            del found[at : at + draw.randint(1, 9)]
        elif kind == 2:
            found[at:at] = bytes(draw.randrange(256) for _ in range(draw.randint(1, 9)))
        else:
            found[at:at] = found[at : at + draw.randint(1, 40)]
    return bytes(found) + zlib.crc32(bytes(found)).to_bytes(4, "little")


def attack(tmp_path: Path, count: int) -> None:
    """Mutants meet typed errors, or are nets."""
    data = (saved(tmp_path) / "weights" / "best.packed").read_bytes()
    alone, draw = tmp_path / "alone.packed", random.Random(7)
    for _ in range(count):
        alone.write_bytes(mutated(data, draw))
        try:
            load(alone)
        except HubelError:
            continue


def test_mutants_with_a_right_check_sum_meet_typed_errors_only(tmp_path: Path) -> None:
    attack(tmp_path, 200)


@pytest.mark.slow
def test_ten_thousand_mutants_meet_typed_errors_only(tmp_path: Path) -> None:
    attack(tmp_path, 10_000)
