"""What scripts/gpu-results.sh run left in its working folder → one Markdown report, named after the GPU.

python3 csrc/tests/report.py WORK BUNDLE OUT
"""

import datetime
import hashlib
import json
import pathlib
import platform
import re
import subprocess
import sys
from xml.etree import ElementTree

TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
SHOWN = 20  # failures by name
PARTS = {
    "wheel": "python/tests/gpu, the installed wheel through PyTorch",
    "library": "csrc/tests, the wheel's library and all of its kernels for this GPU",
    "sm75": "csrc/tests, compute_75 PTX",
    "sm70": "csrc/tests, compute_70 PTX",
    "accum-f16": "csrc/tests/test_value.py, kernels of other SMs compiled for 9.0",
    "fp4": "csrc/tests/test_fp4.py, kernels of SM 12.0 compiled for 9.0 with an emulated product",
    "sage3": "python/tests/sage3_gpu, sageattn3 from its sources on these kernels",
}


def main(work, bundle, output):
    """Writes OUT/GPU.md; prints its name."""
    device = gpu()
    target = pathlib.Path(output, slug(device["GPU"]) + ".md")
    target.write_text(render(pathlib.Path(work), pathlib.Path(bundle), device), encoding="utf-8")
    print(target)


def gpu():
    """Name, memory and driver of the first GPU."""
    query = "--query-gpu=name,memory.total,driver_version"
    command = ["nvidia-smi", query, "--format=csv,noheader"]
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    name, memory, driver = (field.strip() for field in line.split(","))
    return {"GPU": name, "Memory": memory, "Driver": driver}


def slug(name):
    """ "NVIDIA H100 80GB HBM3" → "h100-80gb-hbm3"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("nvidia", "").replace("geforce", "")).strip("-")


def render(work, bundle, device):
    """The whole report."""
    phases = read_phases(work / "phases.tsv")
    lines = [f"# {device['GPU']}, {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}", ""]
    lines += [f"- {name}: {value}" for name, value in {**device, **software(bundle)}.items()]
    lines += ["", *tests(work, phases), "", *accuracy(work), "", *families(work), "", *sanitizer(work, phases)]
    lines += ["", *tables(work, phases, "speed", "Attention beside PyTorch's"), *bench(work, phases)]
    return "\n".join(lines) + "\n"


def software(bundle):
    """What was tested, with what."""
    import torch

    wheel = next((bundle / "wheel").glob("*.whl"))
    return {
        "torch": f"{torch.__version__} (CUDA {torch.version.cuda})",
        "Python": platform.python_version(),
        "Wheel": f"{wheel.name}, sha256 {hashlib.sha256(wheel.read_bytes()).hexdigest()}",
        "Commit of the tests": (bundle / "commit").read_text().strip(),
        "Command": "`scripts/gpu-results.sh prepare DIR`, then `scripts/gpu-results.sh run DIR OUT`",
    }


def read_phases(path):
    """Phase → (exit status, seconds)."""
    rows = (line.split("\t") for line in path.read_text().splitlines())
    return {name: (int(code), int(seconds)) for name, code, seconds in rows}


def cases(work, name):
    """The test cases of a phase; none if it did not end."""
    path = work / f"{name}.xml"
    return list(ElementTree.parse(path).iter("testcase")) if path.exists() else []


def failed(case):
    return case.find("failure") is not None or case.find("error") is not None


def tests(work, phases):
    """Counts of each part, and the names of failures."""
    lines = ["## Tests", "", "| part | passed | failed | skipped | seconds | verdict |", "|" + " --- |" * 6]
    failures = []
    for name, text in PARTS.items():
        if name not in phases:
            continue
        code, seconds = phases[name]
        found = cases(work, name)
        wrong = [case for case in found if failed(case)]
        skipped = sum(case.find("skipped") is not None for case in found)
        numbers = f"{len(found) - len(wrong) - skipped} | {len(wrong)} | {skipped} | {seconds}"
        lines.append(f"| {text} | {numbers} | {verdict(code)} |")
        failures += [f"- failed: {name}: {case.get('name')}" for case in wrong]
    if len(failures) > SHOWN:
        failures[SHOWN:] = [f"- and {len(failures) - SHOWN} more"]
    return [*lines, *([""] if failures else []), *failures]


def bench(work, phases):
    """The tables of python/bench beside its peers, if they were asked for."""
    return ["", *tables(work, phases, "bench", "Attention beside its peers")] if "bench" in phases else []


def tables(work, phases, phase, heading):
    """What python/bench measured in a phase."""
    lines = [f"## {heading}", ""]
    code, seconds = phases.get(phase, (1, 0))
    path = work / f"{phase}.md"
    if not path.exists():
        return [*lines, f"Nothing was measured: {verdict(code)}."]
    text = path.read_text(encoding="utf-8").rstrip()
    return [*lines, re.sub(r"^## ", "### ", text, flags=re.MULTILINE), "", f"{seconds} seconds: {verdict(code)}."]


def verdict(code):
    return {0: "ok", 124: "**out of time**", 137: "**out of time**"}.get(code, f"**exit {code}**")


def accuracy(work):
    """The report of python/tests/gpu, below a heading of ours and without its own list of versions."""
    path = work / "accuracy.md"
    text = path.read_text(encoding="utf-8").splitlines() if path.exists() else ["- not measured"]
    kept = [line for line in text if not line.startswith(("# ", "- GPU", "- Driver", "- torch", "- Python"))]
    return ["## Accuracy through PyTorch", "", *"\n".join(kept).strip().splitlines()]


def families(work):
    """Worst errors of the families that the GPU does not choose by itself."""
    lines = [
        "## Accuracy of other families", "",
        "| family | accuracy cases | lowest cosine | highest relative L1, per thread | per block |", "|" + " --- |" * 5,
    ]  # fmt: skip
    for name in ("sm75", "sm70"):
        found = {
            case.get("name"): json.loads(item.get("value"))
            for case in cases(work, name)
            for item in case.iter("property")
        }
        if not found:
            continue
        worst = [
            max(error["relative_l1"] for case, error in found.items() if kind in case) for kind in ("thread", "block")
        ]
        cosine = min(error["cosine"] for error in found.values())
        lines.append(f"| {name} | {len(found)} | {cosine:.5f} | {worst[0]:.4f} | {worst[1]:.4f} |")
    return lines


def sanitizer(work, phases):
    """What compute-sanitizer says at the end of each run."""
    lines = ["## compute-sanitizer", ""]
    rows = []
    for name, (code, seconds) in phases.items():
        tool, _, family = name.partition("-")
        if tool in TOOLS:
            log = (work / f"{name}.log").read_text(errors="replace")
            calls = re.search(r"^(\d+ calls)$", log, re.MULTILINE)
            summary = re.findall(r"^=+ (.*SUMMARY: .*)$", log, re.MULTILINE)
            said = summary[-1] if summary else "no summary"
            rows.append(
                f"| {tool} | {family} | {calls[1] if calls else 'none'} | {said} | {seconds} | {verdict(code)} |"
            )
    if not rows:
        return [*lines, "Not run: compute-sanitizer was not on PATH."]
    return [*lines, "| tool | kernels | calls | summary | seconds | verdict |", "|" + " --- |" * 6, *rows]


if __name__ == "__main__":
    main(*sys.argv[1:])
