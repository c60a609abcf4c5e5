# SPDX-License-Identifier: BSD-3-Clause
"""What the agent engine needs beyond the choices of the mean field: space, growth, snapshots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from immunodose.errors import InputError, did_you_mean
from immunodose.immune_agent_tissue import ENTRIES, Entry
from immunodose.immune_time import output_times
from immunodose.io import file_path


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpace:
    """Choices of `immune_response(engine="agents", space=...)`.

    Parameters
    ----------
    entry
        Where T and NK cells come in: `"vessels"` (along those of `immunodose.cells.vessels`),
        `"rim"` (at the tumor cells of its surface) or `"uniform"` (at any tumor cell).
    growth
        Whether tumor cells divide where there is room.
    step_h
        Longest time step (h, > 0). What T cells see of a cell is frozen within a step.
    snapshot_time_d, snapshot_folder, snapshot_suffix
        Times (d) at which all cells are written to files `snapshot_0000` and so on in this folder,
        which must exist; `".zarr"` (needs the package zarr) or `".nc"`. Each is whole or absent.

    Raises
    ------
    InputError
        For an unknown name, a value out of range, or a file that could not be written.

    Examples
    --------
    >>> AgentSpace(entry="rim", growth=False).step_h
    1.0
    """

    entry: Entry
    growth: bool
    step_h: float = 1.0
    snapshot_time_d: Sequence[float] = ()
    snapshot_folder: str | os.PathLike[str] | None = None
    snapshot_suffix: str = ".zarr"

    def __post_init__(self) -> None:
        """Check every field before anything is computed."""
        if self.entry not in ENTRIES:
            raise InputError(
                f"unknown entry {self.entry!r} (allowed: {', '.join(ENTRIES)})."
                f"{did_you_mean(self.entry, ENTRIES)}"
            )
        if not isinstance(self.growth, bool):
            raise InputError(f"invalid growth={self.growth!r} (allowed: True or False).")
        if not (np.isfinite(self.step_h) and self.step_h > 0.0):
            raise InputError(f"invalid step_h={self.step_h} (allowed: finite and > 0).")
        times = list(self.snapshot_time_d)
        if (len(times) > 0) != (self.snapshot_folder is not None):
            raise InputError(
                "snapshot_time_d and snapshot_folder belong together. Give both, or neither."
            )
        if not times:
            return
        output_times(times)
        folder = Path(str(self.snapshot_folder))
        if not folder.is_dir():
            raise InputError(f"snapshot_folder {str(folder)!r} is no folder. Make it first.")
        file_path(self.snapshot_path(0))

    def snapshot_path(self, number: int) -> Path:
        """Return the name of a snapshot."""
        return Path(str(self.snapshot_folder)) / f"snapshot_{number:04d}{self.snapshot_suffix}"
