"""Reads OpenLineage events, one a line, into the classes of OpenLineage's own Python client, and writes them out again.

Fails for an event that has a field the client does not know, lacks one that it requires, or holds what one of its
validators refuses, and for a facet whose schema is not the one that the client has under that name. What is written is
what the client makes of the event.
"""

import json
import sys
import typing

import attr
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde

OWN = "urn:kedge:"


def facet_classes():
    modules = [getattr(facet_v2, name) for name in dir(facet_v2)]
    found = {}
    for module in modules:
        for name in dir(module):
            cls = getattr(module, name)
            if isinstance(cls, type) and attr.has(cls) and hasattr(cls, "_get_schema"):
                found[name] = cls
    return found


CLASSES = facet_classes()


def structure(cls, value):
    """`value`, which is of plain JSON, as the type that the client declares for it."""
    origin = typing.get_origin(cls)
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        options = [option for option in typing.get_args(cls) if option is not type(None)]
        return None if value is None else structure(options[0], value)
    if origin is list:
        return [structure(typing.get_args(cls)[0], item) for item in value]
    if isinstance(cls, type) and attr.has(cls):
        hints = typing.get_type_hints(cls)
        fields = {field.name: field for field in attr.fields(cls) if field.init}
        given = {name: item for name, item in value.items() if name not in ("_producer", "_schemaURL")}
        unknown = set(given) - set(fields)
        if unknown:
            raise ValueError(f"{cls.__name__} has no field {sorted(unknown)}")
        arguments = {name: structure(hints[name], item) for name, item in given.items()}
        if "_producer" in value:
            arguments["producer"] = value["_producer"]
        return cls(**arguments)
    return value


def facets(values):
    made = {}
    for key, value in (values or {}).items():
        schema = value["_schemaURL"]
        if schema.startswith(OWN):
            continue
        cls = CLASSES[schema.rsplit("/", 1)[1]]
        if cls._get_schema() != schema:
            raise ValueError(f"{key}: the client has {cls._get_schema()}, the event {schema}")
        made[key] = structure(cls, value)
    return made


def dataset(cls, value, side):
    return cls(
        namespace=value["namespace"],
        name=value["name"],
        facets=facets(value["facets"]),
        **{side: facets(value.get(side))},
    )


for line in sys.stdin:
    event = json.loads(line)
    read = event_v2.RunEvent(
        eventType=event_v2.RunState[event["eventType"]],
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=event_v2.Run(runId=event["run"]["runId"], facets=facets(event["run"]["facets"])),
        job=event_v2.Job(
            namespace=event["job"]["namespace"], name=event["job"]["name"], facets=facets(event["job"]["facets"])
        ),
        inputs=[dataset(event_v2.InputDataset, item, "inputFacets") for item in event["inputs"]],
        outputs=[dataset(event_v2.OutputDataset, item, "outputFacets") for item in event["outputs"]],
    )
    if read.schemaURL != event["schemaURL"]:
        raise ValueError(f"the client writes {read.schemaURL}, the event {event['schemaURL']}")
    print(Serde.to_json(read))
