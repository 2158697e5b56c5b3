"""Running one job in this thread."""

from typing import Any

from jobsup.jobs.registry import JobDefinition
from jobsup.middleware import chain


def perform(definition: JobDefinition, payload: dict[str, Any]) -> Any:
    """Run *definition* with *payload* inside the server middleware; returns and raises what the job does."""
    return chain.compose(chain.server, (definition, payload), lambda: definition.run(payload))()
