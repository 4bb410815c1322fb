from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from emopms.network.inference.activation_cache import ActivationCache

SOURCE = torch.zeros(4)


def put(cache: ActivationCache, key: object, value: float, source: torch.Tensor = SOURCE, rows: int = 4) -> bool:
    tensor = cache.allocate(rows, torch.zeros(2, 64))
    if tensor is None:
        return False
    cache.keep(source, key, tensor.fill_(value))
    return True


def room_left(cache: ActivationCache) -> int:
    """Return how many bytes can be allocated in pieces of 64 numbers. This drops the entries that are not in use."""
    tensors = []
    while (tensor := cache.allocate(1, torch.zeros(1, 64))) is not None:
        tensors.append(tensor)
    for tensor in tensors:
        cache.release(tensor)
    return len(tensors) * 64 * 4


def value_of(cache: ActivationCache, *keys: object, source: torch.Tensor = SOURCE) -> tuple[int, float] | None:
    with cache.longest_prefix(source, keys) as found:
        return None if found is None else (found[0], float(found[1].mean()))


def test_the_last_of_the_keys_counts() -> None:
    cache = ActivationCache(2**20)
    put(cache, "a", 1.0)
    put(cache, "b", 2.0)
    assert value_of(cache, "a", "b", "c") == (1, 2.0)
    assert value_of(cache, "b", "a") == (1, 1.0)
    assert value_of(cache, "c") is None


def test_what_came_from_another_tensor_is_another_thing() -> None:
    cache = ActivationCache(2**20)
    put(cache, "a", 1.0)
    assert value_of(cache, "a", source=SOURCE.clone()) is None


def test_the_least_recently_used_is_forgotten_and_its_memory_used_again() -> None:
    cache = ActivationCache(3 * 4 * 64 * 4)
    for key in range(3):
        put(cache, key, key)
    with cache.longest_prefix(SOURCE, [1]) as found:
        assert found is not None
        address = found[1].data_ptr()
    value_of(cache, 0)
    put(cache, 3, 3.0)
    assert value_of(cache, 2) is None
    assert [value_of(cache, key) for key in (0, 1, 3)] == [(0, 0.0), (0, 1.0), (0, 3.0)]
    value_of(cache, 0)
    value_of(cache, 3)
    put(cache, 4, 4.0)
    with cache.longest_prefix(SOURCE, [4]) as found:
        assert found is not None
        assert found[1].data_ptr() == address


def test_what_is_in_use_is_not_forgotten() -> None:
    cache = ActivationCache(2 * 4 * 64 * 4)
    put(cache, "a", 1.0)
    put(cache, "b", 2.0)
    with cache.longest_prefix(SOURCE, ["a"]) as a, cache.longest_prefix(SOURCE, ["b"]) as b:
        assert a is not None
        assert b is not None
        assert not put(cache, "c", 3.0)
        assert (float(a[1].mean()), float(b[1].mean())) == (1.0, 2.0)
    assert put(cache, "c", 3.0)


@pytest.mark.parametrize("room", [0, 4 * 64 * 4 - 1])
def test_nothing_is_cache_where_there_is_no_room(room: int) -> None:
    assert not put(ActivationCache(room), "a", 1.0)


def test_what_has_no_room_at_all_drives_nothing_out() -> None:
    cache = ActivationCache(2 * 4 * 64 * 4)
    put(cache, "a", 1.0)
    assert not put(cache, "b", 2.0, rows=9)
    assert value_of(cache, "a") == (0, 1.0)


def test_what_is_given_back_or_forgotten_leaves_its_room() -> None:
    cache, piece = ActivationCache(2 * 4 * 64 * 4), torch.zeros(2, 64)
    tensor, other = cache.allocate(4, piece), cache.allocate(4, piece)
    assert tensor is not None
    assert other is not None
    assert cache.allocate(4, piece) is None
    cache.release(tensor)
    cache.clear()
    cache.keep(SOURCE, "b", other)
    with cache.longest_prefix(SOURCE, ["b"]):
        assert room_left(cache) == 4 * 64 * 4, "an entry that was kept after clear() takes its room, too"
    cache.clear()
    assert room_left(cache) == 2 * 4 * 64 * 4


def test_things_of_other_sizes_make_room() -> None:
    cache = ActivationCache(4 * 4 * 64 * 4)
    for key in range(4):
        put(cache, key, key)
    assert put(cache, "large", 9.0, rows=8)
    assert value_of(cache, "large") == (0, 9.0)
    assert [value_of(cache, key) is None for key in range(4)] == [True, True, False, False]
    assert put(cache, "small", 5.0, rows=1)
    assert value_of(cache, "small") == (0, 5.0)


def test_space_has_the_layout_of_the_piece() -> None:
    piece = torch.zeros(2, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    tensor = ActivationCache(2**20).allocate(7, piece)
    assert tensor is not None
    assert tensor.shape == (7, 3, 5, 5)
    assert tensor.stride() == piece.stride()


def test_buffers_are_kept_after_success_and_released_after_an_error() -> None:
    cache, piece = ActivationCache(2 * 4 * 64 * 4), torch.ones(4, 64)

    def fill_and_fail() -> None:
        with cache.buffers(SOURCE, ["a", "b"]) as buffers:
            for buffer in buffers:
                buffer.add(piece, slice(0, 4))
            assert room_left(cache) == 0
            raise ValueError("spoilt")

    with pytest.raises(ValueError, match="spoilt"):
        fill_and_fail()
    assert value_of(cache, "a", "b") is None
    assert room_left(cache) == cache.room
    with cache.buffers(SOURCE, ["a", "b", "no room"]) as buffers:
        for number, buffer in enumerate(buffers):
            buffer.add(piece * number, slice(0, 4))
    assert value_of(cache, "a", "b", "no room") == (1, 1.0)
    assert value_of(cache, "a") == (0, 0.0)


def test_threads_share_it() -> None:
    cache = ActivationCache(20 * 4 * 64 * 4)

    def work(number: int) -> bool:
        put(cache, number % 50, number % 50)
        with cache.longest_prefix(SOURCE, [(number * 7) % 50]) as found:
            return found is None or float(found[1].mean()) == (number * 7) % 50

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(2000)))
