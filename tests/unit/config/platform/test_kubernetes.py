"""Every rule for manifests: what breaks it, and where and what is said."""

from collections.abc import Sequence

import pytest

from jobsup.config.platform.kubernetes import check
from profiles import GIVEN

GOOD = """\
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 75
      containers:
        - name: jobs
          image: jobs
          args: [-C, configs/heavy.yml, --health, "0.0.0.0:7433"]
          env:
            - {name: JOBSUP_GRACE, value: "75"}
          ports: [{name: health, containerPort: 7433}]
          livenessProbe:
            httpGet: {path: /live, port: health}
          readinessProbe:
            httpGet: {path: /ready, port: 7433}
          resources:
            limits: {memory: 1Gi, cpu: "2"}
        - name: proxy
          image: proxy
"""
IMAGE = "          image: jobs\n"
PRE_STOP = IMAGE + "          lifecycle:\n            preStop: "


def found(*changes: tuple[str, str]) -> Sequence[str]:
    text = GOOD
    for before, after in changes:
        assert text.count(before) >= 1, before
        text = text.replace(before, after)
    return [f"{problem.level}: {problem}" for problem in check(text, "d.yaml", GIVEN)]


def test_a_manifest_that_goes_with_its_profile_has_no_problem() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [("Seconds: 75", "Seconds: 60"), ('"75"', '"60"')],
            "error: d.yaml:6: a stop of 'heavy' may take 67s, but the pod is killed after 60s; "
            "set terminationGracePeriodSeconds: 67, or lower max_timeout",
        ),
        (
            [("      terminationGracePeriodSeconds: 75\n", ""), ('"75"', '"30"')],
            "error: d.yaml:6: a stop of 'heavy' may take 67s, but the pod is killed after 30s (Kubernetes' default); "
            "set terminationGracePeriodSeconds: 67, or lower max_timeout",
        ),
        (
            [('"75"', '"90"')],
            "error: d.yaml:12: JOBSUP_GRACE is 90, but the pod's grace is 75s; make them equal",
        ),
        (
            [("JOBSUP_GRACE", "OTHER")],
            "warning: d.yaml:8: JOBSUP_GRACE is not set, so a stop is not cut to the pod's grace; set it to 75",
        ),
        (
            [(IMAGE, PRE_STOP + "{sleep: {seconds: 10}}\n")],
            "error: d.yaml:11: preStop sleeps 10s of the grace of 75s, and a stop may take 67s after it; "
            "remove the hook (TERM alone stops fetching), or raise terminationGracePeriodSeconds",
        ),
        (
            [(IMAGE, PRE_STOP + '{exec: {command: [sh, -c, "jobsup ctl quiet; sleep 10"]}}\n')],
            "error: d.yaml:11: preStop sleeps 10s of the grace of 75s, and a stop may take 67s after it; "
            "remove the hook (TERM alone stops fetching), or raise terminationGracePeriodSeconds",
        ),
        (
            [("args: [-C", "command: [sh, -c, 'jobsup -C configs/heavy.yml --health 0.0.0.0:7433']\n          x: [-C")],
            "error: d.yaml:10: sh is pid 1 and does not pass TERM on to jobsup; "
            "name jobsup itself as the command, or write exec before it",
        ),
        (
            [(IMAGE, IMAGE + "          lifecycle: {stopSignal: SIGQUIT}\n")],
            "error: d.yaml:8: the stop signal is SIGQUIT, which does not drain; use SIGTERM",
        ),
        (
            [("{memory: 1Gi, cpu", "{cpu")],
            "error: d.yaml:18: there is no memory limit, so jobs that grow take the node's memory, and others are "
            "killed for it; set resources.limits.memory",
        ),
        (
            [("path: /live", "path: /ready")],
            "error: d.yaml:15: the liveness probe asks /ready, which fails while Redis is away, and a restart would "
            "interrupt the jobs that still run; ask /live, or jobsup ctl ping",
        ),
        (
            [("httpGet: {path: /live, port: health}", "exec: {command: [sh, -c, redis-cli ping]}")],
            "error: d.yaml:15: the liveness probe asks redis-cli, which fails while Redis is away, and a restart would "
            "interrupt the jobs that still run; ask /live, or jobsup ctl ping",
        ),
        (
            [("httpGet: {path: /live, port: health}", "exec: {command: [jobsup, stats]}")],
            "error: d.yaml:15: the liveness probe asks stats, which fails while Redis is away, and a restart would "
            "interrupt the jobs that still run; ask /live, or jobsup ctl ping",
        ),
        (
            [("port: 7433}", "port: 8080}")],
            "error: d.yaml:17: the readinessProbe asks port 8080, but probes are answered on 7433; make them equal",
        ),
        (
            [(', cpu: "2"', "")],
            "warning: d.yaml:18: processes: auto of heavy counts the node's CPUs, as there is no CPU limit; "
            "set resources.limits.cpu, or a number of processes",
        ),
    ],
)
def test_each_mismatch_is_one_sentence_with_its_place(changes: list[tuple[str, str]], said: str) -> None:
    assert found(*changes) == [said]


