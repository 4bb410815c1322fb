"""Writes ``docs/compatibility.md`` from the figures."""

from __future__ import annotations

from collections import Counter
from textwrap import fill
from typing import Any

Row = dict[str, Any]

_HEAD = (
    "network",
    "pixels",
    "result",
    "parts",
    "streams",
    "MACs",
    "pruned to",
    "PyTorch's count",
    "parameters",
    "pruned to",
    "ms, 1 image",
    "ms, 16 images",
    "pt2",
    "ONNX",
)


def page(figures: Row) -> str:
    """Return the text of the page.

    Args:
        figures: The content of ``benchmarks/compatibility.json``.
    """
    rows, where = figures["networks"], figures["machine"]
    results = Counter(row["result"] for row in rows)
    threads = f"{where['threads']} thread{'s' * (where['threads'] != 1)}"
    text = f"""# Which networks can be pruned

**{len(rows)} networks: {results["pruned"]} pruned, {results["refused"]} refused, {results["wrong"]} wrong,
{results["hung"]} hanging.**

Made by `make bench-compatibility` (`{figures["command"]}`); the figures are in
[benchmarks/compatibility.json](../benchmarks/compatibility.json). Machine: {where["cpu"]}, {threads}, torch
{where["torch"]}, timm {where["timm"]}, onnx {where["onnx"]}, onnxruntime {where["onnxruntime"]}. Weights and images
are random, seed {figures["seed"]}. Batch norms have estimated statistics, and all parameters affect the scores. Each
network is tested in its own process, which is ended after {figures["time_limit_s"]} s.

{_table(rows)}

Capitalised networks are this project's own; the others are timm's. Each network is tested as follows. It is *wrong* if
one of the tests fails:

- **MACs.** The MACs of convolution and linear layers for one image are exactly those of PyTorch's own counter
(`FlopCounterMode`), before and after pruning. After pruning, MACs and parameters are also exactly those predicted from
the genome. Not counted are products of two activations, and operations that a module calls as functions on its own
parameters instead of through layers.
- **Division** by `{{name: even, parts: 4}}`, or into fewer parts if 4 are not possible. The composed parts give the
outputs of the network: bit for bit in fp64, and within 1e-4 of the largest score in fp32.
- **Pruning** to half of the MACs, without a search: the same share of channels in every group, those with the largest
weights. Residual streams are closed if half of the MACs can be reached this way; otherwise they are open
(`prune_residual`). The candidate evaluated by slicing and the network after surgery give the same scores, within 1e-4
in fp32 and 1e-9 in fp64. The unpruned network with zeros for all weights of dropped channels also gives these scores in
fp64{_unmasked(rows)}.
- **Training** for one step: all gradients are finite, and every parameter has a gradient{_unused(rows)}.
- **Export** by `safetensors`, `pt2` and `onnx`: the files are read and run on other images, with scores within 1e-4 of
the largest.
- **Latency** in eager PyTorch, fp32: median milliseconds of forward passes before and after pruning, with both networks
measured in turn. The time of a small network on one image depends on the number of layers, which pruning does not
change.

## Refused

{_refused(rows)}

## Fewer than four parts

{_fewer(rows)}
"""
    blocks = [block if block[0] in "#|" else _filled(block) for block in text.split("\n\n") if block]
    return "\n\n".join(blocks).rstrip() + "\n"


def _filled(block: str) -> str:
    """Fill paragraphs and list items to lines of 120 characters."""
    items = block.replace("\n- ", "\n\n- ").split("\n\n")
    return "\n".join(
        fill(item, 120, break_long_words=False, break_on_hyphens=False, subsequent_indent="  " * item.startswith("- "))
        for item in items
    )


def _table(rows: list[Row]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (_HEAD, ["---"] * len(_HEAD), *map(_cells, rows)))


def _cells(row: Row) -> list[str]:
    cells = {"network": row["name"], "pixels": str(row.get("size", "")), "result": row["result"]}
    if "macs" in row:
        cells |= {"MACs": _macs(row["macs"]), "PyTorch's count": _agreement(row), "parameters": f"{row['params']:,}"}
    line = [cells.get(head, "") for head in _HEAD]
    if row["result"] == "pruned":
        line[3:5] = str(len(row["points"]) + 1), "open" if row["prune_residual"] else "closed"
        line[6], line[9] = (f"{row[f'pruned_{key}'] / row[key]:.1%}" for key in ("macs", "params"))
        line[10:12] = (f"{old:.1f} → {new:.1f} ({new / old:.0%})" for old, new in row["latency"].values())
        line[12:] = ("equal" if "error" in row["exports"][name] else "refused" for name in ("pt2", "onnx"))
    return line


def _macs(value: int) -> str:
    return f"{value / 1e6:.2f} M" if value < 1e9 else f"{value / 1e9:.3f} G"


def _agreement(row: Row) -> str:
    """Return the cell of PyTorch's count. The MACs of layers are equal, or the row would be wrong."""
    in_functions = sum(row["macs_of_functions"].values())
    return f"equal, and {_macs(in_functions)} in functions" if in_functions else "equal"


def _unmasked(rows: list[Row]) -> str:
    names = [row["name"] for row in rows if row["result"] == "pruned" and row["masked"] is None]
    if not names:
        return ""
    return f"; this is not tested for {', '.join(names)}, where a layer normalises over the remaining channels"


def _unused(rows: list[Row]) -> str:
    names = [f"{row['name']} ({len(row['unused'])})" for row in rows if row.get("unused")]
    return (
        f"; exceptions are parameters that the dense network does not use either: {', '.join(names)}" if names else ""
    )


def _refused(rows: list[Row]) -> str:
    whole = [
        f"- **{row['name']}**: {row['reason'].replace(chr(10) + '  ', ' ')}"
        for row in rows
        if row["result"] != "pruned"
    ]
    exports = [
        f"- **{row['name']}**, to {name}: {export['refused']}"
        for row in rows
        for name, export in row.get("exports", {}).items()
        if "refused" in export
    ]
    return "\n".join(whole + exports) or "None."


def _fewer(rows: list[Row]) -> str:
    found = [
        f"- **{row['name']}**: {row['not_more_parts']}"
        for row in rows
        if row["result"] == "pruned" and row["not_more_parts"]
    ]
    return "\n".join(found) or "None."
