"""The files for Kubernetes, Docker and Compose that come with jobsup."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

CONFIGS = Path(__file__).parents[3] / "configs"
FILES = sorted((CONFIGS / "kubernetes").glob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(path.read_text()) if found]


ALL = [(path.name, document) for path in FILES for document in documents(path)]
BUILT_IN = [pytest.param(d, id=f"{name} {d['kind']}") for name, d in ALL if "k8s.io/" not in d["apiVersion"]
            and d["kind"] not in ("ScaledObject", "PodMonitor")]  # fmt: skip

_NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
CUSTOM = {
    # From the CRDs of KEDA 2.x and of the Prometheus Operator, as far as these files use them; the rest is refused.
    "ScaledObject": {
        "type": "object",
        "required": ["scaleTargetRef", "triggers"],
        "additionalProperties": False,
        "properties": {
            "scaleTargetRef": _NAMED,
            "pollingInterval": {"type": "integer", "minimum": 1},
            "minReplicaCount": {"type": "integer", "minimum": 0},
            "maxReplicaCount": {"type": "integer", "minimum": 1},
            "advanced": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "horizontalPodAutoscalerConfig": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"behavior": {"type": "object"}},
                    }
                },
            },
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["type", "metadata"],
                    "additionalProperties": False,
                    "properties": {"type": {"enum": ["redis", "prometheus"]}, "metadata": _TEXTS},
                },
            },
        },
    },
    "PodMonitor": {
        "type": "object",
        "required": ["selector", "podMetricsEndpoints"],
        "additionalProperties": False,
        "properties": {
            "selector": {"type": "object", "properties": {"matchLabels": _TEXTS}},
            "podTargetLabels": {"type": "array", "items": {"type": "string"}},
            "podMetricsEndpoints": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "port": {"type": "string"},
                        "path": {"type": "string", "pattern": "^/"},
                        "interval": {"type": "string", "pattern": "^[0-9]+s$"},
                    },
                },
            },
        },
    },
}
TRIGGERS = {"redis": {"address", "listName", "listLength"}, "prometheus": {"serverAddress", "query", "threshold"}}


@pytest.mark.parametrize("document", BUILT_IN)
@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
def test_every_manifest_fits_the_official_schema(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_the_official_schema_would_find_a_mistake() -> None:
    [deployment] = documents(CONFIGS / "kubernetes" / "deployment-heavy.yaml")
    deployment["spec"]["template"]["spec"]["terminationGraceSeconds"] = 30

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.33", strict=True)


@pytest.mark.parametrize("document", [d for _, d in ALL if d["kind"] in CUSTOM], ids=lambda d: d["kind"])
def test_every_custom_resource_has_the_shape_of_its_definition(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(CUSTOM[document["kind"]]).validate(document["spec"])
    for trigger in document["spec"].get("triggers", []):
        assert trigger["metadata"].keys() >= TRIGGERS[trigger["type"]]


def test_what_scales_guards_and_scrapes_names_what_there_is() -> None:
    deployments = {d["metadata"]["name"]: d for _, d in ALL if d["kind"] == "Deployment"}
    labels = {name: d["spec"]["template"]["metadata"]["labels"] for name, d in deployments.items()}

    for name, document in ALL:
        if document["kind"] == "ScaledObject":
            assert document["spec"]["scaleTargetRef"]["name"] in deployments, name
        if document["kind"] == "PodDisruptionBudget":
            wanted = document["spec"]["selector"]["matchLabels"].items()
            assert wanted <= labels[document["metadata"]["name"]].items()
        if document["kind"] == "Kustomization":
            assert all((CONFIGS / "kubernetes" / file).is_file() for file in document["resources"])
            images = {c["image"].split(":")[0] for d in deployments.values()
                      for c in d["spec"]["template"]["spec"]["containers"]}  # fmt: skip
            assert images == {image["name"] for image in document["images"]}
    budgets = {d["metadata"]["name"] for _, d in ALL if d["kind"] == "PodDisruptionBudget"}
    assert budgets == deployments.keys()


def instructions() -> list[tuple[str, str]]:
    text = (CONFIGS / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_image_runs_jobsup_itself_as_a_user_without_rights_and_stops_it_by_term() -> None:
    found = instructions()
    last = dict(found[[name for name, _ in found].index("FROM", 1) :])

    assert [name for name, _ in found].count("FROM") == 2
    assert last["ENTRYPOINT"] == '["jobsup"]'
    assert re.fullmatch(r'\[("[^"]+"(, )?)+\]', last["CMD"])
    assert re.fullmatch(r"\d{4,}:\d{4,}", last["USER"])
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert "pip" not in last.get("RUN", "")


def test_the_image_is_built_from_what_the_ignore_file_lets_through() -> None:
    lines = (CONFIGS / "Dockerfile.dockerignore").read_text().splitlines()
    through = {line[1:] for line in lines if line.startswith("!")}
    copied = [word for name, value in instructions() if name == "COPY" and "--from" not in value
              for word in value.split()[:-1]]  # fmt: skip

    assert "*" in lines
    assert {word.split("/")[0] for word in copied} <= through
    assert all((CONFIGS.parent / word).exists() for word in [*through, *copied])


def test_the_compose_file_names_a_grace_for_every_jobsup() -> None:
    services = yaml.safe_load((CONFIGS / "compose.yaml").read_text())["services"]

    for name in ("jobs", "heavy"):
        service = services[name]
        assert service["stop_grace_period"] == service["environment"]["JOBSUP_GRACE"] + "s"
        assert (CONFIGS / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert (CONFIGS.parent / service["command"][1]).is_file()
        assert set(service["depends_on"]) <= set(services)
