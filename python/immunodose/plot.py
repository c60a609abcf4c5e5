# SPDX-License-Identifier: BSD-3-Clause
"""Figures of a run; every function returns a matplotlib Figure and touches no global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from immunodose.typing import FloatArray

_INK = "#1f2933"
_MUTED = "#66727f"
_GRID = "#e4e8ec"
_ACTIVITY_COLORS = ("#2a6f97", "#d1495b", "#edae49", "#66a182", "#8d6a9f", "#5c5c5c")
_RADIATION, _IMMUNE, _SURVIVING = "#d1495b", "#2a6f97", "#d9dee3"
_NOTE = "Research use; not for treatment decisions."


def _figure(width_in: float, height_in: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _style(axes: Axes, *, title: str, x: str, y: str, size: float = 10) -> None:
    axes.set_title(title, loc="left", fontsize=size, color=_INK, fontweight="bold")
    axes.set_xlabel(x, fontsize=9, color=_INK)
    axes.set_ylabel(y, fontsize=9, color=_INK)
    axes.tick_params(labelsize=8, colors=_MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_MUTED)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _need(dataset: xr.Dataset, *names: str) -> None:
    missing = [name for name in names if name not in dataset.variables]
    if missing:
        raise InputError(
            f"variables {missing} are missing from the Dataset. "
            "Give the result of immunodose.run(scenario)."
        )


def activity_label(activity_Bq: float) -> str:
    """Return an administered activity as text in kBq.

    Examples
    --------
    >>> activity_label(9250.0)
    '9.25 kBq'
    """
    return f"{activity_Bq / 1e3:g} kBq"


def _tumor_cells(arm: xr.Dataset) -> npt.NDArray[np.bool_]:
    return np.asarray(arm["cell_type"].values == "tumor", dtype=np.bool_)


def _nucleus_dose(arm: xr.Dataset) -> FloatArray:
    dose = arm["absorbed_dose"].sum("emission").values
    return np.asarray(dose, dtype=np.float64)[_tumor_cells(arm)]


def _log_scale(axes: Axes, *which: str) -> None:
    """Log axes whose ticks read 0.5, 1, 2, 5 where a decade has room for them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for name in which:
        axis = axes.xaxis if name == "x" else axes.yaxis
        (axes.set_xscale if name == "x" else axes.set_yscale)("log")
        low, high = axes.get_xlim() if name == "x" else axes.get_ylim()
        subs = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_major_formatter(FuncFormatter(_plain))
        axis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="both", which="minor", length=0)


def _plain(value: float, _: object) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share >= 1e-3 or share == 0 else "< 0.1 %"


def _log_bins(values: FloatArray, count: int) -> FloatArray:
    positive = values[values > 0]
    if positive.size == 0:
        return np.geomspace(0.1, 10.0, count)
    low, high = np.quantile(positive, [0.001, 0.999])
    if not low < high:
        low, high = 0.5 * low, 2.0 * high
    return np.geomspace(0.8 * low, 1.25 * high, count)


def dose_histogram(dataset: xr.Dataset) -> Figure:
    """Draw the distribution of the mean nucleus dose over the tumor cells of each arm.

    Parameters
    ----------
    dataset
        Result of `immunodose.run`.

    Returns
    -------
    Figure
        One curve per cell line and activity, in the first host.
    """
    figure = _figure(6.0, 3.6)
    _draw_dose_histogram(figure.add_subplot(), dataset)
    return figure


def _draw_dose_histogram(axes: Axes, dataset: xr.Dataset) -> None:
    _need(dataset, "absorbed_dose", "cell_type", "cell_line", "host", "administered_activity")
    first_host = dataset["host"].values[0]
    chosen = [
        dataset.isel(arm=index)
        for index in range(dataset.sizes["arm"])
        if dataset["host"].values[index] == first_host
        and float(dataset["administered_activity"][index]) > 0
    ]
    _style(axes, title="Dose to the nuclei", x="mean dose to the nucleus (Gy)", y="tumor cells")
    if not chosen:
        axes.text(0.5, 0.5, "no activity in any arm", ha="center", transform=axes.transAxes)
        return
    lines = list(dict.fromkeys(str(arm["cell_line"].values) for arm in chosen))
    activities = sorted({float(arm["administered_activity"]) for arm in chosen})
    bins = _log_bins(np.concatenate([_nucleus_dose(arm) for arm in chosen]), 70)
    for arm, label in _merge_equal(chosen):
        color = _ACTIVITY_COLORS[
            activities.index(float(arm["administered_activity"])) % len(_ACTIVITY_COLORS)
        ]
        dashed = lines.index(str(arm["cell_line"].values)) % 2 == 1
        unhit = float(arm["unhit_probability"].values[_tumor_cells(arm)].mean())
        axes.hist(
            _nucleus_dose(arm),
            bins=list(bins),
            histtype="stepfilled",
            linewidth=1.6,
            facecolor=(*_rgb(color), 0.12),
            edgecolor=color,
            linestyle="--" if dashed else "-",
            label=f"{label}: mean {_nucleus_dose(arm).mean():.2g} Gy, unhit {_percent(unhit)}",
        )
    _log_scale(axes, "x")
    axes.margins(y=0.22)
    axes.legend(fontsize=8, frameon=False, loc="upper left", labelcolor=_INK)


