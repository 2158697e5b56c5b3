"""What the kernel's counters say of a death by SIGKILL."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobsup.unix.oom import Kills, Watch, kills


def system(root: Path, *, group: int, host: int, version: int, inside: str = "app") -> None:
    def write(path: str, text: str) -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write("proc/vmstat", f"nr_free_pages 1\noom_kill {host}\n")
    if version == 2:
        write("proc/self/cgroup", "0::/app\n")
        write(f"sys/fs/cgroup/{inside}/memory.events", f"oom 7\noom_kill {group}\noom_group_kill 0\n")
    else:
        write("proc/self/cgroup", "4:cpu:/x\n3:memory:/app\n0::/\n")
        write(f"sys/fs/cgroup/memory/{inside}/memory.oom_control", f"oom_kill_disable 0\noom_kill {group}\n")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("inside", ["app", "."])
def test_kills_of_our_group_are_counted_in_both_versions_with_and_without_a_namespace(
    tmp_path: Path, version: int, inside: str
) -> None:
    system(tmp_path, group=3, host=5, version=version, inside=inside)
    assert kills(str(tmp_path)) == Kills(3, 5)


def test_a_system_that_tells_nothing_explains_nothing(tmp_path: Path) -> None:
    assert kills(str(tmp_path)) == Kills(0, 0)
    assert Watch(str(tmp_path)).explains() == ""


def test_each_kill_explains_one_death(tmp_path: Path) -> None:
    system(tmp_path, group=1, host=1, version=2)
    watch = Watch(str(tmp_path))
    assert watch.explains() == ""
    system(tmp_path, group=3, host=3, version=2)
    assert [watch.explains() for _ in range(3)] == ["out of memory", "out of memory", ""]


def test_a_kill_elsewhere_on_the_host_is_only_a_perhaps(tmp_path: Path) -> None:
    system(tmp_path, group=0, host=0, version=2)
    watch = Watch(str(tmp_path))
    system(tmp_path, group=0, host=1, version=2)
    assert watch.explains().startswith("perhaps out of memory")
    assert watch.explains() == ""
