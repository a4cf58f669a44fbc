# SPDX-License-Identifier: Apache-2.0
"""The roofline picture of reports: what each case reaches, and what its operands allow.

A panel per arithmetic peak and team size. Across: operations per byte of operands, each byte
counted once. Up: operations per second. The roofs: the arithmetic peak, and below it what reading
every byte once from L1, L2, L3 or memory allows. A point above the roof of a level found its
operands nearer; operands that are read several times, as weights by each step of a recurrent layer,
make a point look better fed than it is.
"""
import itertools
import math
import re
from dataclasses import dataclass, field

from report_json import Refused

LEVELS = ("L1", "L2", "L3", "DRAM")
UNIT = "Gop/s"


@dataclass
class Panel:
    peak: str
    threads: int
    machine: str
    top: float  # 1e9 operations per second
    bandwidths: dict  # level: 1e9 bytes per second
    points: list = field(default_factory=list)  # (group, case, operations per byte, 1e9 op/s)


def panels(reports):
    machines = {f"{r['machine']['cpu']} ({r['machine']['cpu_id']})" for r in reports}
    if len(machines) > 1:
        raise Refused("a roofline picture is of one machine, but the files are of "
                      + " and ".join(sorted(machines)))

    def best(name, team):  # of all runs
        figures = (r["machine"]["peaks"].get(name, {}).get(team) for r in reports)
        return max((x for x in figures if x), default=0)

    found = {}
    for report in reports:
        cases = {(row["group"], row["case"]): row for row in report["rows"]}  # one of all peers
        for (group, case), row in cases.items():
            under = report["machine"]["groups"][group]
            if not (row["ours_ms"] and row["operations"] and row["bytes"] and under["unit"] == UNIT):
                continue
            team = f"{row['threads']}t"
            top = best(f"{under['peak']}, {UNIT}", team)
            if not top:
                continue
            key = under["peak"], row["threads"]
            if key not in found:
                bandwidths = {level: best(f"read {level}, GB/s", team) for level in LEVELS}
                found[key] = Panel(*key, next(iter(machines)), top,
                                   {level: b for level, b in bandwidths.items() if b})
            found[key].points.append((f"{report['name']}: {group}" if len(reports) > 1 else group,
                                      case, row["operations"] / row["bytes"],
                                      row["operations"] / row["ours_ms"] * 1e-6))
    if not found:
        raise Refused("no case has a time, operations and bytes under an arithmetic peak, so there "
                      "is nothing to draw")
    return [found[key] for key in sorted(found)]


def element(panel, words):  # an id in the file
    return re.sub(r"[^\w.]+", "_", f"{panel.peak} {panel.threads}t {words}")


def draw_panel(axes, panel):
    names = list(dict.fromkeys(point[0] for point in panel.points))
    across = [point[2] for point in panel.points]
    up = [point[3] for point in panel.points]
    low = min(min(up) / 3, panel.top / 100)  # room for the roofs and the legend
    knees = [panel.top / bandwidth for bandwidth in panel.bandwidths.values()]
    left, right = min(across + knees) / 8, max(across + knees) * 3
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(low, panel.top * 1.6),
             xlabel="operations per byte of operands", ylabel=UNIT,
             title=f"{panel.peak}, {panel.threads} thread{'s' if panel.threads > 1 else ''}")
    axes.plot([left, right], [panel.top] * 2, color="black", linewidth=1.2, gid=element(panel, "roof of the peak"))
    axes.annotate(f"{panel.peak}: {panel.top:.0f}", (right, panel.top), (-4, 4),
                  textcoords="offset points", ha="right", fontsize=8)
    for level, bandwidth in panel.bandwidths.items():
        knee = panel.top / bandwidth
        axes.plot([left, knee], [left * bandwidth, panel.top], color="gray", linewidth=0.9,
                  gid=element(panel, f"roof of {level}"))
        at = max(left, low / bandwidth) * 1.3  # along its line, from where that enters the panel
        axes.text(at, at * bandwidth, f"{level} {bandwidth:.0f} GB/s", fontsize=7, color="dimgray",
                  rotation=math.degrees(math.atan(bandwidth)), transform_rotates_text=True,
                  rotation_mode="anchor", ha="left", va="bottom")
    colors = itertools.cycle(f"C{i}" for i in range(10))
    markers = itertools.cycle(["o"] * 10 + ["s"] * 10 + ["^"] * 10)
    for name, color, marker in zip(names, colors, markers):
        own = [point for point in panel.points if point[0] == name]
        axes.plot([p[2] for p in own], [p[3] for p in own], linestyle="", marker=marker, color=color,
                  markersize=4.5, alpha=0.75, label=name, gid=element(panel, name))
    axes.grid(True, which="major", linewidth=0.3)
    axes.legend(fontsize=6.5, loc="lower right")


def draw(all_panels, file):
    import matplotlib
    from matplotlib.figure import Figure

    # The same figures make the same file; text stays text.
    with matplotlib.rc_context({"svg.hashsalt": "ia_nn", "svg.fonttype": "none"}):
        columns = len({panel.threads for panel in all_panels})
        lines = -(-len(all_panels) // columns)
        picture = Figure(figsize=(6.4 * columns, 4.8 * lines), layout="constrained")
        picture.suptitle(all_panels[0].machine, fontsize=10)
        grid = list(picture.subplots(lines, columns, squeeze=False).flat)
        for axes in grid:
            axes.set_visible(False)
        for axes, panel in zip(grid, all_panels):
            axes.set_visible(True)
            draw_panel(axes, panel)
        picture.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
