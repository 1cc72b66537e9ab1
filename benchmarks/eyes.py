"""How many photographs a second a frozen EfficientNet-Lite0 sees: what a start from it costs most.

    python benchmarks/eyes.py [--pictures 500] [--repeat 3] [--threads 2] [--processor] [--only-rate]

All sides get the same photographs of HUBEL_DATA, 224 x 224 bytes in memory, normalise them and give 1,280 features
each. Ours: `head_inputs` on the published weights, in batches and in the arithmetic that `hubel train` takes for a
frozen net here (`quicker`), and the same in float32. Peer: timm's tf_efficientnet_lite0, eager, in batches of 64, in
inference mode, `forward_head(forward_features(x), pre_logits=True)`; its weights are random, which costs the same.
Sides alternate; an uncounted round comes first. HUBEL_PEER_PYTHON names the interpreter with timm; without it only our
sides are measured. --processor counts the processor's time of one thread, for a machine that others use.

Before that, for each published net in a package that is installed: of the photographs, whose files begin with the
number of their ImageNet class, how many are named right; and, with the peer, by how much at most a logit differs from
that of timm's net with the same file of weights on the same input.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hubel.checkpoint.published import in_package
from hubel.models.pretrained import WEIGHTS

PEER = """
import sys, time
import numpy, timm, torch
torch.set_num_threads(int(sys.argv[2]))
clock = time.process_time if sys.argv[3] == "processor" else time.perf_counter
pictures = torch.from_numpy(numpy.load(sys.argv[1]))
net = timm.create_model("tf_efficientnet_lite0").eval()
with torch.inference_mode():
    for part in (pictures[:64], pictures):
        started = clock()
        for batch in part.split(64):
            net.forward_head(net.forward_features((batch.float() / 255 - 0.498) / 0.502), pre_logits=True)
    print(len(pictures) / (clock() - started))
"""

OURS = """
import sys, time
import numpy, torch
from hubel.nn.layout import arrange
from hubel.records.nets import load
from hubel.training.features import BATCH, BATCH_PIXELS, Arithmetic, head_inputs, quicker
torch.set_num_threads(int(sys.argv[2]))
clock = time.process_time if sys.argv[3] == "processor" else time.perf_counter
pictures = torch.from_numpy(numpy.load(sys.argv[1])).contiguous(memory_format=torch.channels_last)
found = load("efficientnet_lite0")
net, p = arrange(found.model.eval(), torch.channels_last), found.preprocessing
how = quicker(net, p.normalise(pictures[:8])) if sys.argv[4] == "chosen" else Arithmetic()
print(how.reason, file=sys.stderr)
for part in (pictures[:64], pictures):
    started = clock()
    shown = (p.normalise(batch) for batch in part.split(min(BATCH, BATCH_PIXELS // 224**2)))
    count = sum(len(seen) for seen in head_inputs(net, shown, precision=how.precision))
print(count / (clock() - started))
"""


ANSWERS = """
import sys
import numpy, torch
from pathlib import Path
from PIL import Image
from hubel.checkpoint.published import fetch
from hubel.models.imagenet import name_of
from hubel.models.pretrained import published
from hubel.records.nets import load
net = load(sys.argv[1])
files = sorted(Path(sys.argv[2]).iterdir())
pictures = [torch.from_numpy(net.preprocessing.image(Image.open(file))) for file in files]
inputs = net.preprocessing.normalise(torch.stack(pictures))
with torch.inference_mode():
    logits = torch.cat([net.model(part) for part in inputs.split(20)])
numpy.savez(sys.argv[3], inputs=inputs.numpy(), logits=logits.numpy())
said = [net.class_names[number] for number in logits.argmax(1).tolist()]
print(sum(name == name_of(file.name[:9]) for name, file in zip(said, files, strict=True)))
print(fetch(published(sys.argv[1])))
"""

PEER_ANSWERS = """
import sys
import numpy, timm, torch
held = numpy.load(sys.argv[2])
net = timm.create_model("tf_" + sys.argv[1]).eval()
theirs = torch.load(sys.argv[3], weights_only=True)
ours = [name for name in net.state_dict() if "num_batches" not in name]
values = [value for name, value in theirs.items() if "num_batches" not in name]
net.load_state_dict(dict(zip(ours, values, strict=True)), strict=False)
with torch.inference_mode():
    logits = torch.cat([net(part) for part in torch.from_numpy(held["inputs"]).split(20)])
print(float((logits - torch.from_numpy(held["logits"])).abs().max()))
"""


def answers(folder: Path, photographs: Path, peer: str | None) -> dict[str, dict[str, float | int]]:
    """For each net whose package is installed: photographs named right, and how far its logits are from timm's."""
    found: dict[str, dict[str, float | int]] = {}
    for entry in (entry for entry in WEIGHTS if entry.package and in_package(entry.package, entry.file)):
        held = folder / f"{entry.model}.npz"
        right, weights = run(sys.executable, ANSWERS, entry.model, photographs, held).split("\n", 1)
        found[entry.model] = {"right": int(right), "of": len(list(photographs.iterdir()))}
        if peer:
            found[entry.model]["apart"] = float(run(peer, PEER_ANSWERS, entry.model, held, weights.strip()))
        print(json.dumps({entry.model: found[entry.model]}), flush=True)
    return found


def run(python: str, code: str, *arguments: object) -> str:
    """What a process prints."""
    done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def rate(python: str, code: str, *arguments: object) -> float:
    """Photographs a second of one process."""
    return float(run(python, code, *arguments))


def main() -> None:
    """Measure, print a line of JSON for each process and one with medians and the ratio."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pictures", type=int, default=500)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--processor", action="store_true", help="count the processor's time: of one thread")
    arguments.add_argument("--only-rate", action="store_true", help="leave the logits of each net out")
    given = arguments.parse_args()
    if given.processor and given.threads != 1:
        arguments.error("--processor counts the time of one thread: --threads 1")
    data = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "photos"
    if not data.is_dir():
        raise SystemExit(f"needs the photographs of HUBEL_DATA, and {data} is no folder")
    files = sorted(data.iterdir())
    pictures = [np.asarray(ImageOps.fit(Image.open(file).convert("RGB"), (224, 224))) for file in files]
    stack = np.stack([pictures[n % len(files)].transpose(2, 0, 1) for n in range(given.pictures)])
    peer = os.environ.get("HUBEL_PEER_PYTHON")
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        said = {} if given.only_rate else answers(Path(folder), data, peer)
        clock = "processor" if given.processor else "wall"
        place = Path(folder) / "pictures.npy"
        np.save(place, stack)
        for number in range(-1, given.repeat):
            for side, python, code, how in (
                ("ours", sys.executable, OURS, "chosen"),
                ("ours in float32", sys.executable, OURS, "float32"),
                ("peer", peer, PEER, ""),
            ):
                if python:
                    measured = rate(str(python), code, place, given.threads, clock, how)
                    if number >= 0:
                        found.setdefault(side, []).append(measured)
                        print(json.dumps({"round": number, "side": side, "per_second": round(measured, 1)}), flush=True)
    medians = {side: round(statistics.median(values), 1) for side, values in found.items()}
    result = {
        "claim": "features of a frozen Lite0 at least 1.5 times as fast as timm's eager net",
        "photographs_per_second": medians,
        "spread": {side: [round(min(values), 1), round(max(values), 1)] for side, values in found.items()},
        "ratio": round(medians["ours"] / medians["peer"], 2) if "peer" in medians else None,
        "answers": said, "pictures": given.pictures, "threads": given.threads, "machine": platform.platform(),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
