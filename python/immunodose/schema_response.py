# SPDX-License-Identifier: BSD-3-Clause
"""The variables of the radiation and immune response: dims, units, meaning."""

from __future__ import annotations

from immunodose.schema_variable import Variable

_RESPONSE = ("arm", "replicate", "cell", "time", "cell_time")
_POPULATION = ("arm", "replicate", "time")

_PAIR = ("outcome", "hypothesis", "other")
_COMPARED = ("hypothesis", "arm", "time")

RESPONSE_VARIABLES: dict[str, Variable] = {
    # response
    "survival_probability": Variable("1", "probability to survive radiation", _RESPONSE),
    "bed": Variable("Gy", "biologically effective dose", ("arm", "cell")),
    "eqd2": Variable("Gy", "equivalent dose in 2 Gy fractions", ("arm", "cell")),
    "rbe_weighted_dose": Variable("Gy", "RBE-weighted dose of equal survival", ("arm", "cell")),
    "outside_validity": Variable(
        "1", "whether the dose lies beyond the data behind the parameter set", ("arm", "cell")
    ),
    "domain_specific_energy": Variable(
        "Gy", "dose-mean specific energy of one event in a domain", ("energy",)
    ),
    "domain_specific_energy_saturated": Variable(
        "Gy", "dose-mean specific energy of one event in a domain, less overkill", ("energy",)
    ),
    "nucleus_specific_energy": Variable(
        "Gy", "dose-mean specific energy of one event in the nucleus", ("energy",)
    ),
    "survival_alpha": Variable("Gy-1", "linear coefficient of survival", ("energy",)),
    "survival_beta": Variable("Gy-2", "quadratic coefficient of survival", ("energy",)),
    "energy_share_above_let": Variable(
        "1", "share of the alpha energy given off above the LET of the data", ()
    ),
    "dsb_yield_per_gray": Variable(
        "Gy-1",
        "initial DNA double-strand breaks per nucleus and absorbed dose",
        ("arm", "cell", "emission"),
    ),
    "dsb_expected": Variable(
        "1",
        "expected initial DNA double-strand breaks of the nucleus",
        ("arm", "cell", "emission"),
    ),
    "mhc1_surface": Variable("molecules", "surface MHC-I per cell", _RESPONSE),
    "pmhc_surface": Variable(
        "molecules", "surface complexes of MHC-I with a recognized peptide per cell", _RESPONSE
    ),
    "peptide_surface": Variable(
        "molecules",
        "surface MHC-I per cell that shows peptides of a class",
        ("arm", "replicate", "cell", "peptide", "time"),
    ),
    "damage_response": Variable("1", "response to remembered nuclear damage", _RESPONSE),
    "ifn1_level": Variable(
        "1", "type-I interferon at the cell, relative to its highest steady value", _RESPONSE
    ),
    "trex1_level": Variable("1", "TREX1 in the cell, relative", _RESPONSE),
    "vesicle_level": Variable(
        "1",
        "vesicles of irradiated cells at the cell, relative to their highest steady value",
        _RESPONSE,
    ),
    "pdl1_fold": Variable("1", "surface PD-L1 relative to its baseline", _RESPONSE),
    "nk_ligand_fold": Variable("1", "NKG2D ligands relative to their baseline", _RESPONSE),
    "kill_probability_radiation": Variable("1", "net probability of death by radiation", _RESPONSE),
    "kill_probability_immune": Variable("1", "net probability of death by killer cells", _RESPONSE),
    "kill_probability": Variable("1", "probability of death by radiation or immune", _RESPONSE),
    "kill_probability_ctl": Variable("1", "net probability of death by CD8 T cells", _RESPONSE),
    "kill_probability_nk": Variable(
        "1", "net probability of death by natural killer cells", _RESPONSE
    ),
    "kill_fraction_ctl": Variable(
        "1", "probability that CD8 T cells are the first cause of death", _RESPONSE
    ),
    "kill_fraction_nk": Variable(
        "1", "probability that natural killer cells are the first cause of death", _RESPONSE
    ),
    "kill_fraction_radiation": Variable(
        "1", "probability that radiation is the first cause of death", _RESPONSE
    ),
    "kill_fraction_immune": Variable(
        "1", "probability that killer cells are the first cause of death", _RESPONSE
    ),
    "log_survival": Variable(
        "1", "natural logarithm of the probability to be alive", ("cell", "cell_time")
    ),
    "surviving_fraction": Variable(
        "1", "surviving fraction of the tumor cells", ("hypothesis", "arm", "replicate", "time")
    ),
    "tumor_control_probability": Variable(
        "1", "probability that no clonogen survives", ("arm", "replicate", "time")
    ),
    "absorbed_dose_mean": Variable(
        "Gy", "mean absorbed dose of the tumor cells", ("arm", "target", "emission", "origin")
    ),
    # populations of the immune response
    "cell_time": Variable("d", "time after administration of the values of cells", ("cell_time",)),
    "death_fraction": Variable(
        "1",
        "fraction of the tumor cells that died of this cause first",
        ("arm", "replicate", "cause", "time"),
    ),
    "exhausted_to_target_ratio": Variable(
        "1", "exhausted CD8 T cells per tumor cell of the untreated tumor", _POPULATION
    ),
    "treg_to_target_ratio": Variable(
        "1", "regulatory T cells per tumor cell of the untreated tumor", _POPULATION
    ),
    "nk_primed_fraction": Variable(
        "1", "share of natural killer cells that is primed", _POPULATION
    ),
    "engaged_fraction": Variable(
        "1", "mean recognition of the living tumor cells by CD8 T cells", _POPULATION
    ),
    "pdl1_fold_mean": Variable(
        "1", "mean surface PD-L1 of the living tumor cells relative to its baseline", _POPULATION
    ),
    "antibody_occupancy": Variable(
        "1", "share of PD-1 or PD-L1 that an antibody holds", _POPULATION
    ),
    "kill_probability_macrophage": Variable(
        "1", "net probability of death by macrophages", _RESPONSE
    ),
    "kill_fraction_macrophage": Variable(
        "1", "probability that macrophages are the first cause of death", _RESPONSE
    ),
    # published models
    "tumor_volume": Variable("mm3", "volume of living tumor", ("arm", "replicate", "time")),
    "tumor_volume_moribund": Variable(
        "mm3", "volume of lethally damaged tumor cells", ("arm", "replicate", "time")
    ),
    "unrepaired_dsb": Variable(
        "1", "unrepaired DNA double-strand breaks per nucleus", ("arm", "replicate", "time")
    ),
    "effector_precursor_count": Variable(
        "1", "T cells in the tumor that are not effectors yet", ("arm", "replicate", "time")
    ),
    "effector_count": Variable("1", "effector T cells in the tumor", ("arm", "replicate", "time")),
    "pdl1_level": Variable("1", "PD-L1 relative to its maximum", ("arm", "replicate", "time")),
    # comparison of hypotheses
    "mhc1_surface_sd": Variable("molecules", "spread of surface MHC-I between cells", _COMPARED),
    "separation": Variable("1", "largest difference over the spread between cells", _PAIR),
    "separation_time": Variable("d", "when two hypotheses lie farthest apart", _PAIR),
    "samples_needed": Variable("1", "cells of each group that tell them apart", _PAIR),
    "mhc1_surface_difference": Variable("molecules", "mean of other minus hypothesis", _PAIR[1:]),
    "immune_kill_difference": Variable("1", "mean of other minus hypothesis", _PAIR[1:]),
    "surviving_fraction_difference": Variable("1", "mean of other minus hypothesis", _PAIR[1:]),
}
