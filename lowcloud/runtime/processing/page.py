"""A report as one self-contained HTML page, for light and dark mode, all widths, print and screen readers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SERIES = "".join(
    f"svg .line.s{i} {{ stroke: var(--s{i}); }} svg .dot.s{i}, svg .bar.s{i}, svg .key.s{i} {{ fill: var(--s{i}); }}\n"
    for i in range(8)
)


@dataclass(frozen=True)
class TextCell:
    """A left-aligned cell; markup cells are trusted HTML."""

    text: str
    is_markup: bool = False


Cell = str | TextCell


@dataclass
class HtmlPage:
    """A page that is built section by section."""

    title: str
    lead: str
    parts: list[str] = field(default_factory=list)

    def heading(self, text: str, note: str = "") -> None:
        self.parts.append(f"<h2>{escape(text)}</h2>")
        if note:
            self.parts.append(f'<p class="note">{escape(note)}</p>')

    def warning(self, sentence: str) -> None:
        self.parts.append(f'<p class="warning">{escape(sentence)}</p>')

    def numbers(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """Add key figures: name, value and a small line below it."""
        cells = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(below)}</small></dd></div>"
            for name, value, below in entries
        )
        self.parts.append(f'<dl class="numbers">{cells}</dl>')

    def plots(self, figures: Sequence[tuple[str, str, str]]) -> None:
        """Add plots side by side: heading, SVG and caption."""
        cells = "".join(
            f"<figure><h3>{escape(title)}</h3>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
            for title, svg, caption in figures
        )
        self.parts.append(f'<div class="plots">{cells}</div>')

    def table(self, head: Sequence[Cell], rows: Sequence[Sequence[Cell]], folded: str = "") -> None:
        """Add a table whose first column has row headers; with the summary `folded` it is collapsed at first."""
        top = "".join(_cell(cell, 'th scope="col"') for cell in head)
        body = "".join(
            "<tr>" + _cell(row[0], 'th scope="row"') + "".join(_cell(cell, "td") for cell in row[1:]) + "</tr>"
            for row in rows
        )
        table = (
            f'<div class="scroll" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
        )
        self.parts.append(f"<details><summary>{escape(folded)}</summary>{table}</details>" if folded else table)

    def html(self) -> str:
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{STYLE}{SERIES}</style></head><body><main>"
            f'<h1>{escape(self.title)}</h1><p class="lead">{escape(self.lead)}</p>'
            f"{''.join(self.parts)}</main></body></html>\n"
        )


def _cell(cell: Cell, tag: str) -> str:
    name = tag.partition(" ")[0]
    if isinstance(cell, TextCell):
        return f'<{tag} class="text">{cell.text if cell.is_markup else escape(cell.text)}</{name}>'
    return f"<{tag}>{escape(cell)}</{name}>"
