"""YAML that is data and says each thing once."""

from __future__ import annotations

from typing import Any

from yaml import MappingNode, Node, SafeLoader, SequenceNode, YAMLError

from ads_det.files import first_twice

_MOST = 10**6  # values that a file may have once its aliases are written out


class PlainLoader(SafeLoader):
    """Refuses tags, which may run code, a key twice in a mapping, and aliases of aliases that a few
    lines of text make millions of.

    Raises:
        YAMLError: then.
    """

    def get_single_node(self) -> Node | None:
        node: Node | None = super().get_single_node()
        if node is not None and _size(node, {}) > _MOST:
            raise YAMLError(f"its aliases stand for more than {_MOST} values")
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key.value, str)]
        twice = first_twice(names)
        if twice is not None:
            raise YAMLError(f"the key {twice!r} twice in a mapping")
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


class TextLoader(PlainLoader):
    """Takes all values but null as texts: ``no``, ``1.0`` and ``007`` may be names."""

    yaml_implicit_resolvers = {
        begin: [pair for pair in pairs if pair[0].rpartition(":")[2] in ("null", "merge")]
        for begin, pairs in SafeLoader.yaml_implicit_resolvers.items()
    }


def _size(node: Node, known: dict[int, float]) -> float:
    """Values of a node with its aliases written out; infinite where one is in itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        parts: list[Node] = []
        if isinstance(node, SequenceNode):
            parts = node.value
        elif isinstance(node, MappingNode):
            parts = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
