# SPDX-License-Identifier: Apache-2.0
"""What nets.py found: medians and minima over the rounds, as a table and as JSON for
`scripts/bench report`."""
import datetime
import json
import math
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path

NOTHING = "-"


@dataclass
class Timing:
    """The samples of one contender: a median and a minimum of each round."""
    medians: list = field(default_factory=list)
    minima: list = field(default_factory=list)

    def add(self, median, minimum):
        self.medians.append(median)
        self.minima.append(minimum)

    @property
    def median(self):
        return statistics.median(self.medians) if self.medians else None

    @property
    def minimum(self):
        return min(self.minima) if self.minima else None


@dataclass
class Result:
    """One line of the table."""
    network: str
    precision: str
    batch: int
    threads: int
    isa: str  # of ours, "native" where it has no such row
    operations: float
    ours: Timing = field(default_factory=Timing)
    peers: dict = field(default_factory=dict)  # name: Timing
    peaks: list = field(default_factory=list)  # machine.groups[...] of ours, a round each

    @property
    def group(self):
        return f"{self.precision} {self.isa} {self.threads}t {self.network}"

    def ratios(self, peer):
        """Of medians and of minima: above 1 ours is faster."""
        return (quotient(peer.median, self.ours.median), quotient(peer.minimum, self.ours.minimum))


def quotient(x, y):
    return x / y if x and y else None


# ---- the table -----------------------------------------------------------------------------------
def milliseconds(x):  # as bench/report.cpp writes them
    return NOTHING if x is None else format(x, ".5f" if x < 0.1 else ".4f" if x < 10 else ".2f")


def figure(x):
    return NOTHING if x is None else format(x, ".2f")


def cells(results, labels):
    """Head and lines; a ratio after each peer, of medians and of minima."""
    head = ["network", "precision", "batch", "thr", "ours ms"]
    for label in labels.values():
        head += [f"{label} ms", "x", "min"]
    lines = []
    for r in results:
        line = [r.network, r.precision, str(r.batch), str(r.threads), milliseconds(r.ours.median)]
        for name in labels:
            peer = r.peers.get(name, Timing())
            line += [milliseconds(peer.median), *map(figure, r.ratios(peer))]
        lines.append(line)
    return [head, *lines]


def text_of(table):
    width = [max(map(len, column)) for column in zip(*table)]
    return "\n".join("  ".join(cell.ljust(n) if i < 2 else cell.rjust(n)
                               for i, (cell, n) in enumerate(zip(line, width))).rstrip()
                     for line in table)


def markdown_of(table):
    def line(of):
        return "| " + " | ".join(of) + " |"
    rule = "|" + "|".join(["---", "---"] + ["--:"] * (len(table[0]) - 2)) + "|"
    return "\n".join([line(table[0]), rule, *map(line, table[1:])])


# ---- JSON ----------------------------------------------------------------------------------------
def own_machine():
    """What our program would have said of the machine, as far as files do."""
    info = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    return {"cpu": info.get("model name", "unknown"),
            "cpu_id": ", ".join(f"{word} {info.get(key, '?')}" for word, key in
                                (("family", "cpu family"), ("model", "model"),
                                 ("stepping", "stepping"))),
            "cores": len(os.sched_getaffinity(0)), "flags": info.get("flags", "").split(),
            "caches": {"l1d": 0, "l2": 0, "l3": 0}, "peaks": {}, "compiler": "none"}


def group_of(result):
    """Medians over the rounds of the peak before and after; steady if no round moved."""
    if not result.peaks:
        return {"peak": "none", "unit": "", "before": None, "after": None, "steady": True}
    known = {key: [p[key] for p in result.peaks if p[key]] for key in ("before", "after")}
    return {"peak": result.peaks[0]["peak"], "unit": result.peaks[0]["unit"],
            **{key: statistics.median(v) if v else None for key, v in known.items()},
            "steady": all(p["steady"] for p in result.peaks)}


def rows_of(result):
    top = group_of(result)
    peak = [x for x in (top["before"], top["after"]) if x]
    base = {"suite": "peers", "group": result.group, "case": f"batch {result.batch}",
            "type": result.precision, "isa": result.isa, "threads": result.threads,
            "ours_ms": result.ours.median, "peer": "none", "peer_ms": None, "ratio": None,
            "ratio_min": None, "peak_pct": None, "operations": result.operations, "bytes": None,
            "ours_min_ms": result.ours.minimum, "peer_min_ms": None}
    if peak and result.ours.median:
        base["peak_pct"] = result.operations / (result.ours.median * 1e-3) / (
            statistics.mean(peak) * 1e9) * 100
    timed = {name: peer for name, peer in result.peers.items() if peer.medians}
    if not timed:
        return [base]
    best = Timing([min(p.median for p in timed.values())], [min(p.minimum for p in timed.values())])
    rows = []
    for name, peer in [*timed.items(), ("best", best)]:
        ratio, least = result.ratios(peer)
        rows.append({**base, "peer": name, "peer_ms": peer.median, "ratio": ratio,
                     "ratio_min": least, "peer_min_ms": peer.minimum})
    return rows


def report_of(results, machine, peers, missing, notes, command):
    rows = [row for result in results for row in rows_of(result)]
    logs = {}
    for row in rows:
        if row["ratio"]:
            logs.setdefault((row["group"], row["peer"]), []).append(math.log(row["ratio"]))
    groups = {}
    for result in results:
        both = groups.setdefault(result.group, group_of(result))
        both["steady"] = both["steady"] and group_of(result)["steady"]
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"machine": {**machine, "peers": peers, "missing": missing,
                        "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "command": command,
                        "groups": groups, "skipped": [], "notes": notes},
            "rows": rows,
            "geomeans": [{"group": group, "peer": peer, "ratio": math.exp(statistics.mean(x))}
                         for (group, peer), x in logs.items()]}


def save(report, file):
    Path(file).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
