# SPDX-License-Identifier: BSD-3-Clause
"""What each subcommand of `immunodose` does; imports are local, so that `--help` is fast."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from immunodose._version import __version__
from immunodose.errors import FileError, InputError
from immunodose.units import SECONDS_PER_DAY

DEMO_SCENARIO = "ac225_ta99_b16"


def demo_command(options: Namespace) -> None:
    """Run the built-in study, print its table, write demo.nc and demo.png."""
    from immunodose.findings import findings
    from immunodose.io import save
    from immunodose.plot import overview, png_bytes
    from immunodose.scenario import builtin_scenario, run
    from immunodose.tables import RESEARCH_NOTE, arm_table, assumed_table, findings_table

    folder = _writable_folder(Path(options.output))
    result = run(builtin_scenario(DEMO_SCENARIO), n_threads=options.threads, progress=_progress())
    found = findings(result)
    picture = png_bytes(overview(result))
    print(f"{result.attrs['title']}\n")
    print(arm_table(result), end="\n\n")
    print(findings_table(found), end="\n\n")
    print("Assumed values (no public measurement; see immunodose check):")
    print(assumed_table(result), end="\n\n")
    print(RESEARCH_NOTE)
    folder.mkdir(parents=True, exist_ok=True)
    # The picture is on disk, unnamed, before the Dataset is saved: both appear or neither.
    write_whole(
        folder / "demo.png", picture, before_rename=lambda: save(result, folder / "demo.nc")
    )
    print(f"Wrote {folder / 'demo.nc'} and {folder / 'demo.png'}.")


def run_command(options: Namespace) -> None:
    """Run a scenario file and write the result."""
    from immunodose.io import save
    from immunodose.scenario import Scenario, run
    from immunodose.tables import RESEARCH_NOTE, arm_table

    output = Path(options.output)
    if output.suffix != ".nc":
        raise InputError(f"invalid output {str(output)!r} (its name must end in .nc).")
    _writable_folder(output.parent, must_exist=True)
    scenario = Scenario.from_toml(options.scenario)
    result = run(scenario, n_threads=options.threads, progress=_progress())
    save(result, output)
    print(arm_table(result), end="\n\n")
    print(f"{RESEARCH_NOTE}\nWrote {output}.")


def compare_command(options: Namespace) -> None:
    """Run a scenario under each hypothesis, print what tells them apart, write the result."""
    from immunodose.compare import compare_mechanisms
    from immunodose.io import save
    from immunodose.scenario import Scenario
    from immunodose.tables import RESEARCH_NOTE, comparison_table

    output = Path(options.output)
    if output.suffix != ".nc":
        raise InputError(f"invalid output {str(output)!r} (its name must end in .nc).")
    _writable_folder(output.parent, must_exist=True)
    scenario = Scenario.from_toml(options.scenario)
    result = compare_mechanisms(scenario, n_threads=options.threads, progress=_progress())
    save(result, output)
    print(comparison_table(result), end="\n\n")
    print(f"{RESEARCH_NOTE}\nWrote {output}.")


def check_command(options: Namespace) -> None:
    """Resolve a scenario and print its design and every biological value."""
    from immunodose.data.parameters import resolve
    from immunodose.scenario import Scenario, parameter_set_names
    from immunodose.tables import text_table

    scenario = Scenario.from_toml(options.scenario)
    print(scenario.to_toml())
    for name in parameter_set_names(scenario):
        found = resolve(name)
        print(f"# {found.name} ({found.kind}): {found.title}")
        rows = [["parameter", "value", "unit", "status", "source"]]
        for key, item in found.entries.items():
            rows.append([key, f"{item.value:g}", item.unit, item.status, item.source])
        print(text_table(rows, left=5), end="\n\n")
    print(f"{scenario.n_arms} arms; the scenario is valid.")


def estimate_command(options: Namespace) -> None:
    """Print what a run, or the dose of labeled cells in a file, will need."""
    from immunodose.commands_arguments import dose_arguments
    from immunodose.io import SUFFIXES, load
    from immunodose.scenario import Scenario, estimate
    from immunodose.tables import text_table

    cells = Path(options.scenario).suffix in SUFFIXES
    subject = load(options.scenario) if cells else Scenario.from_toml(options.scenario)
    needs = estimate(subject, **dose_arguments(options.options))
    print(text_table([["quantity", "value"], *([key, f"{v:,.3g}"] for key, v in needs.items())]))


def init_command(options: Namespace) -> None:
    """Print the built-in scenario, comments included, as a template."""
    from immunodose.scenario import builtin_scenario_text

    print(builtin_scenario_text(DEMO_SCENARIO), end="")


def scenarios_command(options: Namespace) -> None:
    """List the built-in scenarios."""
    from immunodose.scenario import builtin_scenario, builtin_scenario_names

    for name in builtin_scenario_names():
        print(f"{name}  {builtin_scenario(name).title}")


def show_command(options: Namespace) -> None:
    """Print the tables of a result file."""
    from immunodose.io import load
    from immunodose.tables import RESEARCH_NOTE, arm_table, assumed_table

    result = load(options.result)
    print(f"{result.attrs.get('title', options.result)}\n")
    print(arm_table(result), end="\n\n")
    print(f"Assumed values:\n{assumed_table(result)}\n\n{RESEARCH_NOTE}")


def nuclide_command(options: Namespace) -> None:
    """Print half-life, mean energies, and on demand the chain and the lines."""
    from immunodose.data.nuclides import emissions
    from immunodose.tables import text_table

    lines = emissions(options.name)
    half_life_d = float(lines.attrs["half_life_s"]) / SECONDS_PER_DAY
    print(f"{lines.attrs['nuclide']}: half-life {half_life_d:.5g} d; whole chain, per decay:")
    energy = (lines["energy"] * lines["yield_per_decay"]).values
    kinds = lines["emission"].values
    rows = [["emission", "yield", "energy (keV)"]]
    for kind in dict.fromkeys(kinds.tolist()):
        chosen = kinds == kind
        total = float(lines["yield_per_decay"].values[chosen].sum())
        rows.append([kind, f"{total:.4g}", f"{float(energy[chosen].sum()):.5g}"])
    print(text_table(rows))
    if options.chain:
        members = dict.fromkeys(lines["line_nuclide"].values.tolist())
        print("\nEmitting members of the chain:", ", ".join(members))
    if options.emissions:
        columns = ("line_nuclide", "emission", "energy", "yield_per_decay")
        table = [
            [str(lines[name].values[i]) for name in columns[:2]]
            + [f"{float(lines[name].values[i]):.5g}" for name in columns[2:]]
            for i in range(lines.sizes["line"])
        ]
        print()
        print(text_table([["nuclide", "emission", "keV", "yield"], *table], left=2))
    print(f"\nSource: {lines.attrs['data_source']}")


def cite_command(options: Namespace) -> None:
    """Print what to cite for the software and for a result file."""
    print(f"immunodose {__version__}. Cellular dosimetry and immune kill for radiopharmaceutical")
    print("therapy (software; see CITATION.cff).")
    if options.result is None:
        return
    from immunodose.io import load
    from immunodose.scenario import Scenario

    attrs = load(options.result).attrs
    if "scenario" not in attrs:
        raise InputError(f"{options.result!r} was not written by `immunodose run` or `demo`.")
    for reference in Scenario.from_string(str(attrs["scenario"])).references:
        print(reference)
    if "data_source" in attrs:
        print(attrs["data_source"])


def env_command(options: Namespace) -> None:
    """Print versions and CPUs."""
    from importlib.metadata import PackageNotFoundError, version

    from immunodose.threads import available_cpus

    print(f"immunodose {__version__}")
    print(f"python {platform.python_version()} ({platform.system()} {platform.machine()})")
    for name in ("numpy", "xarray", "scipy", "h5netcdf", "h5py", "matplotlib", "radioactivedecay"):
        try:
            print(f"{name} {version(name)}")
        except PackageNotFoundError:
            print(f"{name} not installed")
    print(f"CPUs this process may use: {available_cpus()}")


def kernels_command(options: Namespace) -> None:
    """Make the kernels of electrons or photons, or print what a kernel file holds."""
    if options.action == "build":
        _build_kernels(options)
    elif options.photons:
        _show_photon_kernels(options)
    else:
        _show_electron_kernels(options)


def _show_electron_kernels(options: Namespace) -> None:
    from immunodose.kernels import load_kernels, shipped_kernels
    from immunodose.tables import text_table

    kernels = shipped_kernels() if options.file is None else load_kernels(options.file)
    rows = [["energy (keV)", "CSDA range (um)", "mean radius / range", "radiated"]]
    for energy, reach, mean, radiated in zip(
        kernels.energy_keV,
        kernels.csda_range_um,
        kernels.mean_scaled_radius(),
        kernels.radiated_fraction,
        strict=True,
    ):
        rows.append([f"{energy:.4g}", f"{reach:.4g}", f"{mean:.4f}", f"{radiated:.2e}"])
    print(text_table(rows), end="\n\n")
    _print_attrs(kernels.scaled_distance.size, kernels.attrs)


def _show_photon_kernels(options: Namespace) -> None:
    from immunodose.photon_kernels import load_photon_kernels, shipped_photon_kernels
    from immunodose.tables import text_table

    kernels = (
        shipped_photon_kernels() if options.file is None else load_photon_kernels(options.file)
    )
    rows = [["electron (keV)", "CSDA range (um)"]]
    rows[0] += [f"{process}: photon (keV), displaced / range" for process in kernels.process]
    photons = [kernels.photon_energy_keV(process) for process in kernels.process]
    displaced = kernels.mean_displacement()
    for row, (energy, reach) in enumerate(
        zip(kernels.energy_keV, kernels.csda_range_um, strict=True)
    ):
        cells = [f"{photons[i][row]:.4g}, {displaced[i, row]:.4f}" for i in range(len(photons))]
        rows.append([f"{energy:.4g}", f"{reach:.4g}", *cells])
    print(text_table(rows), end="\n\n")
    _print_attrs(kernels.scaled_distance.size, kernels.attrs)


def _print_attrs(n_distances: int, attrs: Mapping[str, object]) -> None:
    print(f"Scaled distances: {n_distances}")
    for key, value in attrs.items():
        print(f"{key}: {value}")


def _build_kernels(options: Namespace) -> None:
    from immunodose import kernels, photon_kernels

    module = photon_kernels if options.photons else kernels
    build = photon_kernels.build_photon_kernels if options.photons else kernels.build_kernels
    output = Path(module.FILE_NAME if options.output is None else options.output)
    if output.suffix != ".npz":
        raise InputError(f"invalid output {str(output)!r} (its name must end in .npz).")
    _writable_folder(output.parent, must_exist=True)
    build(
        output,
        effort=options.effort,
        n_energies=module.N_ENERGIES if options.energies is None else options.energies,
        rng=module.RANDOM_ROOT if options.seed is None else options.seed,
        n_threads=options.threads,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(f"Wrote {output}.")


def write_whole(
    path: Path, content: bytes, *, before_rename: Callable[[], object] | None = None
) -> None:
    """Write a file whole or not at all: a temporary file beside it, then a rename.

    An error of `before_rename` leaves no file.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            if before_rename is not None:
                before_rename()
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(f"could not write {str(path)!r}: {error.strerror}.") from None


def _writable_folder(folder: Path, *, must_exist: bool = False) -> Path:
    """Return the folder, or say before the run that nothing could be written there."""
    existing = folder
    while not must_exist and not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise InputError(f"invalid output folder {str(existing)!r} (it is not a folder).")
    if not os.access(existing, os.W_OK):
        raise InputError(f"invalid output folder {str(existing)!r} (no permission to write).")
    return folder


def _progress() -> Callable[[int, int, str], None] | None:
    """Return a progress callback for a terminal, None elsewhere."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int, what: str) -> None:
        end = "\n" if done == total else ""
        print(f"\r\033[K[{done}/{total}] {what}", end=end, file=sys.stderr, flush=True)

    return show
