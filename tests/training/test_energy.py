"""The energy of a run: counters that wrap around, power summed over time, and estimates that say so."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

import hubel
from hubel.errors import UsageError
from hubel.training.energy import GRID_INTENSITY, Counters, Energy, Meter, core_watts


def zone(folder: Path, name: str, title: str, microjoules: int, limit: int = 1_000_000) -> Path:
    """One zone of a powercap tree, as Linux lays it out."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "name").write_text(title + "\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{limit}\n")
    return path


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    zone(tmp_path, "intel-rapl:0", "package-0", 900_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 500_000)
    zone(tmp_path, "intel-rapl:0:1", "dram", 100_000)
    zone(tmp_path, "intel-rapl:1", "package-1", 200_000)
    zone(tmp_path, "intel-rapl:2", "psys", 5)
    return tmp_path


def test_packages_and_memory_are_counted_once_and_counters_may_wrap(powercap: Path) -> None:
    counters = Counters(powercap)
    for name, value in {"0": 100_000, "0:0": 900_000, "0:1": 150_000, "1": 200_000, "2": 900_000}.items():
        (powercap / f"intel-rapl:{name}" / "energy_uj").write_text(str(value))
    counters.read()
    assert counters.joules == pytest.approx(0.2 + 0.05)  # 900,000 -> 1,000,000 -> 100,000, and the memory's
    (powercap / "intel-rapl:1" / "energy_uj").write_text("700000")
    counters.read()
    assert counters.joules == pytest.approx(0.25 + 0.5)


def test_no_counter_or_none_that_may_be_read_is_no_meter(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no energy counter"):
        Counters(tmp_path / "nothing")
    broken = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    (broken / "energy_uj").unlink()
    (broken / "energy_uj").mkdir()  # reading it fails, as without permission
    with pytest.raises(OSError, match=r"energy_uj"):
        Counters(tmp_path)
    assert Meter(processor="Xeon", powercap=tmp_path).energy().measured == ()


def test_a_meter_that_is_there_is_read(powercap: Path) -> None:
    with Meter(processor="any", powercap=powercap) as meter:
        (powercap / "intel-rapl:1" / "energy_uj").write_text("800000")
    used = meter.energy()
    assert used.processor == pytest.approx(0.6)
    assert used.measured == ("processor",)
    assert used.sentence.endswith("measured.")


def test_power_of_gpus_is_summed_over_time(tmp_path: Path) -> None:
    with Meter(processor="any", powercap=tmp_path, watch_gpus=True, power=lambda: 300.0) as meter:
        started = meter.started
        time.sleep(0.05)
        used = meter.energy()
        seconds = time.perf_counter() - started
    assert 0.05 * 300 <= used.gpus <= seconds * 300
    assert used.measured == ("gpus",)
    assert not any(thread.name == "hubel-energy" for thread in threading.enumerate())
    blind = Meter(processor="any", powercap=tmp_path, watch_gpus=True, power=lambda: 0.0).energy()
    assert "GPU: not counted, nothing here reports its power" in blind.notes


def test_without_a_meter_busy_cores_count_and_idle_ones_do_not(tmp_path: Path) -> None:
    meter = Meter(processor="AMD EPYC 7B13", powercap=tmp_path)
    time.sleep(0.05)
    idle = meter.energy().processor
    busy_until = time.process_time() + 0.3
    while time.process_time() < busy_until:
        pass
    busy = meter.energy().processor
    assert busy - idle >= 0.25 * core_watts("EPYC")[0]
    assert idle < 0.25 * core_watts("EPYC")[0]
    assert any("4.4 W a core" in note for note in meter.energy().notes)


def test_earlier_sittings_and_other_processes_count() -> None:
    spent = Energy(processor=3.6e6, gpus=0.0, seconds=100.0, intensity=100.0, measured=(), notes=()).to_dict()
    used = Meter(processor="x", spent=spent, intensity=100.0, processes=3).energy()
    assert used.kilowatt_hours >= 1.0
    assert used.seconds >= 100.0
    assert used.co2_grams == pytest.approx(used.kilowatt_hours * 100)
    assert any("3 processes" in note for note in used.notes)


def test_a_run_tells_its_energy_in_summary_and_report(digits_run: Path) -> None:
    energy = json.loads((digits_run / "summary.json").read_text())["energy"]
    assert energy["kilowatt_hours"] > 0
    assert energy["grid_intensity"] == GRID_INTENSITY
    assert energy["co2_grams"] == pytest.approx(energy["kilowatt_hours"] * GRID_INTENSITY)
    page = (digits_run / "report.html").read_text()
    assert energy["sentence"] in page
    assert "are left out" in page


def test_the_grid_is_a_setting(tmp_path: Path) -> None:
    run = hubel.train(
        "digits", out=str(tmp_path), epochs=1, limit=200, threads=1, device="cpu", grid_intensity=56.0,
        model_options={"width": 0.1},
    )  # fmt: skip
    assert run.summary["energy"]["grid_intensity"] == 56.0
    with pytest.raises(UsageError, match="grid_intensity"):
        hubel.train("digits", grid_intensity=-1)