def _rgb(color: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(color)


def _merge_equal(arms: list[xr.Dataset]) -> list[tuple[xr.Dataset, str]]:
    """Arms with their label; arms of equal doses (lines of equal size) become one curve."""
    merged: list[tuple[xr.Dataset, list[str], str]] = []
    for arm in arms:
        line = str(arm["cell_line"].values)
        activity = activity_label(float(arm["administered_activity"]))
        for other, lines, other_activity in merged:
            if other_activity == activity and np.array_equal(
                _nucleus_dose(arm), _nucleus_dose(other)
            ):
                lines.append(line)
                break
        else:
            merged.append((arm, [line], activity))
    return [(arm, f"{' = '.join(lines)}, {activity}") for arm, lines, activity in merged]


def survivor_map(dataset: xr.Dataset, *, administered_activity_Bq: float | None = None) -> Figure:
    """Draw where the surviving tumor cells lie in the plane of dose and surface MHC-I.

    Parameters
    ----------
    dataset
        Result of `immunodose.run`.
    administered_activity_Bq
        The activity of the arms to draw (Bq, > 0, one of the Dataset); None takes the smallest
        that is not zero.

    Returns
    -------
    Figure
        One panel per cell line and host; color is the expected number of survivors.
    """
    count = len(_map_arms(dataset, administered_activity_Bq))
    figure = _figure(1.4 + 2.4 * count, 3.2)
    axes = figure.subplots(1, count, squeeze=False, sharex=True, sharey=True)[0]
    _draw_survivor_map(figure, list(axes), dataset, administered_activity_Bq)
    return figure


def _map_arms(dataset: xr.Dataset, administered_activity_Bq: float | None) -> list[xr.Dataset]:
    _need(dataset, "absorbed_dose", "mhc1_surface", "kill_probability", "administered_activity")
    activities = dataset["administered_activity"].values
    given = administered_activity_Bq
    if given is None:
        given = min((value for value in activities if value > 0), default=None)
    arms = [dataset.isel(arm=i) for i, value in enumerate(activities) if given and value == given]
    if not arms:
        raise InputError(
            f"no arm with administered_activity_Bq={given!r} "
            f"(the Dataset holds {sorted(set(activities.tolist()))} Bq; it must be > 0)."
        )
    return arms


def _draw_survivor_map(
    figure: Figure, axes: list[Axes], dataset: xr.Dataset, activity_Bq: float | None
) -> None:
    arms = _map_arms(dataset, activity_Bq)
    counts, edges = _survivor_counts(arms)
    top = max(float(count.max()) for count in counts)
    low = max(top * 1e-3, 1e-12)
    from matplotlib.colors import LogNorm

    norm = LogNorm(vmin=low, vmax=max(top, 2 * low))
    for index, (arm, count) in enumerate(zip(arms, counts, strict=True)):
        panel = axes[index]
        mesh = panel.pcolormesh(
            *edges, np.ma.masked_less(count.T, low), norm=norm, cmap="viridis", rasterized=True
        )
        surviving = float((1 - arm["kill_probability"].values[_tumor_cells(arm)]).mean())
        _style(
            panel,
            title=f"{arm['cell_line'].values}, {arm['host'].values}: {surviving:.2g}",
            x="nucleus dose (Gy)",
            y="surface MHC-I (molecules)" if index == 0 else "",
            size=8.5,
        )
        _log_scale(panel, "x", "y")
    bar = figure.colorbar(mesh, ax=axes, pad=0.01, aspect=18)
    bar.set_label("expected survivors per bin", fontsize=8, color=_INK)
    bar.ax.tick_params(labelsize=7, colors=_MUTED)


def _survivor_counts(arms: list[xr.Dataset]) -> tuple[list[FloatArray], list[FloatArray]]:
    """Survivors per bin of dose and MHC-I on common edges."""
    masks = [_tumor_cells(arm) for arm in arms]
    doses = [_nucleus_dose(arm) for arm in arms]
    mhc1 = [np.asarray(a["mhc1_surface"].values)[m] for a, m in zip(arms, masks, strict=True)]
    edges = [_log_bins(np.concatenate(doses), 46), _log_bins(np.concatenate(mhc1), 46)]
    counts = []
    for arm, mask, dose, level in zip(arms, masks, doses, mhc1, strict=True):
        survivors = 1 - np.asarray(arm["kill_probability"].values)[mask]
        counts.append(np.histogram2d(dose, level, bins=edges, weights=survivors)[0])
    return counts, edges


def kill_budget(dataset: xr.Dataset) -> Figure:
    """Draw what killed the tumor cells of each arm: radiation first, T cells first, or nothing.

    Parameters
    ----------
    dataset
        Result of `immunodose.run`.

    Returns
    -------
    Figure
        One stacked bar per arm with its surviving fraction beside it.
    """
    figure = _figure(7.0, 0.9 + 0.32 * dataset.sizes["arm"])
    _draw_kill_budget(figure.add_subplot(), dataset)
    return figure


def _draw_kill_budget(axes: Axes, dataset: xr.Dataset) -> None:
    _need(dataset, "kill_fraction_radiation", "kill_fraction_immune", "kill_probability")
    day = float(dataset["time"].values[-1])
    _style(axes, title=f"What killed the tumor cells by day {day:g}", x="", y="")
    axes.grid(visible=False, axis="y")
    labels: list[str] = []
    places: list[float] = []
    place, previous = -1.0, ("", "")
    for index in range(dataset.sizes["arm"]):
        arm = dataset.isel(arm=index)
        group = (str(arm["cell_line"].values), str(arm["host"].values))
        place += 1.0 if not index or group == previous else 1.45
        previous = group
        places.append(place)
        mask = _tumor_cells(arm)
        means = [
            float(arm[name].values[mask].mean())
            for name in ("kill_fraction_radiation", "kill_fraction_immune", "kill_probability")
        ]
        parts = [means[0], means[1], 1 - means[2]]
        starts = np.concatenate([[0.0], np.cumsum(parts)[:-1]])
        for part, start, color in zip(
            parts, starts, (_RADIATION, _IMMUNE, _SURVIVING), strict=True
        ):
            axes.barh(place, part, left=start, color=color, height=0.74)
        axes.text(1.015, place, f"{parts[2]:.3g}", va="center", fontsize=8, color=_INK)
        activity = activity_label(float(arm["administered_activity"]))
        labels.append(f"{arm['cell_line'].values}, {arm['host'].values}, {activity}")
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.text(1.015, -0.55, "surviving\nfraction", va="bottom", fontsize=8, color=_MUTED)
    _budget_legend(axes)


def _budget_legend(axes: Axes) -> None:
    from matplotlib.patches import Patch

    entries = {"radiation first": _RADIATION, "T cells first": _IMMUNE, "surviving": _SURVIVING}
    axes.legend(
        handles=[Patch(color=color, label=label) for label, color in entries.items()],
        fontsize=8,
        frameon=False,
        ncols=3,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12),
        labelcolor=_INK,
        borderaxespad=0.1,
    )


