# SPDX-License-Identifier: BSD-3-Clause
"""The agent engine on signals and killing: inputs, hosts, outputs, snapshots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose.errors import InputError, ResourceError

MECHANISM = imd.Mechanism(triggers="damage", weighting="per_gy", spread="none", trex1_window=False)
SETS = {"tumor": "b16k1", "killing": "ctl_nk", "agents": "t_and_nk_agents"}
TIME_D = np.array([0.0, 1.0, 2.0])
HOST = imd.simulate_host(host="immunocompetent", time_d=[0.0, 30.0])
ATHYMIC = imd.simulate_host(host="athymic", time_d=[0.0, 30.0])


def cells(side: int = 7, survival: float = 0.7, **columns: Any) -> xr.Dataset:
    found = imd.cells.lattice(
        shape=(side, side, side), spacing_um=12.0, cell_radius_um=6.0, nucleus_radius_um=4.0
    )
    n = found.sizes["cell"]
    found = found.assign(
        absorbed_dose=(("cell", "emission"), np.full((n, 1), 2.0)),
        emission=["alpha"],
        survival_probability=("cell", np.full(n, survival)),
        mhc1_baseline=("cell", np.full(n, 5e4)),
    )
    return found.assign({name: ("cell", np.asarray(values)) for name, values in columns.items()})


def run(ds: xr.Dataset | None = None, **changes: Any) -> xr.Dataset:
    space = {"entry": "rim", "growth": False, "step_h": 2.0}
    for name in (*space, "snapshot_time_d", "snapshot_folder", "snapshot_suffix"):
        if name in changes:
            space[name] = changes.pop(name)
    options: dict[str, Any] = {
        "host": HOST, "time_d": TIME_D, "parameters": SETS, "mechanism": MECHANISM,
        "engine": "agents", "law": "mass_action", "ifn_gamma": False, "exhaustion": False,
        "pd1": False, "nk": None, "rng": 1, "effector_to_target_ratio": 0.05,
        "space": imd.AgentSpace(**space), **changes,  # type: ignore[arg-type]
    }  # fmt: skip
    if options["effector_to_target_ratio"] is None:
        del options["effector_to_target_ratio"]
    return imd.immune_response(cells() if ds is None else ds, **options)


def fates(out: xr.Dataset) -> list[np.ndarray]:
    return [out[name].values for name in ("death_cause", "death_time", "birth_time", "parent_cell")]


def test_all_switches_on_balance_and_repeat_for_any_threads() -> None:
    options: dict[str, Any] = {
        "law": "multi_hit", "growth": True, "ifn_gamma": True, "exhaustion": True, "pd1": True,
        "nk": "missing_self", "tumor_division_rate": 1.0, "time_d": np.arange(5.0),
        "mechanism": imd.Mechanism(
            triggers=("damage", "sting"), weighting="per_gy", spread="field", trex1_window=True
        ),
    }  # fmt: skip
    out = run(**options)
    born = out.birth_count.values
    assert born[-1] > 0
    total = out.tumor_cell_count.sel(state="alive") + out.death_count.sum("cause")
    np.testing.assert_array_equal(total, 343 + born)
    assert out.sizes["cell"] == 343 + born[-1]
    assert float(out.ifn_gamma_mean[1]) > 0.0
    assert out.phenotype.values.tolist() == [
        "cd8_t_cell", "exhausted_cd8_t_cell", "nk_cell", "primed_nk_cell",
    ]  # fmt: skip
    dead = out.death_cause.values > 0
    np.testing.assert_array_equal(np.isfinite(out.death_time), dead)
    assert out.death_cause.attrs["flag_meanings"] == "alive radiation ctl nk"
    daughters = out.parent_cell.values >= 0
    assert daughters.sum() == born[-1]
    imd.schema.validate(out)
    for values, same in zip(fates(run(**options, n_threads=2)), fates(out), strict=True):
        np.testing.assert_array_equal(values, same)


def test_no_t_cells_is_radiation_only() -> None:
    none = run(effector_to_target_ratio=0.0)
    athymic = run(host=ATHYMIC, effector_to_target_ratio=None)
    for out in (none, athymic):
        assert out.cause.values.tolist() == ["radiation"]
        assert "immune_cell_count" not in out
    for values, same in zip(fates(none), fates(athymic), strict=True):
        np.testing.assert_array_equal(values, same)


def test_an_athymic_host_has_nk_cells_and_reads_no_cd8_parameter() -> None:
    options: dict[str, Any] = {
        "host": ATHYMIC, "nk": "ligand", "effector_to_target_ratio": None,
        "nk_to_target_ratio": 0.1, "nk_killing_rate_constant": 20.0, "nk_priming_rate": 50.0,
    }  # fmt: skip
    out = run(**options)
    assert int(out.death_count.sel(cause="nk")[-1]) > 0
    assert float(out.immune_cell_count.sel(phenotype="primed_nk_cell")[-1]) > 0.0
    changed = run(**options, cd8_dwell_time=3.0, cd8_speed=1.0, killing_rate_constant=9.0)
    for values, same in zip(fates(changed), fates(out), strict=True):
        np.testing.assert_array_equal(values, same)


def test_cells_without_mhc1_are_not_killed() -> None:
    ds = cells(mhc1_assembly=np.arange(343) % 2.0)
    out = run(ds, effector_to_target_ratio=0.3, entry="uniform")
    by_t_cells = out.death_cause.values == 2
    assert by_t_cells[1::2].any()
    assert not by_t_cells[::2].any()


def test_t_cells_of_the_dataset_are_the_first() -> None:
    ds = cells()
    kinds = np.full(343, "tumor", dtype=object)
    kinds[::10] = "cd8_t_cell"
    ds = ds.assign(cell_type=("cell", kinds.astype(str)))
    out = run(ds, effector_to_target_ratio=None)
    number = int(out.immune_cell_count[0, 0])
    assert 15 < number <= 35  # an acute dose kills 30 % of the T cells too
    assert out.sizes["cell"] == 308
    with pytest.raises(InputError, match="effector_to_target_ratio has no effect"):
        run(ds)


def test_a_scalar_time_gives_no_dim_time() -> None:
    out = run(time_d=1.0)
    assert "time" not in out.dims
    assert out.tumor_cell_count.dims == ("state",)


def test_provenance() -> None:
    out = run(cd8_search_time=20.0)
    assert out.attrs["agent_parameters"] == "t_and_nk_agents"
    assert json.loads(out.attrs["agent_parameters_overrides"]) == {"cd8_search_time": 20.0}
    assumed = {item["key"] for item in json.loads(out.attrs["agent_parameters_assumed"])}
    assert "contact_gap" in assumed
    assert not {key for key in assumed if key.startswith("nk_")}
    assert out.attrs["kill_law"] == "mass_action"
    assert out.attrs["response_engine"] == "agents"
    assert json.loads(out.attrs["mechanism"])["spread"] == "none"


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_snapshots_are_whole_files(suffix: str, tmp_path: Path) -> None:
    if suffix == ".zarr":
        pytest.importorskip("zarr")
    out = run(
        snapshot_time_d=[0.0, 1.5], snapshot_folder=tmp_path, snapshot_suffix=suffix, growth=True
    )
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"snapshot_0000{suffix}", f"snapshot_0001{suffix}"]
    first, later = (imd.load(tmp_path / name) for name in names)
    assert first.sizes["cell"] == 343
    assert later.attrs["snapshot_time_d"] == 1.5
    alive = out.isel(cell=later.cell.values)
    dead = alive.death_time.values <= 1.5
    np.testing.assert_array_equal(later.tumor_cell_state.values > 0, dead)
    held = later.immune_cell_target.values
    assert set(held[held >= 0]) <= set(later.cell.values)
    assert set(later.immune_cell_phenotype.values) == {"cd8_t_cell"}
    imd.schema.validate(later)


def test_progress_counts_the_steps() -> None:
    calls: list[tuple[int, int, str]] = []
    run(progress=lambda done, total, text: calls.append((done, total, text)))
    assert calls[-1] == (24, 24, "agents")
    assert [done for done, _, _ in calls] == list(range(1, 25))


def test_memory_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immunodose.memory.available_memory_MB", lambda: 0.001)
    with pytest.raises(ResourceError, match="the agent model needs about"):
        run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"law": "saturating"}, "law='saturating' is of the mean field.*out of space"),
        ({"space": None}, "needs space="),
        ({"engine": "mean_field"}, "space has no effect"),
        ({"outputs_per_cell_time_d": [1.0]}, "snapshot_time_d"),
        ({"rng": "required"}, "draws random numbers"),
        ({"entry": "rims"}, r"unknown entry 'rims'.*Did you mean 'rim'"),
        ({"growth": 1}, "invalid growth=1"),
        ({"step_h": 0.0}, "invalid step_h=0.0"),
        ({"step_h": np.nan}, "invalid step_h=nan"),
        ({"parameters": {"tumor": "b16k1", "killing": "ctl_nk"}}, "no set of kind agents"),
        ({"snapshot_time_d": [1.0]}, "belong together"),
        ({"snapshot_time_d": [1.0], "snapshot_folder": "absent"}, "is no folder"),
        ({"snapshot_time_d": [9.0], "snapshot_folder": "."}, "needs the package zarr|after"),
        ({"cd8_speedd": 1.0}, "cd8_speedd"),
        ({"cd8_speed": -1.0}, "invalid cd8_speed=-1"),
        ({"nk_speed": 1.0}, r"nk_speed=1.0 has no effect"),
        ({"tumor_division_rate": 1.0}, r"tumor_division_rate=1.0 has no effect"),
        ({"ifn_gamma_half": 1.0}, r"ifn_gamma_half=1.0 has no effect"),
        ({"entry": "vessels"}, "vessel_point"),
        ({"effector_to_target_ratio": None, "host": ATHYMIC, "nk": "ligands"}, "unknown nk"),
    ],
)
def test_bad_input(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(**changes)


def test_a_population_without_survival_is_refused() -> None:
    with pytest.raises(InputError, match=r"Call immunodose.survival"):
        run(cells().drop_vars("survival_probability"))


def test_the_mean_of_runs_is_the_mean_field_where_every_t_cell_has_a_target() -> None:
    """Well mixed: T cells cross the tumor in a search of a tenth of a minute."""
    ds = cells(side=6, survival=1.0, mhc1_baseline=np.full(216, 1e7))
    common: dict[str, Any] = {
        "effector_to_target_ratio": 0.1, "effector_loss_rate": 0.001, "time_d": [1.0, 3.0],
    }  # fmt: skip
    mean_field = run(
        ds, engine="mean_field", space=None, law="double_saturation",
        target_half_saturation=0.0, effector_half_saturation=1e6, **common,
    )  # fmt: skip
    runs = [
        run(
            ds, entry="uniform", rng=100 + seed, step_h=0.5, cd8_speed=100.0,
            cd8_persistence_time=100.0, cd8_search_time=0.1, cd8_division_rate=0.0, **common,
        ).death_count.sel(cause="ctl")
        for seed in range(12)
    ]  # fmt: skip
    killed = sum(count.values for count in runs)
    expected = 12 * 216 * mean_field.death_fraction.sel(cause="ctl").values
    assert (expected > 400).all()
    # Deaths of a run scatter at most as those of independent cells: 4.9 standard deviations for a
    # false alarm of 1e-6, and 3 % for searches and targets that die within a step.
    assert (np.abs(killed - expected) < 4.9 * np.sqrt(expected) + 0.03 * expected).all()


def test_space_shelters_what_the_mean_field_kills() -> None:
    """Few T cells from the rim: in the middle cells of equal MHC-I live on."""
    ds = cells(side=13, survival=1.0, mhc1_baseline=np.full(2197, 1e7))
    at = np.stack([ds[axis].values for axis in "xyz"], axis=1)
    depth = np.abs(at - at.mean(axis=0)).max(axis=1)
    common: dict[str, Any] = {
        "effector_to_target_ratio": 0.05, "effector_loss_rate": 0.5, "time_d": 4.0,
        "cd8_speed": 0.3, "cd8_division_rate": 0.0, "killing_rate_constant": 8.0,
    }  # fmt: skip
    dead = {
        entry: run(ds, entry=entry, **common).death_cause.values == 2
        for entry in ("rim", "uniform")
    }
    inner, outer = depth < 30.0, depth > 65.0
    assert dead["rim"][inner].mean() < 0.5 * dead["rim"][outer].mean()
    assert dead["uniform"][inner].mean() > 0.8 * dead["uniform"][outer].mean()


def same_values(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def test_regulatory_t_cells_follow_the_supply_of_the_host() -> None:
    """As in the mean field: where lymphocytes vanish, nothing is left to suppress."""
    strong = {"treg": True, "treg_to_target_ratio": 10.0, "treg_half_suppression": 0.01}
    whole = imd.simulate_host(host="immunocompetent", time_d=[0.0, 0.05, 30.0])
    falling = whole.assign(effector_supply=("time", [1.0, 1e-9, 1e-9]))

    def killed(host: xr.Dataset, **more: Any) -> int:
        out = run(host=host, entry="uniform", effector_to_target_ratio=0.2, **more)
        return int(out.death_count.sel(cause="ctl")[-1])

    assert killed(whole, **strong) <= 1
    assert killed(falling, **strong) > 0.5 * killed(falling) > 10


def test_t_cells_of_the_dataset_follow_the_supply_of_an_acute_dose() -> None:
    """E(0) = E_0 s_T N(0), as in the mean field."""
    kinds = np.where(np.arange(343) % 2 == 0, "cd8_t_cell", "tumor")
    ds = cells().assign(cell_type=("cell", kinds))
    few = imd.simulate_host(host="immunocompetent", time_d=[0.0, 30.0])
    few = few.assign(effector_supply=("time", [0.2, 0.2]))
    start = [
        int(run(ds, host=host, effector_to_target_ratio=None).immune_cell_count[0, 0])
        for host in (HOST, few)
    ]
    # 172 T cells, 0.7 survive: 120 +- 6 and 24 +- 5; five standard errors, with fixed numbers.
    assert abs(start[0] - 120) < 31
    assert abs(start[1] - 24) < 24


def test_overrides_are_read_or_refused() -> None:
    run(nk="missing_self", nk_ligand_fold_max=3.0)
    with pytest.raises(InputError, match=r"white_cell_marrow_sensitivity=0.1 has no effect"):
        run(white_cell_marrow_sensitivity=0.1)


def test_without_host_sting_there_is_no_priming() -> None:
    """The same bits as without priming; STING of the tumor cells is another switch."""
    deaf = imd.Mechanism(
        triggers="damage", weighting="per_gy", spread="none", trex1_window=False,
        knockouts="host_sting",
    )  # fmt: skip
    options: dict[str, Any] = {"priming_delay": 0.1, "time_d": [0.0, 2.0]}
    none = fates(run(**options, effector_priming_gain=0.0))
    for values, same in zip(fates(run(**options, mechanism=deaf)), none, strict=True):
        np.testing.assert_array_equal(values, same)
    primed = fates(run(**options))
    assert not all(same_values(*pair) for pair in zip(primed, none, strict=True))


@pytest.mark.parametrize("seed", [1, 2])
def test_no_antibody_no_effect_and_no_t_cells_no_effect(seed: int) -> None:
    def antibody(amount_nmol: float) -> dict[str, Any]:
        return {"agent": "anti_pdl1", "amount_nmol": amount_nmol, "time_d": [0.0]}

    options: dict[str, Any] = {
        "rng": seed,
        "entry": "uniform",
        "pd1": True,
        "pd1_half_inhibition": 0.5,
    }
    none = fates(run(**options))
    zero = fates(run(**options, checkpoint=antibody(0.0)))
    assert all(same_values(*pair) for pair in zip(zero, none, strict=True))
    given = run(**options, checkpoint=antibody(5.0), effector_to_target_ratio=0.1)
    without = run(**options, effector_to_target_ratio=0.1)
    assert given.death_count.sel(cause="ctl")[-1] > without.death_count.sel(cause="ctl")[-1]
    empty = [
        fates(run(**options, checkpoint=course, effector_to_target_ratio=0.0))
        for course in (None, antibody(5.0))
    ]
    assert all(same_values(*pair) for pair in zip(*empty, strict=True))


def test_zero_activity_is_the_untreated_tumor() -> None:
    """A zero dose with a time course and an acute zero dose: the same bits, no radiation death."""
    zero = cells(survival=1.0)
    zero = zero.assign(absorbed_dose=0.0 * zero.absorbed_dose)
    course = zero.assign(activity_rate_constant=(("nuclide",), [0.3 / 86400.0]))
    one, other = (run(ds, entry="uniform") for ds in (zero, course))
    assert all(same_values(*pair) for pair in zip(fates(one), fates(other), strict=True))
    assert (one.death_count.sel(cause="radiation") == 0).all()
    assert one.mhc1_surface_mean.values.tobytes() == other.mhc1_surface_mean.values.tobytes()
