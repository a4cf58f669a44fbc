# SPDX-License-Identifier: Apache-2.0
"""Reads what `scripts/bench <suite> --json FILE` wrote (bench/report.cpp)."""
import json
import math
from pathlib import Path

NUMBER = (int, float, type(None))  # null: there is nothing to say
MACHINE = {"cpu": str, "cpu_id": str, "cores": int, "flags": list, "caches": dict, "peaks": dict,
           "compiler": str, "peers": dict, "missing": dict, "date": str, "command": list,
           "groups": dict, "skipped": list}
GROUP = {"peak": str, "unit": str, "before": NUMBER, "after": NUMBER, "steady": bool}
ROW = {"suite": str, "group": str, "case": str, "type": str, "isa": str, "threads": int,
       "ours_ms": NUMBER, "peer": str, "peer_ms": NUMBER, "ratio": NUMBER, "ratio_min": NUMBER,
       "peak_pct": NUMBER, "operations": NUMBER, "bytes": NUMBER}
MEAN = {"group": str, "peer": str, "ratio": NUMBER}
HEADLINE = {"what": str, "group": str, "unit": str, "ours": NUMBER, "peer": NUMBER,
            "published": dict}


class Refused(Exception):
    """A sentence about input that does not fit."""


def check(thing, fields, where):
    if not isinstance(thing, dict):
        raise Refused(f"{where} is no object, so this is no report of scripts/bench --json")
    for name, kind in fields.items():
        if name not in thing:
            raise Refused(f"{where} has no '{name}': no report of scripts/bench --json, or one of "
                          "an older version, which has to be measured again")
        value = thing[name]
        if not isinstance(value, kind) or (isinstance(value, float) and not math.isfinite(value)):
            raise Refused(f"{where}: '{name}' is {json.dumps(value)[:40]}, which is of another "
                          "kind than in reports of scripts/bench --json")


def check_all(things, fields, where):
    for i, thing in enumerate(things):
        check(thing, fields, f"{where}[{i}]")


def load(file):
    try:
        report = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Refused(f"{file} is no JSON: {error}") from None
    check(report, {"machine": dict, "rows": list, "geomeans": list}, file)
    machine = report["machine"]
    check(machine, MACHINE, f"{file}: machine")
    check(machine["caches"], {"l1d": int, "l2": int, "l3": int}, f"{file}: machine.caches")
    for name, figures in machine["peaks"].items():
        check(figures, dict.fromkeys(figures, NUMBER), f"{file}: machine.peaks['{name}']")
    for name, group in machine["groups"].items():
        check(group, GROUP, f"{file}: machine.groups['{name}']")
    check_all(report["rows"], ROW, f"{file}: rows")
    for i, row in enumerate(report["rows"]):
        if row["group"] not in machine["groups"]:
            raise Refused(f"{file}: rows[{i}] is of the group '{row['group']}', which "
                          "machine.groups does not have")
    check_all(report["geomeans"], MEAN, f"{file}: geomeans")
    check_all(report.setdefault("headlines", []), HEADLINE, f"{file}: headlines")
    report["name"] = Path(file).stem
    return report
