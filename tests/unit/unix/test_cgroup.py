"""CPUs that the container allows, read from made-up /proc and /sys trees."""

from pathlib import Path

import pytest

from jobsup.unix import cgroup


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(8)), raising=False)


def write(root: Path, path: str, content: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


@pytest.mark.parametrize(("quota", "cpus"), [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1)])
def test_a_version_2_quota_counts_a_part_of_a_cpu_as_one(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", quota)

    assert cgroup.cpus(str(tmp_path)) == cpus


def test_the_tightest_group_above_decides(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/pod/container\n")
    write(tmp_path, "sys/fs/cgroup/pod/cpu.max", "300000 100000")
    write(tmp_path, "sys/fs/cgroup/pod/container/cpu.max", "max 100000")

    assert cgroup.cpus(str(tmp_path)) == 3


def test_a_version_1_quota_is_found_even_when_the_path_is_the_hosts(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n")
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n")
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")

    assert cgroup.cpus(str(tmp_path)) == 4


@pytest.mark.parametrize("quota", ["max 100000", "-1", "rubbish", "", "100000 0"])
def test_without_a_quota_the_affinity_decides(tmp_path: Path, quota: str) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", quota)

    assert cgroup.cpus(str(tmp_path)) == 8


def test_where_there_are_no_groups_the_affinity_decides(tmp_path: Path) -> None:
    assert cgroup.cpus(str(tmp_path)) == 8


def test_this_machine_has_at_least_one() -> None:
    assert cgroup.cpus() >= 1