def test_a_hook_that_waits_needs_to_know_the_grace() -> None:
    hook = (IMAGE, PRE_STOP + "{exec: {command: [jobsup, ctl, drain, --wait]}}\n")

    assert found(hook) == []
    assert found(hook, ("JOBSUP_GRACE", "OTHER"))[-1] == (
        "error: d.yaml:11: preStop waits for the jobs, and without JOBSUP_GRACE it may use up the whole grace, so that "
        "TERM never comes; set JOBSUP_GRACE"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((', --health, "0.0.0.0:7433"', ""), "asks over HTTP, but nobody answers; add --health 0.0.0.0:7433"),
        (
            ('"0.0.0.0:7433"', '"127.0.0.1:7433"'),
            "comes from outside of the pod, but 127.0.0.1 is only heard inside it",
        ),
    ],
)
def test_probes_need_somebody_who_answers(change: tuple[str, str], said: str) -> None:
    problems = found(change)

    assert len(problems) == 2  # one for each probe
    assert all(said in problem for problem in problems)


def test_a_budget_counts_only_for_the_profiles_that_the_container_runs() -> None:
    assert found(("heavy.yml", "sidekiq.yml"), ("75", "27")) == []


@pytest.mark.parametrize(
    "wrapped",
    [
        "kind: Pod\nspec:\n  containers: [{command: [jobsup]}]\n",
        "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{command: [jobsup]}]}}}}}\n",
        "kind: List\nitems:\n- kind: Pod\n  spec:\n    containers: [{command: [jobsup]}]\n",
        "a: 1\n---\nkind: Pod\nspec:\n  containers: []\n"
        "  initContainers: [{command: [jobsup], restartPolicy: Always}]\n",
    ],
)
def test_a_container_is_found_wherever_a_pod_is_described(wrapped: str) -> None:
    assert any("there is no memory limit" in str(problem) for problem in check(wrapped, "d.yaml", GIVEN))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\n", "d.yaml: is not valid YAML, line 2"),
        ("", "d.yaml: no container runs jobsup here; name the file that has its Deployment"),
        ("spec: 5\n", "d.yaml: no container runs jobsup here; name the file that has its Deployment"),
        ("[" * 5000, "d.yaml: is not valid YAML"),
        ("spec: {containers: {a: 1}}", "d.yaml: no container runs jobsup here; name the file that has its Deployment"),
        ("? [a, b]\n: 1\n", "d.yaml: is not valid YAML"),
    ],
)
def test_what_is_no_manifest_is_said_to_be_none(text: str, said: str) -> None:
    assert next(str(problem) for problem in check(text, "d.yaml", GIVEN)).startswith(said.split(", line")[0])


def test_anchors_and_merges_are_followed() -> None:
    text = GOOD.replace("limits: {memory: 1Gi", "limits: &l {memory: 1Gi").replace(
        "image: proxy",
        "image: jobs\n          command: [jobsup, -C, sidekiq.yml]\n          resources: {limits: {<<: *l}}",
    )
    assert [str(p) for p in check(text, "d.yaml", GIVEN)] == [
        "d.yaml:20: JOBSUP_GRACE is not set, so a stop is not cut to the pod's grace; set it to 75"
    ]
