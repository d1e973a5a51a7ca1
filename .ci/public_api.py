"""The public names of the library, read from its source, one `path: kind` a line, sorted.

usage: public_api.py            compares with docs/public_api.txt and fails where they differ
       public_api.py --write    writes docs/public_api.txt

Counted are modules that are public all the way from the root, items declared `pub` in them, what they re-export by `pub use` (a glob
brings the public items of its module), variants of enums, public fields, and public functions of inherent `impl` blocks. Methods of
traits count with their trait. The prelude, a second path of what everybody imports, is listed and not counted. Not read: signatures;
what macros declare.
"""

import difflib
import re
import sys
from pathlib import Path

SRC, LISTING = Path("src"), Path("docs/public_api.txt")
ITEM = re.compile(r"pub (?:const |async |unsafe )*(fn|struct|enum|trait|type|const|static|mod) +(\w+)")
USE = re.compile(r"(pub )?(?:pub\([^)]*\) )?use ([^;]+);")


def stripped(text):
    """The source without comments, attributes' contents and strings, line structure kept."""
    out, i, n = [], 0, len(text)
    while i < n:
        if text.startswith("//", i):
            i = text.find("\n", i) if "\n" in text[i:] else n
        elif text.startswith("/*", i):
            end = text.find("*/", i + 2) + 2
            out.append("\n" * text.count("\n", i, end))
            i = end
        elif raw := re.match(r'b?r(#*)"', text[i:i + 20]):
            end = text.find('"' + raw[1], i + raw.end()) + 1 + len(raw[1])
            out.append('""' + "\n" * text.count("\n", i, end))
            i = end
        elif text[i] == '"':
            end = i + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            out.append('""' + "\n" * text.count("\n", i, end))
            i = end + 1
        elif quote := re.match(r"'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])'", text[i:i + 12]):
            out.append("' '")
            i += quote.end()
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def blocks(text):
    """The statements at the top level of a text, as `(head, body or None)`."""
    depth, start, body, found = 0, 0, 0, []
    for i, c in enumerate(text):
        if c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
        elif c == "{":
            if depth == 0:
                body = i + 1
            depth += 1
        elif c == "}":
            depth -= 1
            if depth == 0 and not re.search(r"(^|\s)use\s[\w:\s]*$", text[start:body - 1]):
                found.append((text[start:body - 1], text[body:i]))
                start = i + 1
        elif c == ";" and depth == 0:
            found.append((text[start:i + 1], None))
            start = i + 1
    return found


def head_of(head):
    """A head without its attributes, in one line; none where it is for tests only or a feature."""
    head = " ".join(head.split())
    while head.startswith("#"):
        depth = 0
        for i, c in enumerate(head):
            depth += (c == "[") - (c == "]")
            if c == "]" and depth == 0:
                break
        if re.match(r"#!?\[cfg\((test|doctest)\)", head):
            return None
        head = head[i + 1:].lstrip()
    return head


def without_generics(text):
    """What follows the `<…>` at the start of a text, if there is one."""
    text, depth = text.replace("->", "").lstrip(), 0
    for i, c in enumerate(text):
        depth += (c == "<") - (c == ">")
        if depth == 0:
            return text[i + 1:] if text.startswith("<") else text
    return text


def fields(body):
    """What is separated by commas at the top level."""
    depth, part, parts = 0, "", []
    for c in body:
        depth += (c in "([{<") - (c in ")]}>")
        if c == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += c
    return parts + [part]


def uses(tree, prefix=()):
    """`(path, name)` of each leaf of a use tree; the name `*` for globs."""
    tree = tree.strip()
    if "{" in tree:
        before, inner = tree[:tree.index("{")], tree[tree.index("{") + 1:tree.rindex("}")]
        prefix = prefix + tuple(part for part in before.strip().strip(":").split("::") if part)
        return [leaf for part in fields(inner) if part.strip() for leaf in uses(part, prefix)]
    path, _, alias = tree.partition(" as ")
    parts = prefix + tuple(path.strip().split("::"))
    if parts[-1] == "self":
        parts = parts[:-1]
    return [(parts, alias.strip() or parts[-1])]


