"""The front of a whole run, as users hold it: a table of measured schemes that only grows.

It is published as ``front.csv``, with the genomes in ``front.npz``.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from emopms.pareto import nondominated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from emopms.engine.results.schemes import MeasuredSchemes

TABLE, GENOMES = "front.csv", "front.npz"
_FIXED = ("scheme", "on_front", "predicted_loss", "measured_loss", "accuracy", "macs", "params")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a front: a network pruned by a scheme, measured on validation images before any fine-tuning."""

    scheme: int
    """Number of the scheme, by which `Result.model` and ``emopms pick --index`` find it."""
    on_front: bool
    """Whether no other point is at least as good in loss and in the costs among the objectives."""
    predicted_loss: float
    """Cross-entropy that the search predicted."""
    measured_loss: float
    """Cross-entropy on validation images."""
    accuracy: float
    """Share of correct answers on validation images, from 0 to 1."""
    costs: Mapping[str, float]
    """Costs by name, in their own units: ``macs``, ``params``, and the cost objectives of the spec."""
    shares: Mapping[str, float]
    """The same costs as shares of the dense network's."""
    models: tuple[str, ...]
    """Folders below ``models/`` that hold this network after fine-tuning."""


class JointFront:
    """The measured schemes of a run, cheapest first: its joint front, and the schemes of its models.

    Args:
        points: The points.
        genomes: Genomes [n, genes] of the points, in the same order.
    """

    def __init__(self, points: Sequence[Point], genomes: NDArray[np.bool_]) -> None:
        order = sorted(range(len(points)), key=lambda row: (points[row].costs["macs"], points[row].scheme))
        self._points, self._genomes = [points[row] for row in order], genomes[order]

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points)

    def __getitem__(self, scheme: int) -> Point:
        """Return the point with a scheme number.

        Raises:
            KeyError: There is no such scheme.
        """
        return self._points[self._row(scheme)]

    @property
    def dense(self) -> Point:
        """The network without pruning."""
        return self._points[int(self._genomes.all(axis=1).argmax())]

    @property
    def knee(self) -> Point:
        """The point that is farthest below the line between the ends of the front, in the plane of MACs and loss, both
        scaled to 0…1. Beyond it, each further cut costs more (the knee of Satopää et al. 2011). It can move when
        schemes are added."""
        front = [point for point in self if point.on_front]
        cost = np.array([point.costs["macs"] for point in front])
        loss = np.array([point.measured_loss for point in front])
        scaled = (cost - cost.min()) / max(np.ptp(cost), 1e-12) + (loss - loss.min()) / max(np.ptp(loss), 1e-12)
        return front[int(scaled.argmin())]

    def cheapest(self, accuracy: float) -> Point | None:
        """Return the point with the fewest MACs whose validation accuracy is at least ``accuracy``; None if there is
        none."""
        return next((point for point in self if point.accuracy >= accuracy), None)

    def genome(self, scheme: int) -> NDArray[np.bool_]:
        """Return the genome [genes] of a scheme.

        Raises:
            KeyError: There is no such scheme.
        """
        genome: NDArray[np.bool_] = self._genomes[self._row(scheme)]
        return genome

    def number_of(self, genome: NDArray[np.bool_]) -> int:
        """Return the number of the scheme with a genome [genes].

        Raises:
            KeyError: No point has this genome.
        """
        (rows,) = np.nonzero((self._genomes == genome).all(axis=1))
        if not len(rows):
            raise KeyError("no scheme has this genome")
        return self._points[int(rows[0])].scheme

    def with_more(
        self, schemes: MeasuredSchemes, names: Sequence[str], models: Mapping[str, NDArray[np.bool_]]
    ) -> JointFront:
        """Return this front with more measured schemes: those that nothing dominates, and those of models.

        A scheme that is here already keeps its number. The first schemes of a front are numbered by their rows.

        Args:
            schemes: Measured schemes.
            names: Names of the cost objectives, in the order of the columns of their costs.
            models: Genome of each model, by the name of its folder.
        """
        known = {genome.tobytes(): point for genome, point in zip(self._genomes, self._points, strict=True)}
        folders: dict[bytes, list[str]] = {genome: list(point.models) for genome, point in known.items()}
        for folder, genome in models.items():
            for others in folders.values():
                others[:] = [name for name in others if name != folder]
            folders.setdefault(genome.tobytes(), []).append(folder)
        costs = schemes.costs_by_name(names)
        number = 1 + max((point.scheme for point in self), default=-1)
        rows = dict(known)
        for row, genome in enumerate(schemes.genomes):
            key = genome.tobytes()
            if key in rows or not (schemes.on_front[row] or row == schemes.dense or folders.get(key)):
                continue
            values = {name: float(column[row]) for name, column in costs.items()}
            rows[key] = Point(
                scheme=number if known else row,
                on_front=True,
                predicted_loss=float(schemes.predicted_loss[row]),
                measured_loss=float(schemes.loss[row]),
                accuracy=float(schemes.accuracy[row]),
                costs=values,
                shares={name: value / float(costs[name][schemes.dense]) for name, value in values.items()},
                models=(),
            )
            number += 1
        points = [replace(point, models=tuple(folders.get(key, ()))) for key, point in rows.items()]
        genomes = np.stack([np.frombuffer(key, dtype=np.bool_) for key in rows])
        compared = np.array([[point.measured_loss, *(point.costs[name] for name in names)] for point in points])
        front = set(nondominated(compared).tolist())
        return JointFront([replace(point, on_front=row in front) for row, point in enumerate(points)], genomes)

    def as_csv(self) -> str:
        """Return the table as CSV, cheapest scheme first."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        extra = [name for name in self.dense.costs if name not in _FIXED]
        writer.writerow([*_FIXED, *extra, "models"])
        for point in self:
            losses = (point.predicted_loss, point.measured_loss, point.accuracy)
            costs = [int(point.costs["macs"]), int(point.costs["params"]), *(point.costs[name] for name in extra)]
            writer.writerow([point.scheme, int(point.on_front), *losses, *costs, " ".join(point.models)])
        return text.getvalue()

    def records(self) -> list[dict[str, float]]:
        """Return the figures of the table, one mapping for each scheme, cheapest scheme first. Costs are in their own
        units."""
        return [
            {
                "scheme": point.scheme,
                "on_front": point.on_front,
                "predicted_loss": point.predicted_loss,
                "measured_loss": point.measured_loss,
                "accuracy": point.accuracy,
                **point.costs,
            }
            for point in self
        ]

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the front as arrays to store: the genomes, and the table as bytes."""
        return {"genomes": self._genomes, "table": np.frombuffer(self.as_csv().encode(), dtype=np.uint8)}

    @classmethod
    def empty(cls) -> JointFront:
        """Return a front without points."""
        return cls([], np.empty((0, 0), dtype=np.bool_))

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]]) -> JointFront:
        """Return the front that `as_arrays` returned.

        Raises:
            KeyError: An array is missing.
            ValueError: The table is not such a table, or has another number of rows than there are genomes.
        """
        genomes: NDArray[np.bool_] = arrays["genomes"]
        rows = list(csv.DictReader(io.StringIO(arrays["table"].tobytes().decode(), newline="")))
        if len(rows) != len(genomes) or not rows or not rows[0].keys() >= {*_FIXED, "models"}:
            raise ValueError("not the front of a run")
        names = [name for name in rows[0] if name not in (*_FIXED[:5], "models")]
        dense = {name: float(rows[int(genomes.all(axis=1).argmax())][name]) for name in names}
        points = [
            Point(
                scheme=int(row["scheme"]),
                on_front=row["on_front"] == "1",
                predicted_loss=float(row["predicted_loss"]),
                measured_loss=float(row["measured_loss"]),
                accuracy=float(row["accuracy"]),
                costs={name: float(row[name]) for name in names},
                shares={name: float(row[name]) / dense[name] for name in names},
                models=tuple(row["models"].split()),
            )
            for row in rows
        ]
        return cls(points, genomes)

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Return the table for people: headings, and the cells of each row as text."""
        extra = [name for name in self.dense.costs if name not in ("macs", "params")]
        headings = ["scheme", "front", "MACs", "parameters", *extra, "accuracy", "loss", "predicted", "models"]
        cells = [
            [
                str(point.scheme),
                "*" if point.on_front else "",
                f"{point.shares['macs']:.1%}",
                f"{point.shares['params']:.1%}",
                *(f"{point.costs[name]:,.4g}" for name in extra),
                f"{point.accuracy:.2%}",
                f"{point.measured_loss:.4f}",
                f"{point.predicted_loss:.4f}",
                ", ".join(point.models),
            ]
            for point in self
        ]
        return headings, cells

    def __repr__(self) -> str:
        headings, cells = self.rows()
        widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join(["  ".join(map(str.rjust, headings, widths)), *lines])

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        headings, cells = self.rows()
        head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _row(self, scheme: int) -> int:
        for row, point in enumerate(self._points):
            if point.scheme == scheme:
                return row
        raise KeyError(f"no scheme {scheme} among its {len(self)}")
