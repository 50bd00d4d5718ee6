"""The figures of a run, and their table in Markdown."""

import statistics
from collections.abc import Mapping


class Table:
    """Figures by label and column, in the order in which they first came."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, list[float]]] = {}

    def note(self, label: str, column: str, figure: float) -> None:
        """Adds the figure of one round."""
        self._figures.setdefault(label, {}).setdefault(column, []).append(figure)

    def median(self, label: str, column: str) -> float | None:
        """The median of the rounds, or None if there is no figure."""
        figures = self._figures.get(label, {}).get(column)
        return statistics.median(figures) if figures else None

    def print(self, columns: Mapping[str, str]) -> None:
        """Prints the medians, and the first column over the second one if there are two.

        ``columns`` holds the heads of the columns.
        """
        names = list(columns)
        heads = [*columns.values(), *([f"{names[0]} / {names[1]}"] if len(names) > 1 else [])]
        print("| |", *(f"{head} |" for head in heads))
        print("|---|" + "---|" * len(heads))
        for label in self._figures:
            medians = [self.median(label, name) for name in names]
            cells = [*map(shown, medians)]
            if len(names) > 1:
                first, second = medians[:2]
                cells.append(f"{first / second:.2f}" if first and second else "")
            print(f"| {label} |", *(f"{cell} |" for cell in cells))


def shown(figure: float | None) -> str:
    """Three digits, or all before the point; a dash for None."""
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
