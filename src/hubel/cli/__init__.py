"""The command line: a table of commands, each in a module of its own that is imported only when it is called.

Exit codes: 0 done, 2 usage, 3 data, 4 artefact, 1 anything else, 130 after Ctrl-C.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

from hubel.cli.console import asked, lost, out, print_error, settle, use
from hubel.cli.log import Log, read_log
from hubel.errors import ArtefactError, DataError, HubelError, UsageError, unknown
from hubel.store import shown

# (group, [(command, module, one line of help)]): the help page in the order in which a newcomer needs it.
COMMANDS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "From pictures to a classifier",
        (
            ("data", "data", "what is in a data set, and what is wrong with it"),
            ("clean", "clean", "twins, leaks, odd pictures, shortcuts, and labels that are probably wrong"),
            ("edit", "edit", "relabel, exclude, merge, with undo; no file of the data is touched"),
            ("probe", "probe", "a learning rate and a batch size, from a few real steps on a copy"),
            ("doctor", "doctor", "what is wrong with a training: before it, and with a run; one mend for each finding"),
            ("train", "train", "train a classifier; writes a run folder with weights and a report"),
            ("search", "search", "settings and nets tried within a budget; ends with a trained, measured best"),
            ("ensemble", "ensemble", "several runs, chosen on validation, that answer as one"),
            ("watch", "watch", "see a training that is under way, from another window"),
            ("control", "control", "pause, step, alter, save or stop a training that is under way"),
            ("pretrain", "pretrain", "let a net learn from pictures without labels, to train --from it"),
            ("evaluate", "evaluate", "measure a trained run on its test split or on another folder"),
            ("predict", "predict", "classify pictures with a trained run"),
            ("runs", "runs", "list runs, show one, remove some"),
            ("compare", "compare", "runs side by side: is one better by more than luck?"),
            ("baseline", "baseline", "what simple methods get, without a net: is deep learning needed here?"),
            ("curve", "curve", "what twice as many pictures would bring, and which class to collect first"),
            ("anomaly", "anomaly", "learn from normal pictures what is strange, and where"),
            ("robust", "robust", "a run on spoilt, shifted, turned and bent pictures; two beside each other"),
            ("reproduce", "reproduce", "a run once more: the same bits, or what differs"),
            ("export", "export", "write a run as one file that works elsewhere, with proof that it answers alike"),
            ("compress", "compress", "a run's net in a tenth of its bytes, size against accuracy at every stage"),
            ("serve", "serve", "answer pictures over HTTP: an API, and a page to try it"),
            ("studio", "studio", "all of this on a page in your browser; nothing leaves this machine"),
            ("bench", "bench", "latency and throughput of a net: eager, made ready, compiled, ONNX Runtime"),
        ),
    ),
    (
        "Why it decided so",
        (
            ("explain", "explain", "maps of what a decision hangs on, side by side, and how far to trust each"),
            ("filters", "filters", "learned kernels as tiles"),
            ("activations", "activations", "the maps of a layer for one picture"),
            ("units", "units", "the patches that excite each unit most, and what would even more"),
            ("neighbours", "neighbours", "the nearest training pictures, by features and by pixels"),
            ("embed", "embed", "a map of the data in feature space (t-SNE, PCA)"),
            ("features", "features", "write features of a data set for other classifiers"),
            ("prototypes", "prototypes", "typical samples of each class, and odd ones"),
            ("attack", "attack", "adversarial examples: one picture, or the success rate on a set"),
            ("counterfactual", "counterfactual", "the smallest change that flips a decision; what keeps it"),
        ),
    ),
    (
        "Nets and parts",
        (
            ("models", "models", "list the architectures"),
            ("model", "model", "the card of one architecture, or the code of a layer list"),
            ("components", "components", "list layers, activations, losses, optimisers, schedules, augmentations"),
            ("summary", "summary", "shapes, parameters, memory, MACs and receptive fields of any net"),
            ("trace", "trace", "a formula or a net as a computation graph with its numbers"),
            ("step", "step", "the arithmetic of one output value, window after window"),
            ("plot", "plot", "draw activations, losses and learning-rate schedules"),
            ("kernels", "kernels", "apply edge, blur, sharpen and gradient kernels to a picture"),
            ("descent", "descent", "gradient descent by hand on a function, and optimisers in a race"),
            ("landscape", "landscape", "the loss of a trained net around its weights"),
            ("field", "field", "which pixels a unit can see, and how much each of them weighs"),
            ("gradient-flow", "gradient_flow", "gradients and dead units, layer by layer"),
            ("import-weights", "import_weights", "read a foreign weights file safely"),
            ("book", "book", "five lectures: every number counted, every claim measured, each error named"),
            ("ask", "ask", "a term of the field: what it means, what else it is called, where it stands"),
            ("completion", "completion", "let your shell complete commands, options, runs and nets"),
        ),
    ),
)

_ALIASES = {"eval": "evaluate", "val": "evaluate", "validate": "evaluate", "test": "evaluate", "inspect": "summary"}


LASTING = ("train", "pretrain", "import-weights")
"""Commands whose work is what they write; what they print only tells of it."""


MEMORY = "memory ran out", "close other programs, or ask for less: smaller pictures (--img-size), a smaller net"


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        keep_out()
        settle()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        _print_help()
        sys.exit(0)
    if arguments[0] in ("-V", "--version", "version"):
        out().print(f"hubel {_version()}")
        sys.exit(0)
    if arguments[0] == "__complete":  # what the scripts of `hubel completion` ask
        from hubel.cli.completion import candidates
        from hubel.cli.output import print_data

        print_data("".join(f"{word}\n" for word in candidates(arguments[1:])))
        sys.exit(0)
    code = _run(arguments)
    words_lost = lost(sys.stdout)
    if words_lost is not None and code == 0 and arguments[0] not in LASTING:
        print_error(HubelError(f"the answer could not be printed: {words_lost.strerror or words_lost}"))
        code = 1
    if argv is None and "hubel.runtime.distributed" in sys.modules:  # whole: a Ctrl-C may have cut torch's import short
        _part(code)
    sys.exit(code)


def _part(code: int) -> None:
    """One of several processes ends at once, without taking Python down first.

    Torch's wrapper of a net keeps the threads that average gradients alive for ever. One of them that lets go of its
    last tensor while Python is being taken down aborts the process, after all its work was done.
    """
    from hubel.runtime.distributed import launched

    if launched():
        for stream in (sys.stdout, sys.stderr):
            lost(stream)
        os._exit(code)


def keep_out() -> None:
    """Let nothing of the working folder be imported, here or in any child (the compiler starts `python -c`)."""
    os.environ["PYTHONSAFEPATH"] = "1"
    sys.path[:] = [place for place in sys.path if place not in ("", ".")]


def _version() -> str:
    from importlib.metadata import version

    return version("hubel")


def _run(arguments: list[str]) -> int:
    try:
        use(Log())
        log, rest = read_log(arguments)
        use(log)
        files, (name, *words) = read_nets(rest)
        if files:
            nets = importlib.import_module("hubel.models.files")
            for file in files:
                nets.load_nets(file)
        return _dispatch(name, words)
    except HubelError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        explained = _explain(error)
        print_error(explained)
        return explained.exit_code
    except Exception as error:
        if os.environ.get("HUBEL_DEBUG") or asked().tells("debug"):
            raise
        if "hubel.runtime.device" in sys.modules and importlib.import_module("hubel.runtime.memory").out_of_memory(
            error
        ):
            print_error(HubelError(MEMORY[0], hint=MEMORY[1]))
            return 1
        fault = HubelError(
            f"hubel met a fault of its own: {type(error).__name__}: {error}",
            hint="HUBEL_LOG=debug shows where; please report it with the command you gave",
        )
        print_error(fault)
        return 1


def read_nets(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files that `--nets` names before the command, and the arguments without them.

    >>> read_nets(["--nets", "my_net.py", "predict", "runs/a", "cat.jpg"])
    (['my_net.py'], ['predict', 'runs/a', 'cat.jpg'])
    """
    files, rest = [], list(arguments)
    while rest and (rest[0] == "--nets" or rest[0].startswith("--nets=")):
        _, equals, file = rest.pop(0).partition("=")
        file = file if equals else (rest.pop(0) if rest else "")
        if not file or file.startswith("-"):
            raise UsageError("--nets needs a Python file with nets of your own", hint="hubel --nets my_net.py COMMAND")
        files.append(file)
    if not rest:
        raise UsageError("--nets stands before a command", hint="hubel --nets my_net.py predict RUN cat.jpg")
    return files, rest


