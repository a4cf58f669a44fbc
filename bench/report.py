#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what `scripts/bench <suite> --json FILE` measured as tables in Markdown and as a picture.

    scripts/bench report FILE.json... [--markdown DOC.md] [--roofline OUT.svg]

Without --markdown the tables go to stdout. With it they go into DOC.md, between the lines
`<!-- bench: NAME -->` and `<!-- /bench -->`, where NAME is that of the file without `.json`; the
rest of the document stays as it is. `<!-- bench: NAME PART -->` takes one part: `machine`, `means`
or `cases`. Input that does not fit is refused with a sentence and status 2, before anything is
written.
"""
import argparse
import html
import re
import shlex
import signal
import sys
from pathlib import Path

import roofline
from report_json import Refused, load

PARTS = ("machine", "means", "cases")
NOTHING = "–"
# ---- cells ---------------------------------------------------------------------------------------
def figure(x, form=".2f"):
    return NOTHING if x is None else format(x, form)


def milliseconds(x):
    if x is None:
        return NOTHING
    if x < 1e-3:
        return f"{x * 1e6:.1f} ns"
    return format(x, ".5f" if x < 0.1 else ".4f" if x < 10 else ".2f")


def size(count):
    if count == 0:
        return "unknown"
    return f"{count / 2**20:.3g} MB" if count >= 2**20 else f"{count / 2**10:.3g} KB"


def table(head, lines):
    def line(cells):
        cells = (str(cell).replace("|", "\\|").replace("<", "&lt;") for cell in cells)
        return "| " + " | ".join(cells) + " |"
    return [line(head), "|" + "---|" * len(head), *map(line, lines), ""]


def unique(things):
    return list(dict.fromkeys(things))


# ---- parts ---------------------------------------------------------------------------------------
def command_line(machine):
    words = iter(machine["command"])
    kept = []
    for word in words:
        if word == "--json":  # where the report went says nothing about the measurement
            next(words, None)
        elif not str(word).startswith("--json="):
            kept.append(str(word))
    return "scripts/bench " + shlex.join(kept)


def machine_part(report):
    machine, caches = report["machine"], report["machine"]["caches"]
    virtual = ", a virtual machine" if "hypervisor" in machine["flags"] else ""
    lines = [f"{machine['cpu']} ({machine['cpu_id']}), CPUs used: {machine['cores']}{virtual}; "
             f"L1 {size(caches['l1d'])}, L2 {size(caches['l2'])}, L3 {size(caches['l3'])}; "
             f"{machine['compiler']}; {machine['date'][:10]}."]
    isas = unique(row["isa"] for row in report["rows"])
    if isas:
        lines.append(f"Instruction sets measured: {', '.join(isas)}.")
    for name, version in machine["peers"].items():
        lines.append(f"`{name}`: {version}.")
    for name, why in machine["missing"].items():
        lines.append(f"`{name}` is missing: {why}.")
    if machine["skipped"]:
        lines.append(f"Skipped: {len(machine['skipped'])}; the run names what and why.")
    lines += ["", "    " + command_line(machine), ""]
    teams = unique(team for figures in machine["peaks"].values() for team in figures)
    peaks = [[name] + [figure(figures.get(team) or None, ".1f") for team in teams]
             for name, figures in machine["peaks"].items() if any(figures.values())]
    return lines + (table(["peak"] + teams, peaks) if peaks else [])


def cases_of(rows):
    """{group: {case: {peer: row}}}, each in order of appearance"""
    groups = {}
    for row in rows:
        cases = groups.setdefault(row["group"], {})
        cases.setdefault(row["case"], {})[row["peer"]] = row
    return groups


def peers_of(rows):
    return unique(row["peer"] for row in rows if row["peer"] not in ("best", "none"))


def means_part(report):
    means = {(mean["group"], mean["peer"]): mean["ratio"] for mean in report["geomeans"]}
    peers = peers_of(report["rows"])
    if len(peers) > 1:
        peers.append("best")
    groups = cases_of(report["rows"])
    with_sum = any("sum" in cases for cases in groups.values())
    head = ["group"] + ["fastest" if peer == "best" else peer for peer in peers]
    head += ["smallest", "in", "by minimum"] + (["sum"] if with_sum else [])
    lines = []
    for group, cases in groups.items():
        best = {case: rows["best"] for case, rows in cases.items() if "best" in rows}
        found = [row for case, row in best.items() if case != "sum" and row["ratio"] is not None]
        if not found:
            continue
        least = min(found, key=lambda row: row["ratio"])
        line = [group] + [figure(means.get((group, peer))) for peer in peers]
        line += [figure(least["ratio"]), least["case"], figure(least["ratio_min"])]
        if with_sum:
            line.append(figure(best["sum"]["ratio"]) if "sum" in best else NOTHING)
        lines.append(line)
    text = []
    if lines:
        text = ["Geometric means of peer's time / ours over the cases of a group; `smallest`: of "
                "the fastest peer, medians, then the same case by minima"
                + ("; `sum`: the network." if with_sum else "."), "", *table(head, lines)]
    if report["headlines"]:
        text += table(["beside published figures", "unit", "ours", "best peer", "published"], (
            [f"{line['what']}, {line['group']}", line["unit"], figure(line["ours"], ".5g"),
             figure(line["peer"], ".5g"),
             ", ".join(f"{value:.6g} ({who})" for who, value in line["published"].items())]
            for line in report["headlines"]))
    return text


def case_line(case, rows, steady):
    peers = [row for row in rows.values() if row["peer"] not in ("best", "none")]
    row = rows.get("best") or rows.get("none") or peers[0]
    timed = [peer for peer in peers if peer["peer_ms"] is not None]
    if not timed:
        name = NOTHING
    elif case == "sum" and len(timed) > 1:
        name = "the fastest of each"
    else:
        name = min(timed, key=lambda peer: peer["peer_ms"])["peer"]
    percent = figure(row["peak_pct"], ".1f") + ("" if steady else "*")
    return [case, milliseconds(row["ours_ms"]), milliseconds(row["peer_ms"]), name,
            figure(row["ratio"]), figure(row["ratio_min"]), percent]


def cases_part(report):
    text = []
    for group, cases in cases_of(report["rows"]).items():
        under = report["machine"]["groups"][group]
        text += ["<details>", f"<summary>{html.escape(group)}</summary>", ""]
        if under["before"]:
            text += [f"{under['peak']}: {figure(under['before'], '.1f')} {under['unit']} before, "
                     f"{figure(under['after'], '.1f')} after"
                     + ("." if under["steady"] else "; * it never held still: read with care."), ""]
        text += table(["case", "ours, ms", "peer, ms", "fastest peer", "ratio", "by minimum",
                       "% of peak"],
                      (case_line(case, rows, under["steady"]) for case, rows in cases.items()))
        text += ["</details>", ""]
    return text


def text_of(report, parts):
    make = {"machine": machine_part, "means": means_part, "cases": cases_part}
    lines = [line for part in parts for line in make[part](report)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


# ---- documents -----------------------------------------------------------------------------------
def renewed(document, where, reports):
    """The document with the tables of `reports` between its markers."""
    by_name = {report["name"]: report for report in reports}
    end = "\r\n" if "\r\n" in document else "\n"
    out, seen, opened = [], set(), None
    for number, line in enumerate(document.splitlines(keepends=True), 1):
        bare = line.rstrip()
        if bare.startswith("<!-- bench"):
            match = re.fullmatch(r"<!-- bench: (\S+)(?: (\S+))? -->", bare)
            if not match or match[2] not in (None, *PARTS):
                raise Refused(f"{where}, line {number}: '{bare}' is not '<!-- bench: NAME -->' or "
                              "'<!-- bench: NAME machine|means|cases -->'")
            if opened:
                raise Refused(f"{where}, line {number}: '{bare}' comes before the "
                              f"'<!-- /bench -->' of line {opened[0]}")
            opened = number, match[1] in by_name
            out.append(line)
            if opened[1]:
                seen.add(match[1])
                parts = [match[2]] if match[2] else PARTS
                out += [text + end for text in ["", *text_of(by_name[match[1]], parts), ""]]
            continue
        if bare == "<!-- /bench -->":
            if not opened:
                raise Refused(f"{where}, line {number}: '<!-- /bench -->' without a "
                              "'<!-- bench: NAME -->' before it")
            opened = None
        if not (opened and opened[1]):
            out.append(line)
    if opened:
        raise Refused(f"{where}, line {opened[0]}: there is no '<!-- /bench -->' behind it")
    for name in by_name:
        if name not in seen:
            raise Refused(f"{where} has no line '<!-- bench: {name} -->' for {name}.json")
    return "".join(out)


def read_document(file):
    try:
        return Path(file).read_bytes().decode("utf-8")
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no text in UTF-8: {error}") from None


def run(arguments):
    reports = [load(file) for file in arguments.files]
    for i, report in enumerate(reports):
        if any(other["name"] == report["name"] for other in reports[:i]):
            raise Refused(f"two files are named {report['name']}.json, which names their tables")
    panels = roofline.panels(reports) if arguments.roofline else None
    if arguments.markdown:
        text = renewed(read_document(arguments.markdown), arguments.markdown, reports)
        Path(arguments.markdown).write_bytes(text.encode("utf-8"))
        names = ", ".join(report["name"] for report in reports)
        print(f"report: {arguments.markdown} has the tables of {names}")
    else:
        print("\n\n".join("\n".join(text_of(report, PARTS)) for report in reports))
    if not arguments.roofline:
        return 0
    try:
        roofline.draw(panels, arguments.roofline)
    except ImportError:
        print(f"report: {arguments.roofline} is not drawn: {sys.executable} has no matplotlib; "
              "install python3-matplotlib (apt), which scripts/setup --report does, or matplotlib "
              "(pip)", file=sys.stderr)
        return 1
    print(f"report: {arguments.roofline} has {sum(len(p.points) for p in panels)} cases",
          file=sys.stderr)
    return 0


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench report", allow_abbrev=False,
        description="Writes what scripts/bench <suite> --json FILE measured as tables and a picture.")
    parser.add_argument("files", nargs="+", metavar="FILE.json")
    parser.add_argument("--markdown", metavar="DOC.md",
                        help="put the tables of NAME.json between '<!-- bench: NAME -->' and "
                             "'<!-- /bench -->'; else they go to stdout")
    parser.add_argument("--roofline", metavar="OUT.svg",
                        help="draw the cases under the machine's peaks (needs matplotlib)")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it without a word
    sys.stdout.reconfigure(encoding="utf-8")  # as documents are, whatever the locale
    try:
        return run(parser.parse_args())
    except Refused as sentence:
        print(f"report: {sentence}", file=sys.stderr)
    except OSError as error:
        print(f"report: {error.filename} cannot be written: {error.strerror}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
