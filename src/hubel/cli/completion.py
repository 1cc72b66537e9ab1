"""`hubel completion SHELL`: a script that lets the shell complete commands, options, runs and nets. Loads no torch."""

from __future__ import annotations

import importlib
import os
from enum import Enum
from typing import Annotated, Any, get_args

import typer

from hubel.cli.output import print_data
from hubel.cli.search import WAYS
from hubel.errors import unknown

SCRIPTS = {
    "bash": """\
# hubel for bash. Put this line into ~/.bashrc:   eval "$(hubel completion bash)"
_hubel() {
    local IFS=$'\\n'
    COMPREPLY=($(hubel __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _hubel hubel
""",
    "zsh": """\
# hubel for zsh. Put this line into ~/.zshrc, after compinit:   eval "$(hubel completion zsh)"
_hubel() {
    local -a found
    found=("${(@f)$(hubel __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[*]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _hubel hubel
""",
    "fish": """\
# hubel for fish. Once:   hubel completion fish > ~/.config/fish/completions/hubel.fish
complete -c hubel -a '(hubel __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
""",
    "powershell": """\
# hubel for PowerShell. Put this line into $PROFILE:   hubel completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName hubel -ScriptBlock {
    param($word, $line, $place)
    $words = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($word -eq '') { $words += '""' }
    hubel __complete @words | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
}
""",
}


def command(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell")],
) -> None:
    """Print the script that completes commands, options, and the names of runs and nets in your shell.

    The script says in its first line where it belongs.

    hubel completion bash
    """
    if shell not in SCRIPTS:
        raise unknown("shell", shell, SCRIPTS)
    print_data(SCRIPTS[shell])


def candidates(words: list[str]) -> list[str]:
    """What the last word can become, given the words before it; none where files are meant.

    >>> candidates(["tra"]), candidates(["train", "digits", "--lear"]), candidates(["predict", "run", "--wh"])
    (['trace', 'train'], ['--learning-rate'], ['--which'])
    >>> candidates(["train", "--model", "lenet1"])
    ['lenet1989']
    """
    from hubel.cli import COMMANDS
    from hubel.cli.command import as_command

    *before, word = _joined(words) or [""]
    word = "" if word == '""' else word  # how some shells hand over nothing
    modules = {name: (module, text) for _, group in COMMANDS for name, module, text in group}
    if not before:
        return sorted(name for name in modules if name.startswith(word))
    if before[0] not in modules:
        return []
    module, text = modules[before[0]]
    command = as_command(before[0], importlib.import_module(f"hubel.cli.{module}").command, text)
    options: dict[str, Any] = {
        flag: each for each in command.params if each.param_type_name == "option" for flag in each.opts
    }
    last = options.get(before[-1])
    if last is not None and not last.is_flag:
        return _fitting(word, _values(last))
    if word.startswith("-"):
        return _flags(word, command)
    places = [each for each in command.params if each.param_type_name == "argument"]
    given = _given(before[1:], options)
    return _fitting(word, _values(places[min(given, len(places) - 1)])) if places else []


def _joined(words: list[str]) -> list[str]:
    """`--model`, `=`, `res` as bash hands it over, and `--model=res`, as two words each."""
    found: list[str] = []
    for place, word in enumerate(words):
        if word == "=" and found and found[-1].startswith("--"):
            if place == len(words) - 1:
                found.append("")
        elif word.startswith("--") and "=" in word:
            found += word.split("=", 1)
        else:
            found.append(word)
    return found


def _given(words: list[str], options: dict[str, Any]) -> int:
    """How many places are taken already."""
    taken, skip = 0, False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and word != "-":
            option = options.get(word)
            skip = option is not None and not option.is_flag
        else:
            taken += 1
    return taken


def _flags(word: str, command: Any) -> list[str]:
    """Options by their first names; by the other spellings only where none of those fits."""
    options = [each for each in command.params if each.param_type_name == "option"]
    first = [flag for each in options for flag in (each.opts[0], *each.secondary_opts)]
    found = [flag for flag in (*first, "--help", "--help-all") if flag.startswith(word)]
    return sorted(found or {flag for each in options for flag in each.opts if flag.startswith(word)})


def _fitting(word: str, values: list[str]) -> list[str]:
    return sorted(dict.fromkeys(value for value in values if value.startswith(word)))


def _values(parameter: Any) -> list[str]:
    """All words that a parameter is known to take, by the shape of its value."""
    from hubel.models import list_models
    from hubel.recipes.form import fields

    kinds = {parameter.type_descriptor.annotation, *get_args(parameter.type_descriptor.annotation)}
    words = [str(each.value) for kind in kinds if isinstance(kind, type(Enum)) for each in kind]
    shape = str(parameter.metavar or "")
    if shape == "ls|show|rm":
        words += ["ls", "show", "rm"]
    if shape in ("RUN", "NET", "RUN|MODEL", "ls|show|rm"):
        words += _runs()
    if shape in ("NET", "MODEL", "RUN|MODEL") or parameter.name == "pattern":
        words += list_models()
    words += {
        "DEVICE": ["auto", "cpu", "cuda", "mps"],
        "SPLIT": ["train", "val", "test"],
        "VIEWS": ["none", "mirror", "shift", "mirror-shift"],
        "SHELL": list(SCRIPTS),
        "WAY": list(WAYS),
    }.get(shape, [])
    words += [word for field in fields() if field.flag in parameter.opts[:1] for word in field.choices]
    return words


def _runs() -> list[str]:
    try:
        return [entry.name for entry in os.scandir("runs") if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []
