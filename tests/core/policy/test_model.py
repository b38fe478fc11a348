"""What an admin writes: the schema takes what the proxy takes."""

import jsonschema
import pytest

from proxy.core.policy import Path, schema
from tests.core.policy.documents import GOOD, changed
from tests.core.policy.mistakes import WRONG


def accepts(tree: object) -> bool:
    return jsonschema.Draft202012Validator(schema()).is_valid(tree)


def test_the_schema_is_a_schema_and_takes_a_good_document() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert accepts(GOOD)


# A regular expression that said what is printable would help nobody.
@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, value, message in WRONG if "x1b" not in message]
)
def test_an_editor_refuses_what_the_proxy_refuses(path: Path, value: object) -> None:
    assert not accepts(changed(path, value))
