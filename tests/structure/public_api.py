"""Writes the public API of the package `instant` that can be imported, as one flat table of names.

Run `python tests/structure/public_api.py > tests/structure/public_api.json` with PYTHONPATH set to the tree to read.
Its facts come from that tree only, so that the same program reads the old tree and the new one. The table is the same
on Python 3.10 to 3.13.

The table holds the public names of the modules in `MODULES` and of the documented ones: their `__all__`, or else the
public names that they define. It also holds settings, check ids, management commands, URLs, template tags and filters,
templates, static files, the constants of the protocol, the exports of the JavaScript client, models and migrations.
"""

from __future__ import annotations

import argparse
import ast
import enum
import importlib
import inspect
import json
import logging
import os
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ForwardRef

#: Modules whose public names are kept, besides those that the documentation names.
MODULES = (
    "instant",
    "instant.conf",
    "instant.events",
    "instant.exceptions",
    "instant.sockets",
    "instant.testing",
    "instant.views",
    "instant.windows",
    "instant.windows.middlewares",
    "instant.windows.testing",
)
DOCUMENTED = Path(__file__).with_name("documented_paths.json")
#: The module of the protocol's constants, by its name today and by its name at 8ff51c4.
PROTOCOL = ("instant.protocol", "instant.contract")
#: What Django adds to each model, some of it in some versions only.
_OF_DJANGO = {"DoesNotExist", "MultipleObjectsReturned", "NotUpdated"}
CHECK_ID = re.compile(r"instant\.[EWI]\d{3}")
LEVELS = {"E": "Error", "W": "Warning", "I": "Info"}

Table = dict[str, str]


def modules() -> list[str]:
    """Return the modules whose public names are kept."""
    documented = {path["module"] for path in json.loads(DOCUMENTED.read_text())["paths"]}
    return sorted({*MODULES, *documented} - {"instant.urls"})


def package() -> Path:
    """Return the directory of the package that is imported."""
    return Path(str(importlib.import_module("instant").__file__)).parent


def public_api(known: Iterable[str] = ()) -> Table:
    """Return the table. A name in `known` is read also where its module has it from another one."""
    parts: tuple[Callable[[], Iterable[tuple[str, str]]], ...] = (
        settings,
        checks,
        commands,
        urls,
        template_library,
        files,
        protocol,
        client_exports,
        models,
        migrations,
    )
    table = dict(row for part in parts for row in part())
    for module in modules():
        table.update(of_module(module, known))
    return dict(sorted(table.items()))


# Values, annotations and signatures as text that does not depend on where a name is defined.


def value(found: object) -> str:
    """Return the text of a value. It holds no address, no module and no order that changes."""
    if isinstance(found, enum.Enum):
        return f"{type(found).__name__}.{found.name}"
    if type(found).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
        return "<factory>"
    if found is None or isinstance(found, str | bytes | bool | int | float):
        return repr(found)
    if isinstance(found, re.Pattern):
        return f"re.compile({found.pattern!r})"
    if isinstance(found, types.ModuleType):
        return "module"
    if isinstance(found, types.GenericAlias | types.UnionType) or type(found).__module__ == "typing":
        return annotation(str(found))
    if isinstance(found, type) or inspect.isroutine(found):
        return found.__name__
    return _collection(found)


def _collection(found: object) -> str:
    if isinstance(found, Mapping):
        return "{" + ", ".join(f"{value(key)}: {value(item)}" for key, item in found.items()) + "}"
    if isinstance(found, set | frozenset):
        return "{" + ", ".join(sorted(map(value, found))) + "}"
    if isinstance(found, list | tuple):
        opening, closing = "[]" if isinstance(found, list) else "()"
        return opening + ", ".join(map(value, found)) + closing
    return repr(found) if type(found).__name__ == "Guard" else f"<{type(found).__name__}>"


