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


def test_a_version_1_quota_may_be_a_part_of_a_cpu(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "4:cpu:/\n")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")

    assert cgroup.cpus(str(tmp_path)) == 3


# -- memory


def second(root: Path, group: str, **files: object) -> None:
    """A group of version 2."""
    for name, content in files.items():
        write(root, f"sys/fs/cgroup/{group}/memory.{name}", f"{content}\n")


STAT = "anon 700\nfile 250\nshmem 30\ninactive_file 150\nactive_file 70\nslab_reclaimable 9"


def test_a_version_2_group_has_used_what_is_no_file_cache(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    second(tmp_path, ".", max=1000, high="max", current=950, stat=STAT)

    assert cgroup.memory(str(tmp_path)) == (1000, 730)


def test_being_slowed_down_is_a_limit_too(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    second(tmp_path, ".", max=1000, high=800, current=400)

    assert cgroup.memory(str(tmp_path)) == (800, 400)


def test_the_group_that_is_nearest_to_its_limit_counts(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/jobsup.slice/jobsup.service\n")
    second(tmp_path, "jobsup.slice", max=1000, current=900)
    second(tmp_path, "jobsup.slice/jobsup.service", max=500, current=400)

    room = cgroup.memory(str(tmp_path))
    assert room == (1000, 900)
    assert room.share == 0.9


def test_a_version_1_group_counts_the_caches_of_the_groups_below(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n")
    stat = "inactive_file 1\nactive_file 2\ntotal_inactive_file 100\ntotal_active_file 200"
    for name, content in (("limit_in_bytes", 1000), ("usage_in_bytes", 800), ("stat", stat)):
        write(tmp_path, f"sys/fs/cgroup/memory/memory.{name}", f"{content}\n")

    assert cgroup.memory(str(tmp_path)) == (1000, 500)


@pytest.mark.parametrize("limit", ["9223372036854771712", "rubbish", "", "-1"])
def test_a_version_1_group_without_a_limit_has_none(tmp_path: Path, limit: str) -> None:
    write(tmp_path, "proc/self/cgroup", "5:memory:/\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", limit)
    write(tmp_path, "sys/fs/cgroup/memory/memory.usage_in_bytes", "800\n")

    assert cgroup.memory(str(tmp_path)) is None


def test_where_there_are_no_groups_there_is_no_limit_of_memory(tmp_path: Path) -> None:
    assert cgroup.memory(str(tmp_path)) is None