class Module:
    """A module: its public and all its items, members of its types, re-exports, children."""

    def __init__(self, path, text, file, names):
        self.path, self.kinds, self.public, self.members, self.children = path, {}, set(), [], {}
        self.uses, self.imports = [], []
        names[path] = self
        for head, body in blocks(text):
            head = head_of(head)
            if head is None:
                continue
            item = ITEM.match(head) or ITEM.match("pub " + re.sub(r"^pub\([^)]*\) ", "", head))
            if use := USE.match(head):
                self.uses += uses(use[2]) if use[1] else []
                self.imports += uses(use[2])
            elif impl := re.match(r"impl\b(.*)", head, re.S):
                generic = without_generics(impl[1])
                if not re.search(r"\bfor\b(?! *<)", generic.split(" where ")[0]):
                    owner = re.match(r"\s*(?:\w+::)*(\w+)", generic)[1]
                    heads = [head_of(inner) or "" for inner, _ in blocks(body)]
                    self.members += [(owner, m[2], "method" if m[1] == "fn" else m[1]) for h in heads if (m := ITEM.match(h))]
            elif item:
                kind, name = item[1], item[2]
                self.kinds[name] = kind
                if head.startswith("pub "):
                    self.public.add(name)
                if kind == "mod":
                    self.children[name] = self.child(name, body, file, names)
                elif kind == "trait":
                    for inner, _ in blocks(body or ""):
                        if m := re.match(r"(?:const |async |unsafe )*(fn|type|const) +(\w+)", head_of(inner) or ""):
                            self.members.append((name, m[2], "method" if m[1] == "fn" else m[1]))
                elif kind == "enum":
                    for part in fields(body):
                        if m := re.match(r"(\w+)", head_of(part) or ""):
                            self.members.append((name, m[1], "variant"))
                elif kind == "struct" and body:
                    for part in fields(body):
                        if m := re.match(r"pub (\w+) *:", head_of(part) or ""):
                            self.members.append((name, m[1], "field"))

    def child(self, name, body, file, names):
        path = self.path + (name,)
        if body is not None:
            return Module(path, body, file, names)
        folder = file.parent if file.name in ("lib.rs", "mod.rs") else file.with_suffix("")
        found = [f for f in (folder / f"{name}.rs", folder / name / "mod.rs") if f.exists()]
        return Module(path, stripped(found[0].read_text()), found[0], names)


def resolve(names, module, path):
    """The module path and name that a `use` in a module means, or none for what is of another crate."""
    at = module.path
    for i, part in enumerate(path):
        last = i == len(path) - 1
        if part == "crate":
            at = ()
        elif part == "super":
            at = at[:-1]
        elif part == "self":
            pass
        elif last:
            return at, part
        elif at + (part,) in names:
            at = at + (part,)
        else:
            return None
    return at, None


def origin(names, module, name):
    """The module that defines what a module calls by this name, its own items first."""
    while name not in module.kinds:
        path = next((path for path, alias in module.imports if alias == name), None)
        found = resolve(names, module, path) if path else None
        if not found or not found[1] or (names[found[0]], found[1]) == (module, name):
            return None
        module, name = names[found[0]], found[1]
    return module


def listing():
    names, lines, items, paths = {}, set(), set(), set()
    root = Module((), stripped((SRC / "lib.rs").read_text()), SRC / "lib.rs", names)

    def tell(where, home, name, seen):
        """An item of `home` that can be reached as `where`."""
        kind = home.kinds.get(name)
        if kind is None:
            # Re-exported once more.
            for path, alias in home.uses:
                found = resolve(names, home, path)
                # A crate that is re-exported resolves to itself.
                if alias == name and found and found[1] and found != (home.path, name):
                    return tell(where, names[found[0]], found[1], seen)
                if alias == name:
                    lines.add(f"{'::'.join(where)}: use of {'::'.join(path)}")
            return None
        if kind == "mod":
            return walk(names[home.path + (name,)], where, seen)
        lines.add(f"{'::'.join(where)}: {kind}")
        items.add((home.path, name))
        paths.add(where)
        for module in names.values():
            # An `impl` may stand in another file than its type.
            for owner, member, what in module.members:
                if owner == name and origin(names, module, name) is home:
                    lines.add(f"{'::'.join(where)}::{member}: {what}")
        return None

    def walk(module, where, seen):
        if (module.path, where) in seen:
            return
        seen.add((module.path, where))
        lines.add(f"{'::'.join(where)}: mod")
        for name in module.public:
            tell(where + (name,), module, name, seen)
        for path, alias in module.uses:
            found = resolve(names, module, path)
            if alias == "*" and found:
                home = names.get(found[0])
                for name in home.public if home else ():
                    tell(where + (name,), home, name, seen)
            elif found and found[1]:
                tell(where + (alias,), names[found[0]], found[1], seen)
            else:
                lines.add(f"{'::'.join(where + (alias,))}: use of {'::'.join(path)}")

    walk(root, ("tensorjump",), set())
    paths = {where for where in paths if where[1] != "prelude"}
    names = [line for line in lines if not line.startswith("tensorjump::prelude::")]
    counted = f"{len(items)} public items on {len(paths)} paths, {len(names)} names with modules and members"
    head = f"# {counted} (the prelude left out): by .ci/public_api.py"
    return "\n".join([head] + sorted(lines)) + "\n"


found = listing()
if "--write" in sys.argv:
    LISTING.write_text(found)
    print(found.splitlines()[0])
elif found != (kept := LISTING.read_text()):
    sys.stdout.writelines(difflib.unified_diff(kept.splitlines(True), found.splitlines(True), str(LISTING), "src", n=0))
    sys.exit("the public interface has changed: say so in CHANGELOG.md, then run .ci/public_api.py --write")
else:
    print(found.splitlines()[0])
