# SPDX-License-Identifier: BSD-3-Clause
"""The command line: output, exit codes, and that a failed run writes nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import immunodose as imd
from immunodose import commands, findings, plot, scenario
from immunodose.cli import main
from immunodose.errors import ConvergenceError, FileError, ResourceError
from immunodose.scenario import Scenario, builtin_scenario


def small_study(n_tumor_cells: int = 300) -> Scenario:
    return replace(builtin_scenario("ac225_ta99_b16"), n_tumor_cells=n_tumor_cells)


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    study = small_study()
    monkeypatch.setattr(scenario, "builtin_scenario", lambda name: study)


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    one = replace(small_study(300), cell_lines=("b16k1",), hosts=("athymic",))
    path.write_text(one.to_toml(), encoding="utf-8")
    return path


@pytest.mark.usefixtures("small_demo")
def test_demo_prints_the_table_and_writes_two_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "-o", str(tmp_path / "new")]) == 0
    text = capsys.readouterr().out
    for word in ("b16k1", "b16f10", "athymic", "unhit", "WBC nadir", "surviving"):
        assert word in text
    for key in "abcde":
        assert f"({key})" in text
    assert "Research use; not for treatment decisions." in text
    assert "high_let_alpha" in text
    assert imd.load(tmp_path / "new" / "demo.nc").sizes["arm"] == 12
    assert (tmp_path / "new" / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(item.name for item in (tmp_path / "new").iterdir()) == ["demo.nc", "demo.png"]


def test_run_show_cite(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.nc"
    assert main(["run", str(study_file), "-o", str(output), "--threads", "1"]) == 0
    table = capsys.readouterr().out
    assert "9.25" in table
    assert main(["show", str(output)]) == 0
    assert table.splitlines()[2] in capsys.readouterr().out
    assert main(["cite", str(output)]) == 0
    assert "J Nucl Med 2025;66:785-792" in capsys.readouterr().out


def test_check_prints_every_value_with_its_status(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(study_file)]) == 0
    text = capsys.readouterr().out
    for word in ("high_let_alpha", "Gy-1", "assumed", "Kosinsky", "3 arms; the scenario is valid"):
        assert word in text


def test_init_is_a_valid_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    text = capsys.readouterr().out
    assert "#" in text
    assert Scenario.from_string(text) == builtin_scenario("ac225_ta99_b16")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scenarios"], ["ac225_ta99_b16"]),
        (["env"], ["numpy", "CPUs this process may use"]),
        (["cite"], ["immunodose"]),
        (["nuclide", "225Ac", "--chain"], ["Ac-225: half-life", "Fr-221", "Po-213"]),
        (["nuclide", "Lu-177", "--emissions"], ["6.64", "beta"]),
    ],
)
def test_information(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for word in words:
        assert word in text


def test_estimate(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", str(study_file)]) == 0
    assert "memory (MB)" in capsys.readouterr().out


def test_estimate_of_a_file_of_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = imd.cells.lattice(
        shape=(3, 3, 3), spacing_um=12.0, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    labeled = imd.label(cells, "Lu-177", decays_per_cell=1.0, effective_half_life_h=50.0)
    assert main(["estimate", str(tmp_path / "absent.zarr")]) == 2
    message = capsys.readouterr().err
    assert "does not exist" in message or "needs the package zarr" in message  # and is no scenario
    suffixes = (".nc", ".zarr") if importlib.util.find_spec("zarr") else (".nc",)
    for file in (tmp_path / f"cells{suffix}" for suffix in suffixes):
        imd.save(labeled, file)
        assert main(["estimate", str(file)]) == 0
        printed = capsys.readouterr().out
        assert "memory: working (MB)" in printed
        assert "27" in printed


def test_options_of_an_estimate(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = imd.cells.lattice(
        shape=(10, 10, 10), spacing_um=12.0, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    file = tmp_path / "cells.nc"
    labeled = imd.label(cells, "Lu-177", decays_per_cell=1.0, effective_half_life_h=50.0)
    imd.save(labeled, file)

    def output_MB(*words: str) -> str:
        assert main(["estimate", str(file), *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        return next(line.split()[-1] for line in lines if line.startswith("memory: output (MB)"))

    dose = {"split": ("target", "origin"), "dtype": "float32", "rtol": 1e-4}
    needs = imd.estimate(labeled, **dose)
    words = ("split=target,origin", "dtype=float32", "rtol=1e-4")
    assert output_MB(*words) == f"{needs['memory: output (MB)']:,.3g}"
    needs = imd.estimate(labeled, time_h=[1.0, 24.0], targets=("nucleus",), merge=False)
    words = ("time_h=1,24", "targets=nucleus", "merge=false")
    assert output_MB(*words) == f"{needs['memory: output (MB)']:,.3g}"
    for word, message in (
        ("dtypes=float32", "no argument 'dtypes'"),
        ("float32", "invalid option 'float32'"),
        ("rtol=tiny", "rtol"),
        ("time_h=1,noon", "invalid time_h='noon'"),
        ("periodic_box_um=42,all", "invalid periodic_box_um='all'"),
    ):
        assert main(["estimate", str(file), word]) == 2
        assert message in capsys.readouterr().err
    assert main(["estimate", str(file), "rtol=1e-3", "rtol=1e-4"]) == 2
    assert "given twice" in capsys.readouterr().err
    assert main(["estimate", str(study_file), "split="]) == 2
    assert "no effect on a scenario" in capsys.readouterr().err


def test_input_errors_exit_2(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_file.write_text(study_file.read_text().replace("n_tumor_cells", "n_tumour_cells"))
    assert main(["run", str(study_file), "-o", str(tmp_path / "out.nc")]) == 2
    assert "Did you mean 'n_tumor_cells'" in capsys.readouterr().err
    assert main(["run", str(tmp_path / "no.toml"), "-o", str(tmp_path / "out.nc")]) == 2
    assert main(["run", str(study_file), "-o", str(tmp_path / "out.csv")]) == 2
    assert main(["run", str(study_file), "-o", str(tmp_path / "no" / "out.nc")]) == 2
    assert main(["show", str(study_file)]) == 2
    assert main(["nuclide", "Ac-999"]) == 2
    assert main(["demo", "-o", str(study_file)]) == 2
    assert [item.name for item in tmp_path.iterdir()] == ["study.toml"]


def test_kernels_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernels", "show"]) == 0
    text = capsys.readouterr().out
    for word in ("CSDA range (um)", "3000", "immunodose electron kernels 1", "random_root"):
        assert word in text


def test_photon_kernels_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernels", "show", "--photons"]) == 0
    text = capsys.readouterr().out
    for word in ("compton: photon (keV)", "3000", "immunodose photon kernels 1", "random_root"):
        assert word in text


@pytest.mark.parametrize("photons", [[], ["--photons"]])
def test_kernels_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], photons: list[str]
) -> None:
    """Two energies with the fewest histories: the format, not the numbers."""
    output = tmp_path / "k.npz"
    few = ["--effort", "1e-6", "--energies", "2", "--seed", "3", "--threads", "1", *photons]
    assert main(["kernels", "build", "-o", str(output), *few]) == 0
    done = capsys.readouterr()
    assert "Wrote" in done.out
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["1/2", "2/2"]
    assert main(["kernels", "show", str(output), *photons]) == 0
    assert "random_root: 3" in capsys.readouterr().out
    assert [item.name for item in tmp_path.iterdir()] == ["k.npz"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["build", "-o", "{}/k.csv"], "must end in .npz"),
        (["build", "-o", "{}/no/k.npz"], "invalid output folder"),
        (["build", "-o", "{}/k.npz", "--effort", "nan"], "effort=nan"),
        (["build", "-o", "{}/k.npz", "--energies", "1"], "n_energies=1"),
        (["build", "-o", "{}/k.npz", "--seed", "-1"], "rng=-1"),
        (["show", "{}/absent.npz"], "absent.npz"),
    ],
)
def test_kernels_input_errors_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    assert main(["kernels", *(item.format(tmp_path) for item in arguments)]) == 2
    assert word in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_unknown_command_exits_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dmeo"])
    assert caught.value.code == 2


@pytest.mark.usefixtures("small_demo")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (imd.errors.InputError("x"), 2),
        (ConvergenceError("x"), 3),
        (ResourceError("x"), 4),
        (MemoryError(), 4),
        (KeyboardInterrupt(), 5),
    ],
)
@pytest.mark.parametrize(
    ("module", "name"), [(scenario, "run"), (findings, "findings"), (plot, "overview")]
)
def test_a_failed_demo_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    module: object,
    name: str,
    error: BaseException,
    code: int,
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    for other in ("run", "findings", "overview"):
        target = {"run": scenario, "findings": findings, "overview": plot}[other]
        monkeypatch.setattr(target, other, lambda *a, **k: None)
    monkeypatch.setattr(module, name, fail)
    monkeypatch.setattr(plot, "png_bytes", lambda figure: b"")
    assert main(["demo", "-o", str(tmp_path / "out")]) == code
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(commands.os, "fsync", full)
    with pytest.raises(FileError, match="No space left"):
        commands.write_whole(tmp_path / "a.png", b"content")
    assert list(tmp_path.iterdir()) == []


def test_help_is_fast_to_load() -> None:
    code = (
        "import sys\nfrom immunodose.cli import build_parser\nbuild_parser().format_help()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "xarray", "matplotlib"} & set(done.stdout.split())


def test_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "immunodose.cli", "nuclide", "Ac999"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("immunodose: error: ")
    assert "Traceback" not in done.stderr