def _dispatch(name: str, arguments: list[str]) -> int:
    commands = {command: (module, text) for _, group in COMMANDS for command, module, text in group}
    name = _ALIASES.get(name, name)
    if name not in commands:
        raise unknown("command", name, commands, listing="hubel --help")
    from hubel.cli.command import run_command

    module, summary = commands[name]
    return run_command(name, importlib.import_module(f"hubel.cli.{module}").command, summary, arguments)


def _explain(error: OSError) -> HubelError:
    where = f" {shown(str(error.filename))}" if error.filename else ""
    if error.errno == errno.ENAMETOOLONG:
        return UsageError(f"no file can have so long a name:{where}")
    if error.errno == errno.ENOENT:
        return DataError(f"no such file or folder:{where}")
    unwritten = {
        errno.ENOSPC: "free some space, or write elsewhere with --out",
        errno.EDQUOT: "the quota is used up; free some space, or write elsewhere with --out",
        errno.EROFS: "the file system is read-only; write elsewhere with --out",
    }
    what, number = f"{error.strerror or error}{where}", error.errno or 0
    if number in unwritten:
        return ArtefactError(what, hint=unwritten[number])
    denied = "check the permissions, or write elsewhere with --out"
    return HubelError(what, hint=denied if number == errno.EACCES else "")


def _print_help() -> None:
    from rich.table import Table
    from rich.text import Text

    console = out()
    console.print(
        Text.assemble(
            ("hubel", "bold"),
            ": from a folder of pictures to a classifier you understand and can ship\n\nUsage: ",
            ("hubel COMMAND", "bold"),
            " …        help on one: hubel COMMAND --help\n",
        )
    )
    for title, group in COMMANDS:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        table.add_column(style="bold cyan", min_width=14, no_wrap=True)
        table.add_column()
        for command, _, text in group:
            table.add_row(command, Text(text))
        console.print(Text(title, style="bold"))
        console.print(table)
        console.print()
    console.print(
        "try:   hubel train digits\n"
        "       hubel train photos/ --model resnet18 --epochs 20 --img-size 128\n"
        "       hubel predict runs/photos-1 new/*.jpg\n\n"
        "--nets my_net.py before a command reads the runs of nets of your own"
    )
