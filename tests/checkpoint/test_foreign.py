"""Foreign weights: tensors come through, everything else is refused before it can do anything."""

from __future__ import annotations

import argparse
import http.server
import os
import re
import shutil
import threading
import zipfile
from collections import defaultdict, deque
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hubel.checkpoint import load
from hubel.checkpoint.foreign import read_foreign
from hubel.checkpoint.published import fetch, preprocess_as
from hubel.cli import main
from hubel.errors import ArtefactError, UsageError
from hubel.models import CARDS, create_model
from hubel.models.fitting import fit_weights, renamed
from hubel.models.pretrained import WEIGHTS, published
from hubel.verbs.weights import import_weights


def digits_net(**options: object) -> torch.nn.Module:
    torch.manual_seed(1)
    return create_model("mnist_cnn", num_classes=4, in_chans=3, img_size=12, **options)


class Runs:
    """Would run a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.trace}",)


def test_pth_and_safetensors_give_the_same_tensors(tmp_path: Path) -> None:
    state = digits_net().state_dict()
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, tmp_path / "a.pth")
    save_file(state, tmp_path / "a.safetensors")
    for name, prefix, ordered in (("a.pth", "module.", True), ("a.safetensors", "", False)):
        found = read_foreign(tmp_path / name)
        assert found.ordered is ordered
        assert set(found.tensors) == {prefix + k for k in state}
        assert all(torch.equal(found.tensors[prefix + k], state[k]) for k in state)
    assert list(read_foreign(tmp_path / "a.pth").tensors) == [f"module.{k}" for k in state], "in the author's order"
    torch.save({**state, "note": 3}, tmp_path / "b.pth")
    assert read_foreign(tmp_path / "b.pth").left_out == ("note",)


def test_what_is_not_a_plain_state_dict_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "net.pth"
    state = {"a": torch.ones(2)}
    torch.save({**state, "b": Runs(trace)}, path)
    with pytest.raises(ArtefactError, match="objects that are not tensors"):
        read_foreign(path)
    torch.save({**state, "b": Runs(trace)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ArtefactError, match="objects that are not tensors"):
        read_foreign(path)
    assert not trace.exists()
    torch.save({"a": torch.ones(1).expand(10**10)}, path)
    with pytest.raises(ArtefactError, match="its tensors claim 40,000,000,000 bytes"):
        read_foreign(path)
    torch.save({"a": torch.full((3,), torch.nan)}, path)
    with pytest.raises(ArtefactError, match="holds NaN or infinity"):
        read_foreign(path)
    torch.save([torch.ones(1)], path)
    with pytest.raises(ArtefactError, match="it holds a list, not a state dict"):
        read_foreign(path)


@pytest.mark.parametrize(
    ("member", "kind", "said"),
    [
        ("archive/code/net.py", zipfile.ZIP_STORED, "TorchScript archive"),
        ("archive/constants.pkl", zipfile.ZIP_STORED, "TorchScript archive"),
        ("archive/../evil", zipfile.ZIP_STORED, "which a state dict does not have"),
        ("archive/data/99", zipfile.ZIP_DEFLATED, "compressed members"),
    ],
)
def test_the_list_of_contents_is_judged_before_anything_is_read(
    tmp_path: Path, member: str, kind: int, said: str
) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.ones(2)}, path)
    with zipfile.ZipFile(path, "a", kind) as archive:
        archive.writestr(member, b"x" * 100)
    with pytest.raises(ArtefactError, match=said):
        read_foreign(path)


def test_links_cut_files_and_rubbish_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(200)}, tmp_path / "a.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:500])
    (tmp_path / "rubbish.pth").write_bytes(b"hello, this is no net")
    (tmp_path / "link.pth").symlink_to(tmp_path / "a.pth")
    for name, said in (
        ("cut", "damaged zip"),
        ("rubbish", "neither a .pth nor a .safetensors file: it begins with .hello, this is n"),
        ("link", "is a link"),
    ):
        with pytest.raises(ArtefactError, match=said):
            read_foreign(tmp_path / f"{name}.pth")


def test_weights_fit_by_name_by_order_and_with_another_stem(tmp_path: Path) -> None:
    theirs = digits_net()
    grey = create_model("mnist_cnn", num_classes=4, in_chans=1, img_size=12)
    fit = fit_weights(grey, theirs.state_dict())
    assert fit.complete
    assert fit.adapted == ("block1.0.weight",)
    image = torch.rand(2, 1, 12, 12)
    assert torch.allclose(grey(image), theirs(image.expand(-1, 3, -1, -1)), atol=1e-5), "grey is colour without colour"
    fresh = create_model("mnist_cnn", num_classes=4, in_chans=3, img_size=12)
    numbered = {f"layer{number}": value for number, value in enumerate(theirs.state_dict().values())}
    assert fit_weights(fresh, numbered, ordered=True).by_order
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), theirs.parameters(), strict=True))
    with pytest.raises(ArtefactError, match="none of the 1 tensors fits the net: it has for example"):
        fit_weights(fresh, {"x": torch.ones(1)})


def test_the_published_densenets_fit_under_the_names_of_their_time(tmp_path: Path) -> None:
    """They are bare pickles of 2017: norm.1 was still a legal name, and batch norms counted no batches."""
    torch.manual_seed(1)
    source = create_model("densenet121", num_classes=1000)
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])\.")
    state = {
        old.sub(r"\1.\2.", name): value
        for name, value in source.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.running_mean" in state
    assert len(state) == 606, "as many as in densenet121-a639ec97.pth"
    torch.save(state, tmp_path / "densenet121.pth", _use_new_zipfile_serialization=False)

    net = create_model("densenet121", num_classes=1000).eval()
    fit = fit_weights(net, read_foreign(tmp_path / "densenet121.pth").tensors)
    assert fit.complete
    assert not fit.unexpected
    assert not fit.by_order
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(net(image), source.eval()(image))


def test_an_imported_run_is_a_classifier_with_the_head_of_the_file(tmp_path: Path) -> None:
    net = digits_net().eval()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    done = import_weights(tmp_path / "net.pth", model="mnist_cnn", in_chans=3, img_size=12, out=tmp_path / "runs")
    assert done.num_classes == 4
    assert done.fit.complete
    images = torch.rand(2, 3, 12, 12)
    assert torch.equal(load(done.run).model(images), net(images))
    with pytest.raises(ArtefactError, match="the weights do not fill mnist_gap: 2 are missing"):
        import_weights(tmp_path / "net.pth", model="mnist_gap", in_chans=3, img_size=12, out=tmp_path / "runs")
    with pytest.raises(UsageError, match="3 class names came for 4 outputs"):
        import_weights(
            tmp_path / "net.pth", model="mnist_cnn", in_chans=3, img_size=12, num_classes=4, class_names="abc",
            out=tmp_path / "runs",
        )  # fmt: skip


def test_tensors_come_out_of_checkpoints_with_other_objects_beside_them(tmp_path: Path) -> None:
    """M4: what a training script saves beside its weights becomes stand-ins that do nothing."""
    state = digits_net().state_dict()
    prefixed = {f"module._orig_mod.model.{k}": v for k, v in state.items()}
    beside = {
        "epoch": 3, "args": argparse.Namespace(lr=0.1), "best_acc1": np.float64(77.3), "seen": np.arange(3),
        "log": defaultdict(list, a=[1]), "last": deque([1, 2]), "at": tmp_path, "rows": range(3),
        "model_ema": dict(state),
    }  # fmt: skip
    for whole, zipped, left_out, prefix in (
        ({"model": state, **beside}, True, ("model_ema",), ""),
        ({"model": state, **beside}, False, ("model_ema",), ""),
        ({"n_averaged": torch.tensor(9)} | prefixed, True, (), "model"),
    ):
        torch.save(whole, tmp_path / "net.th", _use_new_zipfile_serialization=zipped)
        found = read_foreign(tmp_path / "net.th")
        assert found.left_out == left_out
        fresh = create_model("mnist_cnn", num_classes=4, in_chans=3, img_size=12)
        fit = fit_weights(fresh, found.tensors)
        assert fit.complete
        assert fit.prefix == prefix
        assert all(torch.equal(value, state[name]) for name, value in fresh.state_dict().items())


@pytest.mark.parametrize("name", ["builtins.eval", "subprocess.Popen"])
def test_a_checkpoint_that_names_programs_is_refused(tmp_path: Path, name: str) -> None:
    torch.save({"weight": torch.ones(2), "beside": argparse.Namespace()}, tmp_path / "net.pth")
    module, _, function = name.rpartition(".")
    with zipfile.ZipFile(tmp_path / "net.pth") as old, zipfile.ZipFile(tmp_path / "evil.pth", "w") as new:
        for member in old.infolist():
            data = old.read(member)
            new.writestr(member, data.replace(b"cargparse\nNamespace\n", f"c{module}\n{function}\n".encode()))
    with pytest.raises(ArtefactError, match="objects that are not tensors, and those could run programs"):
        read_foreign(tmp_path / "evil.pth")


def test_a_whole_net_saved_as_an_object_gives_no_tensors(tmp_path: Path) -> None:
    torch.save(digits_net(), tmp_path / "net.pth")
    with pytest.raises(ArtefactError, match="it holds a whole net or another object, not a state dict"):
        read_foreign(tmp_path / "net.pth")


def stack(width: int = 8) -> torch.nn.Module:
    """A net without biases whose layers have all the same shape: by shape alone nothing tells them apart."""
    layers = [f"conv {width} 3x3 padding=same bias=no", "relu"] * 3
    return create_model([*layers, "globalpool", f"dense {width}"], num_classes=width, in_chans=width, img_size=6)


def test_order_is_believed_only_where_it_is_the_authors_and_said_aloud(tmp_path: Path) -> None:
    torch.manual_seed(3)
    source = stack().eval()
    # Sorted by name, the first layer comes last: what .safetensors files do to every state dict.
    names = dict(zip(source.state_dict(), ("stem.w", "body.w", "body2.w", "a_head.weight", "a_head.bias"), strict=True))
    authors = {names[name]: value for name, value in source.state_dict().items()}
    fit = fit_weights(net := stack().eval(), authors, ordered=True)
    assert (fit.by_order, fit.complete, fit.alike) == (True, True, 3)
    x = torch.rand(2, 8, 6, 6)
    assert torch.equal(net(x), source(x))
    fit = fit_weights(stack(), dict(sorted(authors.items())))
    assert not fit.complete, "three tensors of one shape, and nothing says which is which"
    different = create_model(["flatten", "dense 5", "dense K"], num_classes=3, in_chans=1, img_size=2)
    state = {f"t{k}": v for k, v in reversed(list(enumerate(different.state_dict().values())))}
    assert fit_weights(different, state).complete, "each shape stands once: no other way to put them"


def test_a_wrong_order_is_found_out_by_what_the_tensors_are() -> None:
    layers = ["conv 4 3x3 bias=no", "batchnorm", "flatten", "dense K"]
    net = create_model(layers, num_classes=2, in_chans=1, img_size=4)
    state = {f"x{k}": v.clone() for k, v in enumerate(net.state_dict().values()) if v.ndim}
    assert fit_weights(net, state, ordered=True).by_order
    state["x4"] = torch.full((4,), -1.0)  # no variance is negative
    with pytest.raises(ArtefactError, match="none of the"):
        fit_weights(net, state, ordered=True)


def test_two_nets_in_a_file_are_told_apart_by_hand() -> None:
    state = digits_net().state_dict()
    both = {
        f"{who}.{name}": value + (who == "teacher") for who in ("student", "teacher") for name, value in state.items()
    }
    fresh = digits_net()
    with pytest.raises(ArtefactError, match=r"2 nets that fit equally well: student, teacher\n  .*--rename student="):
        fit_weights(fresh, both)
    assert fit_weights(fresh, renamed(both, [("teacher", "")])).complete
    assert torch.equal(fresh.state_dict()["dense.bias"], state["dense.bias"] + 1)
    with pytest.raises(UsageError, match="no tensor's name begins with 'head'"):
        renamed(both, [("head", "fc")])


def test_positions_of_a_transformer_are_interpolated_to_another_grid() -> None:
    """M5."""
    torch.manual_seed(0)
    small = create_model("vit_tiny", num_classes=2, in_chans=1, img_size=12)
    large = create_model("vit_tiny", num_classes=2, in_chans=1, img_size=16)
    fit = fit_weights(large, small.state_dict())
    assert fit.complete
    assert fit.adapted == ("encoder.pos_embedding",)
    ours, theirs = large.encoder.pos_embedding, small.encoder.pos_embedding
    assert torch.equal(ours[:, 0], theirs[:, 0]), "the class token has no place"


def test_import_says_what_the_file_says_and_takes_the_rest_from_the_user(tmp_path: Path) -> None:
    """The head under another name, three channels kept, the preprocessing whole, golden logits."""
    net = digits_net().eval()
    state = {name.replace("dense.", "linear."): value for name, value in net.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    arguments = {"model": "mnist_cnn", "img_size": 12, "out": tmp_path / "runs"}
    x = torch.rand(2, 3, 12, 12)
    golden = {"images": x, "logits": net(x).detach()}
    save_file(golden, tmp_path / "golden.safetensors")
    done = import_weights(
        tmp_path / "net.pth", fit="crop", crop_share=0.875, interpolation="bicubic",
        golden=tmp_path / "golden.safetensors", **arguments,
    )  # fmt: skip
    assert (done.num_classes, done.in_chans, done.fit.head, done.checked) == (4, 3, "linear", True)
    found = load(done.run)
    assert torch.equal(found.model(x), net(x))
    assert found.preprocessing is not None
    assert (found.preprocessing.crop_share, found.preprocessing.interpolation) == (0.875, "bicubic")
    by_hand = import_weights(tmp_path / "net.pth", rename=[("linear", "dense")], **arguments)
    assert by_hand.fit.complete
    assert not by_hand.fit.head
    torch.save({f"t{number}": value for number, value in enumerate(state.values())}, tmp_path / "numbered.pth")
    by_order = import_weights(tmp_path / "numbered.pth", golden=tmp_path / "golden.safetensors", **arguments)
    assert (by_order.num_classes, by_order.in_chans, by_order.fit.by_order) == (4, 3, True)
    save_file(golden | {"logits": golden["logits"] + 1}, tmp_path / "golden.safetensors")
    with pytest.raises(ArtefactError, match="answers the golden images otherwise: off by"):
        import_weights(tmp_path / "net.pth", golden=tmp_path / "golden.safetensors", **arguments)


@pytest.mark.parametrize("kind", ["A", "B"])
def test_thin_resnets_of_other_files_fit_with_the_shortcuts_they_were_trained_with(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(2)
    net = create_model("resnet20", num_classes=10, in_chans=3, img_size=32, shortcut=kind)
    state = {f"module.{name.replace('fc.', 'linear.')}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": state, "best_prec1": 92.6}, tmp_path / "net.th")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        save_file({"images": images, "logits": net.eval()(images)}, tmp_path / "golden.safetensors")
    settings: dict[str, Any] = {"model": "resnet20", "out": tmp_path, "golden": tmp_path / "golden.safetensors"}
    done = import_weights(tmp_path / "net.th", options={"shortcut": kind}, **settings)
    assert done.checked
    assert not done.fit.unexpected
    if kind == "B":
        with pytest.raises(ArtefactError, match=r"parts that resnet20 has.*'layer2\.0\.shortcut"):
            import_weights(tmp_path / "net.th", model="resnet20", out=tmp_path)
        partly = import_weights(tmp_path / "net.th", model="resnet20", out=tmp_path, partial=True)
        assert len(partly.fit.homeless) == 10


def test_a_file_of_published_weights_is_known_by_its_digest_and_brings_its_classes(tmp_path: Path) -> None:
    entry = published("efficientnet_lite0")
    shutil.copy(fetch(entry), tmp_path / "copy.pth")
    done = import_weights(tmp_path / "copy.pth", model="efficientnet_lite0", out=tmp_path / "runs")
    found = load(done.run)
    assert done.published == entry.file
    assert found.class_names[:2] == ("tench", "goldfish")
    assert found.preprocessing == preprocess_as(entry)


def test_it_is_said_how_pictures_will_be_prepared_where_the_file_does_not_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(digits_net().state_dict(), tmp_path / "net.pth")
    command = ["import-weights", str(tmp_path / "net.pth"), "--as", "mnist_cnn", "--img-size", "12"]
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--out", str(tmp_path / "runs"), "--mean", "0.5,0.5,0.5"])
    said = capsys.readouterr().err
    assert "pictures will be prepared so: crop 1, bilinear, mean 0.500,0.500,0.500, std 0.229,0.224,0.225" in said
    assert "--classes FILE names its outputs" in said


def test_what_lies_beside_a_net_in_its_file_may_stay_behind(tmp_path: Path) -> None:
    state = digits_net().state_dict() | {"auxiliary.weight": torch.ones(3, 3), "conv1.total_ops": torch.tensor(7.0)}
    save_file(state, tmp_path / "a.safetensors")
    done = import_weights(tmp_path / "a.safetensors", model="mnist_cnn", img_size=12, out=tmp_path)
    assert done.fit.unexpected == ("auxiliary.weight", "conv1.total_ops")
    assert not done.fit.homeless


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_classes": 10**9}, "num_classes must be 1 to 1,000,000, got 1,000,000,000"),
        ({"num_classes": 0}, "num_classes must be 1 to"),
        ({"img_size": 10**6}, "img_size must be 1 to 16,384, got 1,000,000"),
        ({"img_size": 0}, "img_size must be 1 to"),
        ({"in_chans": 0}, "channels must be 1"),
        ({"mean": [float("nan")] * 3}, "mean must be a number"),
        ({"std": [float("inf")] * 3}, "std must be above 0"),
        ({"crop_share": 0.0}, "crop_share must be above 0"),
        ({"fit": "pad", "crop_share": 0.9}, "crop_share has no effect"),
        ({"options": {"dropout": "x"}}, "option 'dropout' of model 'mnist_cnn' must be a number"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_the_file_is_read(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        import_weights(tmp_path / "no.pth", out=tmp_path / "runs", **{"model": "mnist_cnn", "in_chans": 3} | settings)


def test_a_download_is_kept_only_if_its_digest_begins_as_its_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HUBEL_OFFLINE", raising=False)
    site = tmp_path / "site"
    site.mkdir()
    torch.save(digits_net().state_dict(), site / "net.pth")
    digest = sha256((site / "net.pth").read_bytes()).hexdigest()
    right = replace(published("resnet18"), file=f"net-{digest[:8]}.pth")
    wrong = replace(right, file="net-00000000.pth")
    for entry in (right, wrong):
        (site / entry.file).write_bytes((site / "net.pth").read_bytes())

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *parts: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}/"
        try:
            assert fetch(right, base=base).read_bytes() == (site / "net.pth").read_bytes()
            with pytest.raises(ArtefactError, match="SHA-256 that does not begin with 00000000"):
                fetch(wrong, base=base)
        finally:
            server.shutdown()
            thread.join()
    assert fetch(right, base="http://127.0.0.1:9/").is_file(), "it is in the cache now"
    with pytest.raises(ArtefactError, match="cannot download"):
        fetch(wrong, base="http://127.0.0.1:9/")
    monkeypatch.setenv("HUBEL_OFFLINE", "1")
    with pytest.raises(ArtefactError, match="HUBEL_OFFLINE forbids"):
        fetch(wrong)


def test_every_published_file_belongs_to_a_net_of_the_catalogue_and_names_its_digest() -> None:
    assert len(WEIGHTS) == len({entry.file for entry in WEIGHTS})
    for entry in WEIGHTS:
        assert entry.model in CARDS, entry.model
        assert len(entry.sha256_prefix) >= 8


def test_a_net_of_any_size_needs_to_be_told_which(tmp_path: Path) -> None:
    net = create_model("softmax_regression", num_classes=10, in_chans=1, img_size=(8, 8))
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(UsageError, match="softmax_regression has no usual size of pictures") as error:
        import_weights(tmp_path / "weights.pth", model="softmax_regression", out=tmp_path / "runs")
    assert error.value.hint is not None
    assert error.value.hint.startswith("--img-size 28")
    done = import_weights(
        tmp_path / "weights.pth", model="softmax_regression", img_size=8, in_chans=1, out=tmp_path / "runs"
    )
    assert load(done.run).preprocessing.height == 8
