"""Opens YAML that a setting names, and says what is wrong with it as the settings do."""

from collections.abc import Iterator
from contextlib import contextmanager

import yaml


@contextmanager
def opened_yaml(text: str) -> Iterator[tuple[yaml.SafeLoader, yaml.Node | None]]:
    """
    Yield the document in *text*, whose nodes know their lines, and what makes values of it.

    Raises:
        ValueError: It is not YAML, or the context found that values of it are not; the message
            names the line.
    """
    try:
        loader = yaml.SafeLoader(text)
        try:
            yield loader, loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"is not YAML{where}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"is not YAML: {str(error).splitlines()[0]}") from None
