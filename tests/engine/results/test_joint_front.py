"""The front of a whole run: its numbers, its knee, its table, and what it gains."""

from __future__ import annotations

import numpy as np
import pytest

from emopms.engine.results.joint_front import JointFront
from emopms.engine.results.schemes import MeasuredSchemes


def schemes(genomes: list[str], loss: list[float], macs: list[int], latency: list[float]) -> MeasuredSchemes:
    """Measured schemes; a genome is written as ``101``."""
    points = np.column_stack([loss, macs])
    on_front = [not any((other <= point).all() and (other != point).any() for other in points) for point in points]
    return MeasuredSchemes(
        genomes=np.array([[char == "1" for char in genome] for genome in genomes]),
        predicted_loss=np.array(loss) + 0.01,
        loss=np.array(loss),
        accuracy=1 - np.array(loss) / 4,
        macs=np.array(macs),
        params=np.array(macs) // 2,
        costs=np.array([latency]).T,
        on_front=np.array(on_front),
    )


MEASURED = schemes(["001", "010", "011", "111"], [2.0, 2.5, 0.5, 0.4], [10, 20, 50, 100], [1.0, 1.5, 2.0, 4.0])
GENOMES = {"macs-0.5": np.array([False, True, True])}


@pytest.fixture
def front() -> JointFront:
    return JointFront.empty().with_more(MEASURED, ["latency"], GENOMES)


def test_the_first_schemes_have_the_numbers_of_their_rows(front: JointFront) -> None:
    assert [point.scheme for point in front] == [0, 2, 3], "scheme 1 is dominated"
    assert front[2].models == ("macs-0.5",)
    assert front.dense.scheme == 3
    assert front[2].shares == {"macs": 0.5, "params": 0.5, "latency": 0.5}
    assert front[2].costs == {"macs": 50.0, "params": 25.0, "latency": 2.0}
    with pytest.raises(KeyError, match="no scheme 1 among its 3"):
        front[1]


def test_more_schemes_get_new_numbers_and_old_ones_stay(front: JointFront) -> None:
    more = schemes(["110", "011", "111"], [0.45, 0.5, 0.4], [40, 50, 100], [1.9, 2.0, 4.0])
    grown = front.with_more(more, ["latency"], {"macs-0.4": np.array([True, True, False])})
    assert [point.scheme for point in grown] == [0, 4, 2, 3]
    assert grown[4].models == ("macs-0.4",)
    assert grown[2].models == ("macs-0.5",)
    assert [point.on_front for point in grown] == [True, True, False, True]
    assert grown.number_of(np.array([True, True, False])) == 4
    assert grown.genome(2).tolist() == [False, True, True]


def test_a_model_that_is_made_of_another_scheme_is_moved(front: JointFront) -> None:
    moved = front.with_more(MEASURED, ["latency"], {"macs-0.5": np.array([False, False, True])})
    assert (moved[0].models, moved[2].models) == (("macs-0.5",), ())


def test_a_model_is_listed_even_if_it_is_dominated() -> None:
    front = JointFront.empty().with_more(MEASURED, ["latency"], {"odd": np.array([False, True, False])})
    assert (front[1].models, front[1].on_front) == (("odd",), False)


def test_knee_and_cheapest(front: JointFront) -> None:
    assert front.knee.scheme == 2
    cheap = front.cheapest(0.8)
    assert cheap is not None
    assert cheap.scheme == 2
    assert front.cheapest(0.95) is None


def test_the_table_comes_back(front: JointFront) -> None:
    again = JointFront.read(front.as_arrays())
    assert list(again) == list(front)
    assert again.as_csv() == front.as_csv()
    assert front.as_csv().splitlines()[0] == (
        "scheme,on_front,predicted_loss,measured_loss,accuracy,macs,params,latency,models"
    )
    for table in ("", "scheme,macs\n1,2\n", front.as_csv() + "1,1,1,1,1,1,1,1,\n"):
        with pytest.raises(ValueError, match="not the front of a run"):
            JointFront.read(front.as_arrays() | {"table": np.frombuffer(table.encode(), dtype=np.uint8)})


def test_it_is_shown_as_a_table(front: JointFront) -> None:
    lines = repr(front).splitlines()
    assert lines[0].split() == ["scheme", "front", "MACs", "parameters", "latency", *lines[0].split()[5:]]
    assert lines[2].split() == ["2", "*", "50.0%", "50.0%", "2", "87.50%", "0.5000", "0.5100", "macs-0.5"]
    assert len({len(line) for line in lines}) == 1
    page = front._repr_html_()
    assert page.count("<tr>") == 4
    assert "<td>macs-0.5</td>" in page
