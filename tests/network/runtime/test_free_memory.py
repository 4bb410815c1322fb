from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emopms.network.runtime import free_memory as memory

MiB = 2**20
FILES = {
    "/proc/meminfo": "MemTotal:  9000 kB\nMemAvailable:    8192 kB\n",
    "/sys/fs/cgroup/memory.max": f"{5 * MiB}\n",
    "/sys/fs/cgroup/memory.current": f"{3 * MiB}\n",
    "/sys/fs/cgroup/memory.stat": f"anon {MiB}\ninactive_file {2 * MiB}\nactive_file 7\n",
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The files that a machine tells its memory in, to be changed."""
    files = dict(FILES)

    def read(file: Path) -> str:
        if str(file) not in files:
            raise FileNotFoundError(file)
        return files[str(file)]

    monkeypatch.setattr(Path, "read_text", read)
    return files


def test_a_control_group_counts_but_not_the_files_that_it_caches(machine: dict[str, str]) -> None:
    assert memory.available_memory() == 4 * MiB
    assert memory.memory_budget("cpu") == MiB


def test_what_is_too_much_at_once_is_run_in_halves() -> None:
    sizes: list[int] = []

    def forward(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise MemoryError
        return batch * 2

    assert memory.split_on_oom(forward, torch.arange(7)).tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert sizes == [7, 3, 1, 2, 4, 2, 2]


@pytest.mark.parametrize("error", [MemoryError("one image"), RuntimeError("no such layer")])
def test_what_halves_do_not_mend_is_raised(error: Exception) -> None:
    def forward(batch: torch.Tensor) -> torch.Tensor:
        raise error

    with pytest.raises(type(error), match=str(error)):
        memory.split_on_oom(forward, torch.zeros(4))


def test_an_older_kind_of_control_group_counts(machine: dict[str, str]) -> None:
    older = {
        "limit_in_bytes": f"{5 * MiB}\n",
        "usage_in_bytes": f"{4 * MiB}\n",
        "stat": f"inactive_file 9\ntotal_inactive_file {MiB}\n",
    }
    machine.clear()
    machine |= {f"/sys/fs/cgroup/memory/memory.{name}": text for name, text in older.items()}
    assert memory.available_memory() == 2 * MiB


def test_without_a_limit_the_machine_counts(machine: dict[str, str]) -> None:
    machine["/sys/fs/cgroup/memory.max"] = "max\n"
    assert memory.available_memory() == 8 * MiB


def test_without_control_groups_the_machine_counts(machine: dict[str, str]) -> None:
    for name in ("max", "current", "stat"):
        del machine[f"/sys/fs/cgroup/memory.{name}"]
    assert memory.available_memory() == 8 * MiB


def test_where_nothing_tells_half_of_what_there_is_counts(machine: dict[str, str]) -> None:
    machine.clear()
    assert memory.available_memory() > 0
    assert memory.memory_budget("cpu") <= 2 * 2**30