def annotation(found: object) -> str:
    """Return an annotation as it is written, each dotted name by its last part."""
    if isinstance(found, ForwardRef):
        found = found.__forward_arg__
    text = found if isinstance(found, str) else found.__name__ if isinstance(found, type) else str(found)
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return text
    return ast.unparse(_LastParts().visit(tree))


class _LastParts(ast.NodeTransformer):
    """Replaces `a.b.C` by `C`."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Name(node.attr, ast.Load())


def signature(found: Callable[..., Any]) -> str:
    """Return the signature of a function as text."""
    given = inspect.signature(found)
    parts: list[str] = []
    before: Any = None
    for parameter in given.parameters.values():
        kind = parameter.kind
        if before == kind.POSITIONAL_ONLY != kind:
            parts.append("/")
        if kind == kind.KEYWORD_ONLY and before not in (kind.KEYWORD_ONLY, kind.VAR_POSITIONAL):
            parts.append("*")
        parts.append(_parameter(parameter))
        before = kind
    if before == inspect.Parameter.POSITIONAL_ONLY:
        parts.append("/")
    returns = "" if given.return_annotation is given.empty else f" -> {annotation(given.return_annotation)}"
    return f"({', '.join(parts)}){returns}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
    hint = "" if parameter.annotation is parameter.empty else f": {annotation(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {value(parameter.default)}"
    return f"{stars}{parameter.name}{hint}{default}"


def function(found: Callable[..., Any]) -> str:
    """Return what a function is, and its signature."""
    kind = "async def" if inspect.iscoroutinefunction(found) else "def"
    return f"{kind} {signature(found)}"


# Modules and classes.


def of_module(name: str, known: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield the public names of a module, and those of its classes."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        return
    yield name, "module"
    asked = {path[len(name) + 1 :] for path in known if path.rpartition(".")[0] == name}
    for public in sorted({*public_names(module), *asked}):
        found = getattr(module, public, None)
        if hasattr(module, public) and not isinstance(found, types.ModuleType | logging.Logger):
            yield from describe(f"{name}.{public}", found)


def public_names(module: types.ModuleType) -> set[str]:
    """Return `__all__` of a module, or else the public names that its source defines."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    names: set[str] = set()
    for node in _source(str(module.__file__)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@cache
def _source(file: str) -> ast.Module:
    return ast.parse(Path(file).read_text(encoding="utf-8"), file)


def describe(path: str, found: Any) -> Iterator[tuple[str, str]]:
    """Yield what a name is, and its members where it is a class of ours."""
    if isinstance(found, type) and _ours(found):
        yield path, _class(found)
        yield from _members(path, found)
    elif inspect.isroutine(found):
        yield path, function(found)
    else:
        yield path, value(found)


def _ours(found: type) -> bool:
    return found.__module__.split(".")[0] == "instant"


def _class(found: type) -> str:
    bases = ", ".join(base.__name__ for base in found.__bases__ if base is not object)
    return f"class ({bases}){_init(found)}"


def _init(found: type) -> str:
    """Return the signature of the class where a class of ours has a constructor."""
    for one in found.__mro__:
        for name in ("__init__", "__new__"):
            made = vars(one).get(name)
            made = getattr(made, "__func__", made)
            if isinstance(made, types.FunctionType) and (_ours(one) or made.__module__.startswith("namedtuple_")):
                if made.__module__ != "typing" and not issubclass(found, enum.Enum):
                    return f": {signature(found)}"
                return ""
    return ""


def _members(path: str, found: type) -> Iterator[tuple[str, str]]:
    """Yield the public members of a class, inherited ones too where they come from classes of ours."""
    ours = [one for one in found.__mro__ if _ours(one)]
    rows: Table = {}
    for one in reversed(ours):
        rows.update({f"{path}.{name}": text for name, text in _attributes_of(one)})
        for name, member in vars(one).items():
            if not name.startswith("_") and name not in _OF_DJANGO and not _is_setting(one, name):
                rows.update(_member(f"{path}.{name}", member, rows.get(f"{path}.{name}", "")))
    yield from rows.items()


def _is_setting(owner: type, name: str) -> bool:
    return name.isupper() and any(one.__name__ == "Settings" for one in owner.__mro__)


def _attributes_of(found: type) -> Iterator[tuple[str, str]]:
    """Yield the attributes that a class annotates, and those that its constructor sets."""
    for node in _class_source(found):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            yield from ((name, "attribute") for name in _set_on_self(node) if not name.startswith("_"))
    for name, hint in inspect.get_annotations(found).items():
        if not name.startswith("_") and not _is_setting(found, name):
            yield name, f"attribute: {annotation(hint)}"


def _set_on_self(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr


def _class_source(found: type) -> list[ast.stmt]:
    file = getattr(sys.modules.get(found.__module__), "__file__", None)
    nodes: list[ast.stmt] = _source(file).body if file else []
    for part in found.__qualname__.split("."):
        nodes = next((node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == part), [])
    return nodes


def _member(path: str, member: Any, annotated: str) -> Iterator[tuple[str, str]]:
    if isinstance(member, type) and _ours(member):
        yield from describe(path, member)
    elif text := _function(member):
        yield path, text
    elif inspect.isdatadescriptor(member) or inspect.ismethoddescriptor(member):
        if annotated:
            yield path, annotated
    elif not hasattr(member, "contribute_to_class") and not hasattr(member, "field"):
        yield path, f"{annotated or 'attribute'} = {value(member)}"


def _function(member: Any) -> str:
    """Return what a method or a property is, and "" for everything else."""
    if isinstance(member, classmethod | staticmethod):
        return f"{type(member).__name__} {function(member.__func__)}"
    if isinstance(member, property):
        return f"property{_returns(member.fget)}"
    if type(member).__name__ == "cached_property":  # Python's, or Django's
        return f"property{_returns(member.func)}"
    return function(member) if isinstance(member, types.FunctionType) else ""


def _returns(getter: Callable[..., Any] | None) -> str:
    found = inspect.signature(getter).return_annotation if getter else inspect.Signature.empty
    return "" if found is inspect.Signature.empty else f" -> {annotation(found)}"


# What is not a name in a module.


def settings() -> Iterator[tuple[str, str]]:
    """Yield each setting with its annotation and its default."""
    owner = importlib.import_module("instant.conf").Settings
    for one in owner.__mro__:
        for name, hint in inspect.get_annotations(one).items():
            if name.isupper():
                yield f"setting {name}", f"{annotation(hint)} = {value(getattr(owner, name))}"


def checks() -> Iterator[tuple[str, str]]:
    """Yield each check id that the source holds, with the level."""
    for path in sorted(package().rglob("*.py")):
        for found in CHECK_ID.findall(path.read_text(encoding="utf-8")):
            yield f"check {found}", LEVELS[found.split(".")[1][0]]


def commands() -> Iterator[tuple[str, str]]:
    """Yield each management command and its options; those that every command has are left out."""
    from django.core.management import get_commands, load_command_class
    from django.core.management.base import BaseCommand

    common = {action.dest: action.help for action in BaseCommand().create_parser("manage.py", "x")._actions}
    for name, app in sorted(get_commands().items()):
        if app != "instant":
            continue
        yield f"command {name}", "command"
        for action in load_command_class("instant", name).create_parser("manage.py", name)._actions:
            if action.dest not in common or action.help != common[action.dest]:
                yield f"command {name} {_option(action)}", _option_facts(action)


def _option(action: argparse.Action) -> str:
    return ", ".join(action.option_strings) or action.dest


def _option_facts(action: argparse.Action) -> str:
    choices = f", one of {value(list(action.choices))}" if action.choices is not None else ""
    kind = type(action).__name__.strip("_").removesuffix("Action")
    number = f", nargs {action.nargs!r}" if action.nargs is not None else ""
    converted = f", {action.type.__name__}" if isinstance(action.type, type) else ""
    return f"{kind} {action.dest}, default {value(action.default)}{choices}{number}{converted}"


def urls() -> Iterator[tuple[str, str]]:
    """Yield the pattern of each URL name."""
    for pattern in importlib.import_module("instant.urls").urlpatterns:
        yield f"url {pattern.name}", str(pattern.pattern)


def template_library() -> Iterator[tuple[str, str]]:
    """Yield the template tags and filters of `{% load instant %}`."""
    register = importlib.import_module("instant.templatetags.instant").register
    for name, found in register.tags.items():
        yield f"template tag {name}", signature(found)
    for name, found in register.filters.items():
        yield f"template filter {name}", signature(found)


def files() -> Iterator[tuple[str, str]]:
    """Yield the templates and static files."""
    for kind, directory in (("template", "templates"), ("static file", "static")):
        home = package() / directory
        for path in sorted(home.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield f"{kind} {path.relative_to(home).as_posix()}", "file"


def protocol() -> Iterator[tuple[str, str]]:
    """Yield the constants of the protocol."""
    for name in PROTOCOL:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        yield from (
            (f"protocol {constant}", value(getattr(module, constant)))
            for constant in sorted(public_names(module))
            if constant.isupper()
        )
        return


_EXPORT = re.compile(r"^export (?P<type>type )?\{(?P<names>[^}]*)\}", re.MULTILINE)
_DECLARED = re.compile(
    r"^export (?:declare )?(?P<kind>const|let|function|class|type|interface|enum) (?P<name>\w+)", re.M
)


def client_exports() -> Iterator[tuple[str, str]]:
    """Yield the names that the JavaScript client exports, and whether they are types."""
    text = (package().parent / "frontend" / "src" / "index.ts").read_text(encoding="utf-8")
    for match in _EXPORT.finditer(text):
        for entry in filter(None, map(str.strip, match["names"].split(","))):
            name = entry.removeprefix("type ").split(" as ")[-1].strip()
            yield f"client export {name}", "type" if match["type"] or entry.startswith("type ") else "value"
    for match in _DECLARED.finditer(text):
        yield f"client export {match['name']}", "type" if match["kind"] in ("type", "interface") else "value"


def models() -> Iterator[tuple[str, str]]:
    """Yield the models, their tables and their fields."""
    from django.apps import apps

    for model in apps.get_app_config("instant").get_models():
        yield f"model {model.__name__}", f"table {model._meta.db_table}"
        for field in [*model._meta.local_fields, *model._meta.local_many_to_many]:
            yield f"model {model.__name__}.{field.name}", _field(field)


def _field(field: Any) -> str:
    _, _, arguments, options = field.deconstruct()
    kept = {name: option for name, option in options.items() if name not in ("verbose_name", "help_text")}
    if "choices" in kept:
        kept["choices"] = [choice for choice, _ in kept["choices"]]
    shown = [value(argument) for argument in arguments] + [f"{name}={value(kept[name])}" for name in sorted(kept)]
    return f"{type(field).__name__}({', '.join(shown)})"


def migrations() -> Iterator[tuple[str, str]]:
    """Yield the names of the migrations."""
    for path in sorted((package() / "migrations").glob("[0-9]*.py")):
        yield f"migration {path.stem}", "file"


def main() -> None:
    """Write the table to the standard output."""
    import django

    parser = argparse.ArgumentParser(description="Write the public API of the package instant that can be imported.")
    parser.add_argument("--known", type=Path, help="a table whose names are read wherever their modules have them from")
    options = parser.parse_args()
    # An editable install would lend modules of its tree to another one.
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "_EditableFinder"]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    known = json.loads(options.known.read_text(encoding="utf-8")) if options.known else {}
    json.dump(public_api(known), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
