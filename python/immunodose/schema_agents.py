# SPDX-License-Identifier: BSD-3-Clause
"""Variables of the agent engine: units, long name, dims."""

from __future__ import annotations

_TIME = ("arm", "replicate", "time")
_CELL = ("arm", "replicate", "cell")

AGENT_VARIABLES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "tumor_cell_count": ("1", "tumor cells by state", ("arm", "replicate", "state", "time")),
    "death_count": (
        "1",
        "tumor cells that have died, by the first cause",
        ("arm", "replicate", "cause", "time"),
    ),
    "birth_count": ("1", "tumor cells born since the start", _TIME),
    "ifn_gamma_mean": (
        "molecules",
        "mean interferon-gamma in the tissue volume of one cell",
        _TIME,
    ),
    "immune_cell_count": (
        "1",
        "T and NK cells in the tumor",
        ("arm", "replicate", "phenotype", "time"),
    ),
    "immune_cell_entered": (
        "1",
        "T and NK cells that have entered since the start",
        ("arm", "replicate", "phenotype", "time"),
    ),
    "contact_fraction": ("1", "share of the last step that T and NK cells held a target", _TIME),
    "death_cause": ("1", "first cause of death of the cell, code of flag_meanings", _CELL),
    "death_time": ("d", "time of death of the cell", _CELL),
    "birth_time": ("d", "time of birth of the cell", _CELL),
    "cleared_time": ("d", "end of the time step in which the dead cell disappeared", _CELL),
    "parent_cell": ("1", "number of the mother, -1 for cells of the start", _CELL),
    "tumor_cell_state": ("1", "0 alive, 1 dying, 2 cleared", ("cell",)),
    "immune_cell_x": ("um", "x coordinate of the T or NK cell", ("immune_cell",)),
    "immune_cell_y": ("um", "y coordinate of the T or NK cell", ("immune_cell",)),
    "immune_cell_z": ("um", "z coordinate of the T or NK cell", ("immune_cell",)),
    "immune_cell_phenotype": ("1", "kind and state of the T or NK cell", ("immune_cell",)),
    "immune_cell_target": (
        "1",
        "number of the tumor cell that it holds, -1 for none",
        ("immune_cell",),
    ),
}
