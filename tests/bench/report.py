# SPDX-License-Identifier: Apache-2.0
"""bench/report.py on a small report: its tables, renewed documents, the picture, its sentences.

sample.md holds the expected tables between their markers, so renewing it changes nothing. The
picture is tested where a python3 has matplotlib; a line says so where none has.
"""
import json
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAM = ROOT / "bench" / "report.py"
SAMPLE = HERE / "sample.json"
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True
import report_json  # noqa: E402


def with_matplotlib():  # apt installs it for the system's python3, which need not be this one
    for python in (sys.executable, "/usr/bin/python3"):
        if Path(python).exists() and subprocess.run(
                [python, "-c", "import matplotlib"], capture_output=True).returncode == 0:
            return python
    return None


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_it(self, *arguments, python=sys.executable, before=()):
        return subprocess.run([python, "-B", *before, str(PROGRAM), *map(str, arguments)],
                              capture_output=True, encoding="utf-8")

    def write(self, name, content):
        file = self.folder / name
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def refuse(self, sentence, *arguments):
        done = self.run_it(*arguments)
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Areport: [^\n]+\n\Z")
        self.assertIn(sentence, done.stderr)

    def sample(self, change=lambda report: None):
        report = json.loads(SAMPLE.read_text())
        change(report)
        return report

    def test_renewed_document_is_as_expected(self):
        expected = (HERE / "sample.md").read_bytes()
        emptied = re.sub(rb"(<!-- bench: sample[^\n]*\n).*?(?=<!-- /bench)", rb"\1old\n", expected,
                         flags=re.S)
        self.assertEqual(emptied.count(b"old\n"), 3)
        for before in (emptied, expected):
            document = self.write("doc.md", before)
            done = self.run_it(SAMPLE, "--markdown", document)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(document.read_bytes().decode(), expected.decode())

    def test_line_ends_stay(self):
        expected = (HERE / "sample.md").read_bytes().replace(b"\n", b"\r\n")
        document = self.write("doc.md", expected)
        self.assertEqual(self.run_it(SAMPLE, "--markdown", document).returncode, 0)
        self.assertEqual(document.read_bytes(), expected)

    def test_tables_without_a_document(self):
        done = self.run_it(SAMPLE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        parts = re.findall(r"<!-- bench: sample \w+ -->\n\n(.*?)\n\n<!-- /bench -->",
                           (HERE / "sample.md").read_text(), flags=re.S)
        self.assertEqual(done.stdout, "\n".join([parts[0], "", parts[1], "", parts[2]]) + "\n")

    def test_every_field_is_written_by_the_suites(self):
        source = (ROOT / "bench" / "report.cpp").read_text()
        for fields in (report_json.MACHINE, report_json.GROUP, report_json.ROW, report_json.MEAN,
                       report_json.HEADLINE):
            for name in fields:
                self.assertTrue(f'"{name}"' in source, name)

    def test_files_are_refused(self):
        self.refuse("none.json cannot be read: No such file", self.folder / "none.json")
        self.refuse("cannot be read: Is a directory", self.folder)
        self.refuse("a.json is no JSON", self.write("a.json", "machine: 1"))
        self.refuse("a.json is no JSON", self.write("a.json", b"\xff\xfe"))
        self.refuse("a.json is no object", self.write("a.json", "[]"))
        self.refuse("a.json has no 'machine'", self.write("a.json", "{}"))

        def refuse(sentence, change):
            self.refuse(sentence, self.write("a.json", self.sample(change)))
        refuse("a.json: machine has no 'command'", lambda r: r["machine"].pop("command"))
        refuse("rows[1] has no 'operations'", lambda r: r["rows"][1].pop("operations"))
        refuse("rows[0]: 'ours_ms' is \"1\"", lambda r: r["rows"][0].update(ours_ms="1"))
        refuse("rows[0]: 'ours_ms' is NaN", lambda r: r["rows"][0].update(ours_ms=float("nan")))
        refuse("rows[2] is no object", lambda r: r["rows"].insert(2, 7))
        refuse("rows[0] is of the group 'x', which", lambda r: r["rows"][0].update(group="x"))
        refuse("machine.caches: 'l2' is null", lambda r: r["machine"]["caches"].update(l2=None))
        refuse("machine.peaks['read L1, GB/s']: '1t' is \"\"",
               lambda r: r["machine"]["peaks"]["read L1, GB/s"].update({"1t": ""}))
        other = self.folder / "other"
        other.mkdir()
        (other / "a.json").write_text(json.dumps(self.sample()))
        self.refuse("two files are named a.json", self.write("a.json", self.sample()),
                    other / "a.json")

    def test_documents_are_refused_and_kept(self):
        def refuse(sentence, text):
            document = self.write("doc.md", text)
            self.refuse(sentence, SAMPLE, "--markdown", document)
            self.assertEqual(document.read_bytes(), text.encode())
        opened, closed = "<!-- bench: sample -->\n", "<!-- /bench -->\n"
        refuse("has no line '<!-- bench: sample -->' for sample.json", "text\n")
        refuse("has no line '<!-- bench: sample -->'", "<!-- bench: other -->\n" + closed)
        refuse("line 2: there is no '<!-- /bench -->' behind it", "\n" + opened)
        refuse("line 1: '<!-- /bench -->' without a", closed)
        refuse("line 3: '<!-- bench: sample -->' comes before the '<!-- /bench -->' of line 2",
               "\n" + opened + opened + closed)
        refuse("line 1: '<!-- bench: sample rows -->' is not", "<!-- bench: sample rows -->\n" + closed)
        refuse("line 1: '<!-- bench -->' is not", "<!-- bench -->\n" + closed)
        self.refuse("none.md cannot be read", SAMPLE, "--markdown", self.folder / "none.md")

    def test_pictures_are_refused(self):
        picture = self.folder / "a.svg"
        other = self.write("b.json", self.sample(lambda r: r["machine"].update(cpu="Another CPU")))
        self.refuse("a roofline picture is of one machine", SAMPLE, other, "--roofline", picture)
        nothing = self.write("b.json", self.sample(
            lambda r: [row.update(bytes=None) for row in r["rows"]]))
        self.refuse("there is nothing to draw", nothing, "--roofline", picture)

    def test_without_matplotlib_the_tables_are_written(self):
        self.write("matplotlib.py", "raise ImportError('none here')\n")
        document = self.write("doc.md", "<!-- bench: sample means -->\n<!-- /bench -->\n")
        start = (f"import runpy, sys; sys.path.insert(0, {str(self.folder)!r}); "
                 "program = sys.argv[1]; sys.argv = sys.argv[1:]; "
                 f"sys.path.insert(1, {str(PROGRAM.parent)!r}); "
                 "runpy.run_path(program, run_name='__main__')")
        done = self.run_it(SAMPLE, "--markdown", document, "--roofline", self.folder / "a.svg",
                           before=["-c", start])
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, r"a\.svg is not drawn: \S+ has no matplotlib; install "
                                      r"python3-matplotlib[^\n]*\n\Z")
        self.assertIn("Geometric means", document.read_text())
        self.assertFalse((self.folder / "a.svg").exists())

    def test_picture(self):
        python = with_matplotlib()
        if python is None:
            self.skipTest("no python3 here has matplotlib: the picture is not drawn")
        files = [self.folder / "a.svg", self.folder / "b.svg"]
        for file in files:
            done = self.run_it(SAMPLE, "--roofline", file, python=python)
            self.assertEqual(done.returncode, 0, done)
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())
        svg = "{http://www.w3.org/2000/svg}"
        root = xml.parse(files[0]).getroot()
        self.assertEqual(root.tag, svg + "svg")
        parts = {part.get("id"): part for part in root.iter(svg + "g")}
        for team, cases in (("1t", 2), ("2t", 1)):
            panel = f"bf16_dot_zmm_{team}_"
            points = parts[f"{panel}bf16_avx512_bf16_{team}_resnet50_v1_b1"]
            self.assertEqual(len(list(points.iter(svg + "use"))), cases)
            for roof in ("the_peak", "L1", "L2", "L3", "DRAM"):
                self.assertIn(f"{panel}roof_of_{roof}", parts)
        text = " ".join(part.text or "" for part in root.iter(svg + "text"))
        self.assertIn("Some CPU (family 26, model 2, stepping 1)", text)
        self.assertIn("operations per byte of operands", text)


if __name__ == "__main__":
    unittest.main()
