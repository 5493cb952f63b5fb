"""Read Mermaid diagrams, as far as the documentation uses them."""

import re
from dataclasses import dataclass

NODE = re.compile(r"^(\w+)(?:\(\[|\[\(|\[/|\[)\"(.+?)\"(?:\]\)|\)\]|/\]|\])$")
EDGE = re.compile(r"^(\w+) (?:--|-\.) ?(?:\"(.+?)\" ?)?(?:-->|->|\.->|>) (\w+)$")
PARTICIPANT = re.compile(r"^participant (\w+)(?: as (.+))?$")
MESSAGE = re.compile(r"^(\w+)-?->>(\w+): (.+)$")
#: Lines that only arrange the picture.
LAYOUT = re.compile(r"^(flowchart \w+|sequenceDiagram|note .*)?$")


@dataclass(frozen=True)
class Edge:
    """An arrow of a flowchart, with the lines of its label."""

    source: str
    target: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Flowchart:
    """A flowchart: the lines of each node's label, and the arrows."""

    nodes: dict[str, list[str]]
    edges: list[Edge]


@dataclass(frozen=True)
class Message:
    """A message of a sequence diagram."""

    source: str
    target: str
    text: str

    @property
    def name(self) -> str:
        """First word, without arguments."""
        return re.split(r"[(\s]", self.text, maxsplit=1)[0]


@dataclass(frozen=True)
class Sequence:
    """A sequence diagram: the label of each participant, and the messages in order."""

    participants: dict[str, str]
    messages: list[Message]


def flowchart(text: str) -> Flowchart:
    """Read a flowchart with one node or arrow a line.

    Raises:
      ValueError: A line is neither.
    """
    nodes: dict[str, list[str]] = {}
    edges = []
    for line in _lines(text):
        if node := NODE.match(line):
            nodes[node[1]] = node[2].split("<br/>")
        elif edge := EDGE.match(line):
            edges.append(Edge(edge[1], edge[3], tuple((edge[2] or "").split("<br/>")) if edge[2] else ()))
        else:
            raise ValueError(f"neither a node nor an arrow: {line!r}")
    return Flowchart(nodes, edges)


def sequence(text: str) -> Sequence:
    """Read a sequence diagram.

    Raises:
      ValueError: A line is neither a participant nor a message.
    """
    participants: dict[str, str] = {}
    messages = []
    for line in _lines(text):
        if participant := PARTICIPANT.match(line):
            participants[participant[1]] = participant[2] or participant[1]
        elif message := MESSAGE.match(line):
            messages.append(Message(*message.groups()))
        else:
            raise ValueError(f"neither a participant nor a message: {line!r}")
    return Sequence(participants, messages)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if not LAYOUT.match(line.strip())]
