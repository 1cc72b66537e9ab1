"""Make the environments of the peers that the benchmarks compare with, apart from ours and from each other.

    python benchmarks/peers.py [--folder benchmarks/.peers] [NAME ...]
    . benchmarks/.peers/environment.sh && python -m benchmarks

Each is a virtual environment of its own, because their wishes conflict and because none belongs among our
dependencies. PyTorch is taken in the version that hubel runs on here, so that both sides compute with the same
kernels; the other packages come in the versions below, with which the tables of RESULTS.md were measured, or newer
with --newest. Prints the line `export NAME=…` of each and writes them to environment.sh. Takes minutes and some
gigabytes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """An environment: the variable that benchmarks read, and what it holds."""

    variable: str
    packages: tuple[str, ...]
    check: str
    """Code that must run in it."""
    torch: bool = True
    """Does it need PyTorch?"""


PEERS = {
    "common": Peer(
        "HUBEL_PEER_PYTHON",
        ("keras==3.15.1", "torchinfo", "grad-cam", "numpy", "pillow", "scipy"),
        "import os; os.environ['KERAS_BACKEND'] = 'torch'; import keras, torchvision, torchinfo",
    ),
    "fastai": Peer(
        "HUBEL_PEER_FASTAI", ("fastai==2.8.12",), "import torchvision; from fastai.vision.all import Learner"
    ),
    "litserve": Peer(
        "HUBEL_PEER_LITSERVE",
        ("litserve==0.2.19", "onnxruntime==1.32.0", "python-multipart", "pillow", "numpy"),
        "import litserve, onnxruntime",
        torch=False,
    ),
    "cleanlab": Peer(
        "HUBEL_PEER_CLEANLAB", ("cleanlab==2.9.0",), "from cleanlab.rank import get_label_quality_scores", torch=False
    ),
    "timm": Peer("HUBEL_PEER_TIMM", ("timm==1.0.31",), "import timm, torchvision"),
    "ood": Peer("HUBEL_PEER_OOD", ("pytorch-ood==0.4.0", "scikit-learn"), "import pytorch_ood, sklearn"),
    # keras-tuner imports six, which it does not ask for
    "kerastuner": Peer(
        "HUBEL_PEER_KERASTUNER",
        ("keras==3.15.1", "keras-tuner==1.4.8", "six", "numpy", "pillow"),
        "import os; os.environ['KERAS_BACKEND'] = 'torch'; import keras_tuner",
    ),
    "airbench": Peer("HUBEL_PEER_AIRBENCH", ("airbench==0.1.8", "numpy", "pillow"), "import torchvision"),
}


def make(name: str, folder: Path, *, newest: bool, index: str | None) -> str:
    """Make or complete one environment; the line that names its interpreter."""
    peer, home = PEERS[name], folder / name
    if not (home / "bin" / "python").exists() and not (home / "Scripts" / "python.exe").exists():
        venv.create(home, with_pip=True)
    python = next(p for p in (home / "bin" / "python", home / "Scripts" / "python.exe") if p.exists())
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # torchvision loads only beside the torch it was built for: both from one index, and from the usual one the plain
    # build (three equals signs leave out builds such as 2.13.0+cpu that an index nearby may offer for torch alone).
    plain = version("torch").partition("+")[0]
    torch = ["--index-url", index, f"torch=={plain}"] if index else [f"torch==={plain}"]
    if peer.torch:
        subprocess.run([*install, *torch, "torchvision"], check=True)
    packages = [package.partition("==")[0] if newest else package for package in peer.packages]
    subprocess.run([*install, *packages], check=True)
    subprocess.run([str(python), "-c", peer.check], check=True)
    return f"export {peer.variable}={python.absolute()}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PEERS)}; else all")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / ".peers")
    parser.add_argument("--newest", action="store_true", help="take the newest versions of the peers")
    parser.add_argument("--torch-index", help="package index to take torch and torchvision from, for a CPU-only build")
    options = parser.parse_args()
    unknown = set(options.names) - set(PEERS)
    if unknown:
        sys.exit(f"there is no peer {', '.join(sorted(unknown))}; there are: {', '.join(PEERS)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    known = options.folder / "environment.sh"
    lines = {line.partition("=")[0]: line for line in (known.read_text().splitlines() if known.exists() else [])}
    for name in options.names or PEERS:
        try:
            line = make(name, options.folder, newest=options.newest, index=options.torch_index)
        except subprocess.CalledProcessError as error:
            print(f"{name} could not be made: {error}", file=sys.stderr)
            continue
        lines[line.partition("=")[0]] = line
        known.write_text("\n".join(lines.values()) + "\n")
        print(line, flush=True)
