"""All checks that a patient allows, in their order, within the time: what comes of them, the cause first."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Sequence

import torch
from torch import nn

from hubel.diagnosis.checks import CHECKS, NEEDS, STAGES, Stage
from hubel.diagnosis.finding import RANK, CheckUp, Finding
from hubel.diagnosis.listing import in_order
from hubel.diagnosis.patient import Patient
from hubel.diagnosis.record import Record
from hubel.diagnosis.untouched import untouched
from hubel.watching import SILENT, Watcher

BEFORE: tuple[Stage, ...] = ("static", "data", "start", "steps", "overfit")
WORDS = {
    "static": "looking at net and optimiser", "data": "looking at the samples", "start": "asking the net",
    "steps": "making steps on a copy", "overfit": "learning eight samples by heart",
}  # fmt: skip


def examine(patient: Patient, *, stages: Collection[Stage] = BEFORE, watch: Watcher = SILENT) -> CheckUp:
    """Make the checks of some stages; everything that is looked at comes out as it went in, to the bit."""
    found: list[Finding] = []
    asked: list[str] = []
    left_out: dict[str, str] = {}
    modules = [part for part in (patient.model, patient.loss, patient.average) if isinstance(part, nn.Module)]
    others = (patient.batches, patient.val, patient.test, patient.resumed)
    sources = tuple(part for part in others if part is not None)
    patient.began = time.perf_counter()
    with untouched(*modules, optimiser=patient.optimiser, others=sources), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stage = ""
        for each, ids, function in in_order():
            if each not in stages:
                continue
            if each != stage:
                stage = each
                watch.stage(WORDS[each])
            idle = {name for name in ids if not patient.offers(CHECKS.get(name).needs)}
            left_out |= {name: NEEDS[CHECKS.get(name).needs] for name in ids if name in idle}
            ids = tuple(name for name in ids if name not in idle)
            if not ids:
                continue
            if patient.left < 0 and each in ("steps", "overfit"):
                left_out |= dict.fromkeys(ids, f"the {patient.seconds:g} seconds were over")
                continue
            try:
                said = list(function(patient))
            except Exception as failure:  # one check that cannot cope costs no other
                if isinstance(failure, (torch.OutOfMemoryError, MemoryError)):
                    left_out |= dict.fromkeys(ids, "memory ran out")
                    continue
                if _is_ours(failure):
                    raise
                left_out |= dict.fromkeys(ids, f"{type(failure).__name__}: {str(failure)[:120]}")
                continue
            asked += ids
            found += [one for one in said if one.id not in idle]
    return CheckUp(
        subject=patient.name, findings=ranked(found), asked=tuple(asked), left_out=left_out,
        seconds=time.perf_counter() - patient.began,
    )  # fmt: skip


def examine_record(record: Record, stages: Collection[Stage] = ("during", "after")) -> CheckUp:
    """The checks of what a run recorded."""
    began = time.perf_counter()
    found: list[Finding] = []
    asked: list[str] = []
    for each, ids, function in in_order():
        if each in stages:
            asked += ids
            found += list(function(record))
    return CheckUp(
        subject=record.name, findings=ranked(found), asked=tuple(asked), left_out={},
        seconds=time.perf_counter() - began,
    )  # fmt: skip


def _is_ours(failure: Exception) -> bool:
    return type(failure).__module__.startswith("hubel")


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first, then in the order of the stages; what is only a symptom is left out where a cause was found."""
    known = {one.id for one in findings}
    found = [one for one in findings if not known.intersection(CHECKS.get(one.id).yields_to)]
    causes = [one for one in found if not CHECKS.get(one.id).symptom and one.severity != "note"]
    kept = [one for one in found if not CHECKS.get(one.id).symptom or not causes]
    places = {check: place for place, check in enumerate(check for _, ids, _ in in_order() for check in ids)}

    def key(one: Finding) -> tuple[int, int, int]:
        return RANK.index(one.severity), STAGES.index(CHECKS.get(one.id).stage), places[one.id]

    unique = {one.id: one for one in sorted(kept, key=key, reverse=True)}
    return tuple(sorted(unique.values(), key=key))
