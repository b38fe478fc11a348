"""Which documents there are: the kinds, each with the model that it is read by."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import WithDefaultSchema

from proxy.core.policy import model, testmodel
from proxy.core.policy.model import AccessPolicy
from proxy.core.policy.testmodel import PolicyTest

AnyDocument = AccessPolicy | PolicyTest

KINDS: Final[Mapping[str, type[AnyDocument]]] = {
    model.KIND: AccessPolicy,
    testmodel.KIND: PolicyTest,
}


def schema() -> dict[str, Any]:
    """The JSON Schema of a document of any kind, for editors."""
    documents: TypeAdapter[AnyDocument] = TypeAdapter(AnyDocument)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **documents.json_schema(schema_generator=_GenerateSchema),
    }


class _GenerateSchema(GenerateJsonSchema):
    """Without titles and defaults, which say nothing that is not there already."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - as inherited
        return False

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])
