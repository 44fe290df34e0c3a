"""The reliability of a map by the number of its annotators, as a figure."""

from pathlib import Path
from typing import Final

from saliency.comparison.reliability import Reliability, spearman_brown

INK: Final = "#1d2327"
LINE: Final = "#1f6f8b"
FAINT: Final = 10  # images, below which a point is drawn faintly: it rests on few


def draw_curve(summary: Reliability, path: Path) -> None:
    """Write the figure; the ending decides the format (svg, pdf, png).

    Dots: two random groups of k annotators against each other, over the images that have 2 k; faint below ten
    images. Line: Spearman-Brown from single annotators. Dashed: the reliability aimed at. Band: from one
    person against the mean of the others to one against the mean of all, between which the best map against
    single people lies.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "cyborg"}):
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        most = max(len(summary.curve), summary.needed or 0, round(summary.annotators or 0)) + 1
        sizes = range(1, most + 1)
        axes.axhspan(summary.leave_one_out or 0, summary.with_own or 0, color=LINE, alpha=0.12, lw=0)
        axes.plot(sizes, [spearman_brown(summary.curve[0], factor=k) for k in sizes], color=LINE)
        for size, value in enumerate(summary.curve, start=1):
            strength = 1 if summary.curve_images[size - 1] >= FAINT else 0.3
            axes.plot(size, value, "o", color=INK, alpha=strength)
        axes.axhline(summary.target, color=INK, lw=0.8, ls="--")
        axes.set(xlabel="annotators of a map", ylabel="reliability r", ylim=(0, 1), xticks=list(sizes))
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
