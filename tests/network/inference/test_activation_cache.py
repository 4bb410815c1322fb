from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from emopms.network.inference.activation_cache import ActivationCache

SOURCE = torch.zeros(4)


def put(kept: ActivationCache, key: object, value: float, source: torch.Tensor = SOURCE, rows: int = 4) -> bool:
    allocate = kept.allocate(rows, torch.zeros(2, 64))
    if allocate is None:
        return False
    kept.keep(source, key, allocate.fill_(value))
    return True


def value_of(kept: ActivationCache, *keys: object, source: torch.Tensor = SOURCE) -> tuple[int, float] | None:
    with kept.longest_prefix(source, keys) as found:
        return None if found is None else (found[0], float(found[1].mean()))


def test_the_last_of_the_keys_counts() -> None:
    kept = ActivationCache(2**20)
    put(kept, "a", 1.0)
    put(kept, "b", 2.0)
    assert value_of(kept, "a", "b", "c") == (1, 2.0)
    assert value_of(kept, "b", "a") == (1, 1.0)
    assert value_of(kept, "c") is None


def test_what_came_from_another_tensor_is_another_thing() -> None:
    kept = ActivationCache(2**20)
    put(kept, "a", 1.0)
    assert value_of(kept, "a", source=SOURCE.clone()) is None


def test_the_least_recently_used_is_forgotten_and_its_memory_used_again() -> None:
    kept = ActivationCache(3 * 4 * 64 * 4)
    for key in range(3):
        put(kept, key, key)
    with kept.longest_prefix(SOURCE, [1]) as found:
        assert found is not None
        address = found[1].data_ptr()
    value_of(kept, 0)
    put(kept, 3, 3.0)
    assert value_of(kept, 2) is None
    assert [value_of(kept, key) for key in (0, 1, 3)] == [(0, 0.0), (0, 1.0), (0, 3.0)]
    value_of(kept, 0)
    value_of(kept, 3)
    put(kept, 4, 4.0)
    with kept.longest_prefix(SOURCE, [4]) as found:
        assert found is not None
        assert found[1].data_ptr() == address


def test_what_is_in_use_is_not_forgotten() -> None:
    kept = ActivationCache(2 * 4 * 64 * 4)
    put(kept, "a", 1.0)
    put(kept, "b", 2.0)
    with kept.longest_prefix(SOURCE, ["a"]) as a, kept.longest_prefix(SOURCE, ["b"]) as b:
        assert a is not None
        assert b is not None
        assert not put(kept, "c", 3.0)
        assert (float(a[1].mean()), float(b[1].mean())) == (1.0, 2.0)
    assert put(kept, "c", 3.0)


@pytest.mark.parametrize("room", [0, 4 * 64 * 4 - 1])
def test_nothing_is_kept_where_there_is_no_room(room: int) -> None:
    assert not put(ActivationCache(room), "a", 1.0)


def test_what_has_no_room_at_all_drives_nothing_out() -> None:
    kept = ActivationCache(2 * 4 * 64 * 4)
    put(kept, "a", 1.0)
    assert not put(kept, "b", 2.0, rows=9)
    assert value_of(kept, "a") == (0, 1.0)


def test_what_is_given_back_or_forgotten_leaves_its_room() -> None:
    kept, piece = ActivationCache(2 * 4 * 64 * 4), torch.zeros(2, 64)
    allocate, other = kept.allocate(4, piece), kept.allocate(4, piece)
    assert allocate is not None
    assert other is not None
    assert kept.allocate(4, piece) is None
    kept.release(allocate)
    kept.clear()
    kept.keep(SOURCE, "b", other)
    assert kept.bytes_used == 4 * 64 * 4, "what is kept after all was forgotten takes its room, too"
    kept.clear()
    assert kept.bytes_used == 0


def test_things_of_other_sizes_make_room() -> None:
    kept = ActivationCache(4 * 4 * 64 * 4)
    for key in range(4):
        put(kept, key, key)
    assert put(kept, "large", 9.0, rows=8)
    assert value_of(kept, "large") == (0, 9.0)
    assert [value_of(kept, key) is None for key in range(4)] == [True, True, False, False]
    assert put(kept, "small", 5.0, rows=1)
    assert value_of(kept, "small") == (0, 5.0)


def test_space_has_the_layout_of_the_piece() -> None:
    piece = torch.zeros(2, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    allocate = ActivationCache(2**20).allocate(7, piece)
    assert allocate is not None
    assert allocate.shape == (7, 3, 5, 5)
    assert allocate.stride() == piece.stride()


def test_threads_share_it() -> None:
    kept = ActivationCache(20 * 4 * 64 * 4)

    def work(number: int) -> bool:
        put(kept, number % 50, number % 50)
        with kept.longest_prefix(SOURCE, [(number * 7) % 50]) as found:
            return found is None or float(found[1].mean()) == (number * 7) % 50

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(2000)))
