"""The report of preprocessing: report.json and report.html."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lowcloud.runtime.feature_transforms.cells import Numbers, Texts, Vector
from lowcloud.runtime.processing import plots
from lowcloud.runtime.processing.page import Cell, HtmlPage, TextCell
from lowcloud.runtime.processing.preprocess.columns import TypedColumn
from lowcloud.runtime.processing.preprocess.fitting import FittedTransform
from lowcloud.runtime.processing.preprocess.splitting import RowIndices
from lowcloud.runtime.processing.program import Arguments

VERSION = 1
BINS = 24
LEVELS = 12  # most frequent texts to list


def write(
    folder: Path,
    table: Mapping[str, TypedColumn],
    values: Mapping[str, Vector],
    labels: Numbers | None,
    parts: Mapping[str, RowIndices],
    fitted: FittedTransform,
    counts: Mapping[str, int],
    settings: Arguments,
) -> None:
    """Write report.json and report.html."""
    document = describe(table, values, labels, parts, fitted, counts, settings)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(draw(document), encoding="utf-8")


def describe(
    table: Mapping[str, TypedColumn],
    values: Mapping[str, Vector],
    labels: Numbers | None,
    parts: Mapping[str, RowIndices],
    fitted: FittedTransform,
    counts: Mapping[str, int],
    settings: Arguments,
) -> dict[str, Any]:
    """Return the report as plain JSON; statistics are of the training part."""
    train, transform = parts["train"], fitted.transform
    outputs = {feature.column: list(feature.names) for feature in transform.features}
    columns = []
    for name, column in table.items():
        entry = {"name": name, "kind": column.kind, **_statistics(values[name][train])}
        if column.unreadable:
            entry["unreadable"] = column.unreadable
        became = [names for feature, names in outputs.items() if feature == name or feature.startswith(f"{name}.")]
        entry["outputs"] = [one for names in became for one in names]
        if transform.target is not None and name == transform.target.name:
            entry["role"] = "target"
        elif not entry["outputs"]:
            entry["left_out"] = fitted.left_out.get(name, "not a feature")
        columns.append(entry)
    document: dict[str, Any] = {
        "format": "lowcloud/preprocess-report",
        "version": VERSION,
        "rows": {**counts, **{name: len(part) for name, part in parts.items()}},
        "arguments": dict(settings.values),
        "columns": columns,
        "derived": [
            {
                "name": name,
                "expression": text,
                "outputs": outputs.get(name, []),
                **({"left_out": fitted.left_out[name]} if name in fitted.left_out else {}),
            }
            for name, text in transform.derived
        ],
        "outputs": list(transform.names),
    }
    target = transform.target
    if target is not None and labels is not None:
        document["target"] = {"name": target.name, "task": target.task, "classes": target.classes}
        document["target"]["parts"] = {name: _labels(labels[part], target.classes) for name, part in parts.items()}
    document["warnings"] = _warnings(document)
    return document


def draw(document: Mapping[str, Any]) -> str:
    """Return the page of a report."""
    rows, target = document["rows"], document.get("target")
    page = HtmlPage(
        "Preprocessing",
        f"{rows['read']:,} rows became {len(document['outputs']):,} features"
        + (f" to predict {target['name']} ({target['task']})." if target else "."),
    )
    parts = [name for name in ("train", "validation", "test") if name in rows]
    written = sum(rows[part] for part in parts)
    page.numbers(
        [
            *((part.capitalize(), f"{rows[part]:,}", f"{rows[part] / written:.1%} of the rows") for part in parts),
            ("Features", f"{len(document['outputs']):,}", f"of {len(document['columns'])} columns read"),
            *(
                (name.capitalize(), f"{rows[name]:,}", "rows left out")
                for name in ("duplicates", "without target")
                if rows.get(name)
            ),
        ]
    )
    for sentence in document["warnings"]:
        page.warning(sentence)
    if target:
        _draw_target(page, target)
    page.heading("Columns", "As read; measured on the training part.")
    head = ("Column", "Kind", "Distribution", "Typical", "Range", "Output")
    rows_of = [_column_row(column, rows["train"]) for column in document["columns"]]
    page.table([*map(TextCell, head[:2]), "Missing", "Distinct", *map(TextCell, head[2:])], rows_of)
    if document["derived"]:
        page.heading("Derived columns")
        page.table(
            [TextCell("Column"), TextCell("Expression"), TextCell("Output")],
            [
                [TextCell(step["name"]), TextCell(step["expression"]), TextCell(_became(step))]
                for step in document["derived"]
            ],
        )
    page.heading("Arguments")
    page.table(
        [TextCell("Argument"), TextCell("Value")],
        [[TextCell(name), TextCell(str(value))] for name, value in document["arguments"].items()],
        folded="Arguments of the program",
    )
    return page.html()


def _draw_target(page: HtmlPage, target: Mapping[str, Any]) -> None:
    page.heading(f"Target: {target['name']}", "It should be distributed equally in all parts.")
    first = target["parts"]["train"]
    if target["classes"]:
        rows: list[list[Cell]] = [
            [TextCell(name), *(f"{part['shares'][i]:.2%}" for part in target["parts"].values())]
            for i, name in enumerate(target["classes"])
        ]
        shares = list(zip(target["classes"], first["shares"], strict=True))[:20]
        figure = plots.bars("Classes", "Share of each class in the training part.", shares, lambda x: f"{x:.1%}")
        page.plots([("Classes in the training part", figure, "Shares of the rows.")])
        page.table([TextCell("Class"), *target["parts"]], rows)
        return
    figure = plots.histogram(
        "Target",
        "How the target is distributed.",
        plots.Axes(target["name"], "Rows"),
        first["edges"],
        [("train", first["counts"])],
    )
    page.plots([("Distribution in the training part", figure, "")])
    names = ("mean", "deviation", "minimum", "median", "maximum")
    page.table(
        [TextCell("Part"), *(name.capitalize() for name in names)],
        [[TextCell(part), *(_write(entry.get(name)) for name in names)] for part, entry in target["parts"].items()],
    )


def _column_row(column: Mapping[str, Any], rows: int) -> list[Cell]:
    levels, kind = column.get("levels", []), column["kind"]
    counts = column.get("counts") or [count for _, count in levels]
    missing = column["missing"]
    typical, extent = ", ".join(str(level) for level, _ in levels[:3])[:60], ""
    if "minimum" in column:
        extent = f"{_write(column['minimum'], kind)} to {_write(column['maximum'], kind)}"
        typical = f"{_write(column['mean'], kind)}" + ("" if kind == "time" else f" ± {_write(column['deviation'])}")
    return [
        TextCell(column["name"]),
        TextCell(kind),
        f"{missing / rows:.1%}" if missing else "0",
        f"{column['distinct']:,}",
        TextCell(plots.spark(f"Distribution of {column['name']}", counts) if counts else "", is_markup=True),
        TextCell(typical),
        TextCell(extent),
        TextCell("target" if column.get("role") == "target" else _became(column)),
    ]


def _became(entry: Mapping[str, Any]) -> str:
    outputs = entry["outputs"]
    if not outputs:
        return f"left out: {entry['left_out']}" if "left_out" in entry else "used by others"
    return ", ".join(outputs) if len(outputs) <= 3 else f"{outputs[0]}, {outputs[1]}, ... ({len(outputs)})"


def _statistics(values: Vector) -> dict[str, Any]:
    if isinstance(values, Texts):
        counts = np.bincount(values.codes, minlength=len(values.levels))
        levels = {level: int(count) for level, count in zip(values.levels, counts, strict=True) if count}
        missing = levels.pop(None, 0)
        ranked = sorted(levels.items(), key=lambda entry: (-entry[1], str(entry[0])))
        return {"missing": missing, "distinct": len(levels), "levels": ranked[:LEVELS]}
    present = values[~np.isnan(values)]
    entry: dict[str, Any] = {"missing": len(values) - len(present), "distinct": len(np.unique(present))}
    return entry | _numbers(present) if len(present) else entry


def _numbers(x: Numbers) -> dict[str, Any]:
    # The square of a float64 may overflow.
    with np.errstate(over="ignore"):
        edges = np.linspace(x.min(), x.max(), BINS + 1) if x.min() < x.max() else np.array([x[0] - 0.5, x[0] + 0.5])
        counts = np.histogram(x, edges)[0] if np.isfinite(edges).all() else np.array([len(x)])
        found = {"mean": x.mean(), "deviation": x.std(), "minimum": x.min(), "median": np.median(x), "maximum": x.max()}
    plain: dict[str, Any] = {name: float(value) if np.isfinite(value) else None for name, value in found.items()}
    return {**plain, "edges": [float(edge) for edge in edges], "counts": counts.tolist()}


def _labels(labels: Numbers, classes: tuple[str, ...] | None) -> dict[str, Any]:
    if classes is None:
        return _numbers(labels)
    counts = np.bincount(labels.astype(np.int64), minlength=len(classes))
    return {"counts": counts.tolist(), "shares": (counts / len(labels)).tolist()}


def _warnings(document: Mapping[str, Any]) -> list[str]:
    found = []
    rows = document["rows"]["train"]
    for column in document["columns"]:
        name = column["name"]
        if column.get("unreadable"):
            found.append(
                f"{column['unreadable']} cells of {name} are not of kind {column['kind']} and count as missing."
            )
        if column["missing"] > rows / 2:
            found.append(f"{name} is missing in {column['missing'] / rows:.0%} of the training rows.")
        is_key = column["kind"] == "text" and column["distinct"] > 0.9 * rows and rows > 50
        if is_key and column["outputs"]:
            found.append(f"{name} has a different text in almost every row: an identifier? Leave it out with drop.")
    for name, part in document.get("target", {}).get("parts", {}).items():
        if 0 in part["counts"] and document["target"]["classes"]:
            lacking = document["target"]["classes"][part["counts"].index(0)]
            found.append(f"The part {name} has no row of the class {lacking}.")
    return found


def _write(value: float | None, kind: str = "number") -> str:
    if value is None:
        return ""
    if kind == "time":
        return str(np.datetime64(int(value), "s"))[:16].replace("T", " ")
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"
