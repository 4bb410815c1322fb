from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.results.breakdown import Breakdown, LayerShare, SubnetworkShare

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.engine.storage.artefact import Artefact, Workspace


def test_the_tables_come_back_from_their_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    part = SubnetworkShare(name="1", channels=8, kept_channels=3, saved_macs=100, impairment=0.25, accuracy_lost=-0.125)
    layer = LayerShare(name="a.b", subnetwork="1", channels=8, kept_channels=3, macs=10, kept_macs=4, impairment=None)
    breakdown = Breakdown([part], [layer])
    breakdown.save(out)
    assert stored().files == ["breakdown.json"]
    assert Breakdown.load(stored()) == breakdown
