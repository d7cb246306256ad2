"""Writes src/sealane/kube/shapes from src/sealane/kube/facts.json: the same facts, for the type checker.

    python tools/shapes.py

tools/facts.py does so too whenever it makes the facts. A module for each API group and version holds one TypedDict for
each type; `shapes/__init__` names an `Object` for each kind.
"""

from __future__ import annotations

import json
from collections import defaultdict
from keyword import iskeyword
from pathlib import Path
from typing import Any

KUBE = Path(__file__).parent.parent / "src/sealane/kube"
OUT = KUBE / "shapes"

WORDS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "bytes": "str",
    "time": "str",
    "quantity": "str | int | float",
    "int-or-string": "int | str",
    "any": "Any",
}
WRITTEN = "Written by tools/shapes.py from the facts; for the type checker only, never imported at run time."


def module_of(name: str) -> str:
    """core.v1.Pod is in `core_v1`, gateway.v1.HTTPRoute.spec.rules in `gateway_v1`."""
    group, version, _ = name.split(".", 2)
    return f"{group}_{version}"


def class_of(name: str) -> str:
    """core.v1.Pod is `Pod`, gateway.v1.HTTPRoute.spec.rules is `HTTPRouteSpecRules`."""
    return "".join(part[0].upper() + part[1:] for part in name.split(".")[2:])


def rendered(fact: str | list[Any], module: str) -> str:
    """The annotation of a field with this fact, as `module` writes it."""
    text, extras = (fact, {}) if isinstance(fact, str) else fact
    required = text.endswith("!")
    text = text.removesuffix("!")
    before = after = ""
    while text[:2] in ("[]", "{}"):
        before += "list[" if text.startswith("[]") else "dict[str, "
        after += "]"
        text = text[2:]
    if text in WORDS:
        element = WORDS[text]
        if text == "string" and "enum" in extras:
            element = f"Literal[{', '.join(json.dumps(value) for value in extras['enum'])}]"
    else:
        home = module_of(text)
        element = class_of(text) if home == module else f"{home}.{class_of(text)}"
    whole = f"{before}{element}{after}"
    return f"Required[{whole}]" if required else whole


def modules_in(fields: dict[str, Any]) -> set[str]:
    found = set()
    for fact in fields.values():
        text = (fact if isinstance(fact, str) else fact[0]).removesuffix("!").replace("[]", "").replace("{}", "")
        if text not in WORDS:
            found.add(module_of(text))
    return found


def written(name: str, fields: dict[str, Any], module: str) -> str:
    """One TypedDict. A field that Python has a word for, as "from", needs the other way to write the class."""
    facts = {field: rendered(fact, module) for field, fact in fields.items()}
    if any(iskeyword(field) or not field.isidentifier() for field in facts):
        rows = "".join(f'        "{field}": "{annotation}",\n' if '"' not in annotation else
                       f"        \"{field}\": '{annotation}',\n" for field, annotation in facts.items())  # fmt: skip
        return f'{class_of(name)} = TypedDict(\n    "{class_of(name)}",\n    {{\n{rows}    }},\n    total=False,\n)\n'
    rows = "".join(f"    {field}: {annotation}\n" for field, annotation in facts.items())
    return f"class {class_of(name)}(TypedDict, total=False):\n{rows or '    pass' + chr(10)}"


def module_text(module: str, types: dict[str, dict[str, Any]]) -> str:
    classes = "\n\n".join(written(name, types[name], module) for name in sorted(types))
    words = [word for word in ("Any", "Literal", "Required", "TypedDict") if word in classes]
    others = sorted({other for fields in types.values() for other in modules_in(fields)} - {module})
    imports = f"from typing import {', '.join(words)}\n"
    if others:
        imports += f"\nfrom sealane.kube.shapes import {', '.join(others)}\n"
    what = f"Types of {module.replace('_', '/')}."
    return f'"""{what}\n\n{WRITTEN}\n"""\n\nfrom __future__ import annotations\n\n{imports}\n\n{classes}'


def kinds_text(kinds: dict[str, str], types: dict[str, dict[str, Any]]) -> str:
    """The package: `Pod` is an `Object` whose raw, spec and status are the types of a Pod. The first version counts."""
    chosen: dict[str, str] = {}
    for served, name in sorted(kinds.items(), key=lambda item: _age(item[0])):
        chosen.setdefault(served.rpartition(" ")[2], name)

    def part(name: str, field: str) -> str:
        fact = types[name].get(field, "any")
        text = (fact if isinstance(fact, str) else fact[0]).removesuffix("!")
        return rendered(text, "")

    rows = "".join(
        f"    {kind} = Object[{module_of(name)}.{class_of(name)}, {part(name, 'spec')}, {part(name, 'status')}]\n"
        for kind, name in sorted(chosen.items())
    )
    words = "    from typing import Any\n\n" if "Any" in rows else ""
    modules = sorted(word for word in {module_of(name) for name in types} if f"{word}." in rows)
    imports = "".join(f"        {module},\n" for module in modules)
    what = "Objects by kind: what they hold in the API's own spelling, so that a field that is not there is an error."
    return (
        f'"""{what}\n\n{WRITTEN}\n"""\n\nfrom __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\n'
        f"if TYPE_CHECKING:\n{words}    from sealane.kube.objects import Object\n"
        f"    from sealane.kube.shapes import (\n{imports}    )\n\n{rows}"
    )


def _age(served: str) -> tuple[bool, str]:
    """Stable versions before others, older ones before newer ones, core/v1's Event before that of events.k8s.io."""
    version = served.rpartition(" ")[0].rpartition("/")[2]
    return "alpha" in version or "beta" in version, served


def shapes(facts: dict[str, Any]) -> dict[str, str]:
    """Text of each module by file name."""
    by_module: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for name, fields in facts["types"].items():
        by_module[module_of(name)][name] = fields
    made = {f"{module}.py": module_text(module, types) for module, types in sorted(by_module.items())}
    return made | {"__init__.py": kinds_text(facts["kinds"], facts["types"])}


def write() -> None:
    OUT.mkdir(exist_ok=True)
    made = shapes(json.loads((KUBE / "facts.json").read_text()))
    for path in OUT.glob("*.py"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (OUT / name).write_text(text)
    print(f"{OUT.name}: {len(made)} modules, {sum(text.count(chr(10)) for text in made.values())} lines")


if __name__ == "__main__":
    write()