def overview(dataset: xr.Dataset) -> Figure:
    """Draw dose histogram, kill budget and survivor maps of a run on one page.

    Parameters
    ----------
    dataset
        Result of `immunodose.run`.

    Returns
    -------
    Figure
        The page that `immunodose demo` writes as demo.png.
    """
    maps = len(_map_arms(dataset, None))
    figure = _figure(12.5, 4.1 + 0.14 * dataset.sizes["arm"] + 3.1)
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.35, 1.0])
    upper, lower = parts
    left, right = upper.subplots(1, 2, width_ratios=[1.0, 1.15])
    _draw_dose_histogram(left, dataset)
    _draw_kill_budget(right, dataset)
    panels = lower.subplots(1, maps, squeeze=False, sharex=True, sharey=True)[0]
    _draw_survivor_map(lower, list(panels), dataset, None)
    activity = activity_label(float(_map_arms(dataset, None)[0]["administered_activity"]))
    lower.suptitle(
        f"Surviving tumor cells by dose and surface MHC-I, {activity} (surviving fraction)",
        fontsize=10,
        color=_INK,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    title = str(dataset.attrs.get("title", "immunodose run"))
    figure.suptitle(title, fontsize=12, color=_INK, fontweight="bold", x=0.01, ha="left")
    figure.text(0.995, 0.992, _NOTE, fontsize=8, color=_MUTED, ha="right", va="top")
    return figure


def png_bytes(figure: Figure, *, dpi: int = 150) -> bytes:
    """Return a figure as the bytes of a PNG file (50 to 600 dots per inch)."""
    if not 50 <= dpi <= 600:
        raise InputError(f"invalid dpi={dpi!r} (allowed: 50 to 600).")
    buffer = io.BytesIO()
    options: dict[str, Any] = {"format": "png", "dpi": dpi}
    figure.savefig(buffer, **options)
    return buffer.getvalue()
