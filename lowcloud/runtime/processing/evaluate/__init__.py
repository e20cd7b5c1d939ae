"""`python -m lowcloud.runtime.processing.evaluate --label y --scores p`: evaluates predictions or a model.

Reads processing/input (one table, or truth/ and predictions/), and processing/model if a model is to be evaluated.
Writes processing/output/evaluation/evaluation.json and evaluation.html.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from lowcloud.runtime.processing.evaluate import document, predicting, report, table, tasks
from lowcloud.runtime.processing.evaluate.matching import ORDER
from lowcloud.runtime.processing.program import Arguments, run
from lowcloud.schemas.evaluate import SCHEMA


def main(command_line: Sequence[str]) -> int:
    """Evaluate the input of the processing folder; return the exit code."""
    return run(command_line, SCHEMA, evaluate)


def evaluate(base: Path, settings: Arguments) -> None:
    """Evaluate base/input, with base/model if it exists, to base/output/evaluation. Raises ClientError."""
    matched = table.read(base, settings)
    frame = matched.frame
    for warning in matched.warnings:
        print(f"Warning: {warning}", flush=True)
    if matched.matched_by not in (None, ORDER):
        print(f"Joined truth and predictions by column {matched.matched_by!r}.", flush=True)
    print(f"Read {len(frame)} rows of {len(frame.columns)} columns.", flush=True)
    model = predicting.find(base)
    if model is not None:
        predicted = predicting.predict(model, frame, settings)
        rows = table.select_columns(predicted.frame, settings, predicted.label)
        known = predicted.classes
        if settings.text("task") == "auto" and predicted.task is not None:
            settings = Arguments({**settings.values, "task": predicted.task})
    else:
        rows, known = table.select_columns(frame, settings), None
    evaluation, classes = tasks.build_evaluation(rows, settings, known)
    result = document.describe(evaluation, classes, rows, settings, matched)
    folder = base / "output" / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    (folder / "evaluation.html").write_text(report.draw(result, settings.text("title")), encoding="utf-8")
    for line in document.summary(result):
        print(line, flush=True)
