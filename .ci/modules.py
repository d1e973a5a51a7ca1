#!/usr/bin/env python3
"""The order of the modules of `src/`: no circle of files, no definition imported from the own parent's `mod.rs`.

An arrow goes from a file to each file that its `use` lines and inline paths name, tests left out. A name that a `mod.rs`
re-exports counts as an arrow to the file that defines it, and the re-export itself as none. `modules.py --graph` prints the arrows.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USE = re.compile(r"^[ \t]*(pub(?:\([a-z ]+\))? )?use ([^;]*);", re.M)
PATH = re.compile(r"(?<![A-Za-z0-9_:$])((?:crate|super|self)(?:::[A-Za-z_][A-Za-z0-9_]*)+)")


def module_of(file):
    parts = list(file.relative_to(ROOT / "src").with_suffix("").parts)
    return ("crate", *(parts[:-1] if parts[-1] in ("mod", "lib") else parts))


def leaves(tree, prefix=()):
    """The paths of a `use` tree."""
    head, brace, rest = tree.strip().partition("{")
    path = prefix + tuple(p for p in head.split(" as ")[0].strip().split("::") if p)
    if not brace:
        return [path]
    out, depth, part = [], 0, ""
    for letter in rest[: rest.rindex("}")] + ",":
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            out += leaves(part, path) if part.strip() else []
            part = ""
        else:
            part += letter
    return out


def absolute(path, base, modules):
    path, base = list(path), list(base)
    if path[0] == "crate":
        return tuple(path)
    if path[0] == "self":
        return tuple(base + path[1:])
    if path[0] == "super":
        while path and path[0] == "super":
            base.pop()
            path.pop(0)
        return tuple(base + path)
    return tuple(base + path) if (*base, path[0]) in modules else None


class Crate:
    def __init__(self):
        files = sorted((ROOT / "src").rglob("*.rs"))
        self.files = {module_of(f): f for f in files}
        self.text, self.exports = {}, {}
        for module, file in self.files.items():
            text = re.sub(r"//[^\n]*", "", file.read_text())
            tests = re.search(r"^(#\[cfg\(test\)\]\n)?mod tests \{", text, re.M)
            self.text[module] = text[: tests.start()] if tests else text
        for module, text in self.text.items():
            for visible, tree in USE.findall(text):
                for leaf in leaves(" ".join(tree.split())) if visible else []:
                    path = absolute(leaf, module, self.files)
                    if path:
                        self.exports[(*module, leaf[-1])] = path

    def definition(self, path):
        """The module that holds what `path` names."""
        seen = set()
        while path not in seen:
            seen.add(path)
            for end in range(len(path), 0, -1):
                if path[:end] in self.files:
                    break
            name = path[: end + 1]
            if name in self.exports:
                path = (*self.exports[name], *path[end + 1 :])
            else:
                return path[:end]
        return path[:end]

    def arrows(self):
        graph, climbs = {}, []
        for module, text in self.text.items():
            out = graph.setdefault(module, set())
            found = [(leaf, visible) for visible, tree in USE.findall(text) for leaf in leaves(" ".join(tree.split()))]
            found += [(tuple(p.split("::")), "") for p in PATH.findall(USE.sub("", text))]
            for leaf, visible in found:
                path = absolute(leaf, module, self.files)
                if path is None or visible and self.files[module].name in ("mod.rs", "lib.rs"):
                    continue
                target = self.definition(path)
                if target == module:
                    continue
                out.add(target)
                if len(target) > 1 and module[: len(target)] == target and self.files[target].name == "mod.rs":
                    climbs.append((module, path))
        return graph, climbs


def circles(graph):
    """Strongly connected components of more than one file (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in graph.get(v, ()):
            if w not in index:
                visit(w)
            if w in stack:
                low[v] = min(low[v], low[w])
        if low[v] == index[v]:
            part = []
            while not part or part[-1] != v:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    sys.setrecursionlimit(10_000)
    for v in sorted(graph):
        if v not in index:
            visit(v)
    return found


def main():
    graph, climbs = Crate().arrows()
    if "--graph" in sys.argv:
        for module in sorted(graph):
            print("::".join(module), "→", " ".join(sorted("::".join(t) for t in graph[module])))
    rooms = {}
    for module, targets in graph.items():
        for target in targets:
            if len(module) > 1 and len(target) > 1 and module[1] != target[1]:
                rooms.setdefault(module[:2], set()).add(target[:2])
    bad = [("circle of files", part) for part in circles(graph)]
    bad += [("circle of rooms", part) for part in circles(rooms)]
    for kind, part in bad:
        print(f"{kind}:", ", ".join("::".join(m) for m in part))
    for module, path in climbs:
        print("import from the own parent:", "::".join(module), "takes", "::".join(path))
    print(f"{len(graph)} files: {len(bad)} circles, {len(climbs)} imports from the own parent")
    sys.exit(bool(bad or climbs))


main()
