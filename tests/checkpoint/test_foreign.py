"""Foreign weights: tensors come through, everything else is refused before it can do anything."""

from __future__ import annotations

import http.server
import os
import re
import threading
import zipfile
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hubel.checkpoint import load
from hubel.checkpoint.foreign import read_foreign
from hubel.checkpoint.published import fetch
from hubel.errors import ArtefactError, UsageError
from hubel.models import CARDS, create_model
from hubel.models.fitting import fit_weights
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
    for name in ("a.pth", "a.safetensors"):
        found = read_foreign(tmp_path / name).tensors
        assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in state.items()}
        assert all(torch.equal(found[k], state[k]) for k in state)
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
    with pytest.raises(ArtefactError, match="bare pickle, the format before"):
        read_foreign(path)
    with pytest.raises(ArtefactError, match="objects that are not tensors"):
        read_foreign(path, legacy=True)
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
    for name, said in (("cut", "damaged zip"), ("rubbish", "no safetensors file"), ("link", "is a link")):
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
    renamed = {f"layer{number}": value for number, value in enumerate(theirs.state_dict().values())}
    assert fit_weights(fresh, renamed).by_order
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
    fit = fit_weights(net, read_foreign(tmp_path / "densenet121.pth", legacy=True).tensors)
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
