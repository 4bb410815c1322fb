"""The cache of dense features at the split points."""

from __future__ import annotations

import torch

from emopms.engine.session.boundary_features import BoundaryFeatures


def test_features_are_given_once() -> None:
    cache, features = BoundaryFeatures(), torch.ones(2, 3)
    cache.put(1, features)
    assert cache.take(1) is features
    assert cache.take(1) is None, "the memory is free again"


def test_features_of_other_sub_networks_are_not_given() -> None:
    cache, first, second = BoundaryFeatures(), torch.zeros(1), torch.ones(1)
    assert cache.take(0) is None
    cache.put(1, first)
    cache.put(2, second)
    assert cache.take(3) is None
    assert cache.take(2) is second
    assert cache.take(1) is first


def test_newer_features_replace_older_ones() -> None:
    cache, newer = BoundaryFeatures(), torch.ones(1)
    cache.put(1, torch.zeros(1))
    cache.put(1, newer)
    assert cache.take(1) is newer
