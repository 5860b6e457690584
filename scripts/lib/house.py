#!/usr/bin/env python3
"""Figures about the shape of the code: the table in docs/ARCHITECTURE.md, "The house".

    scripts/lib/house.py [REVISION]...      as Markdown, a column for each revision (HEAD)
    scripts/lib/house.py --files REVISION   the production files, longest first
    scripts/lib/house.py --flags REVISION   the structs with boolean fields, most fields first

Production code is every Rust file in a folder `src` without its unit tests and without support for tests. A line is
any line; a line of code is neither blank nor a comment. A public item is a function, type, trait or constant declared `pub`, methods included.
"""

import io
import re
import statistics
import subprocess
import sys
import tarfile
from collections import Counter

CRATE = re.compile(r"^((?:common|modules)/[^/]+|common|tcpcopy|intercept)/src/(.+\.rs)$")
UNIT_TESTS = re.compile(r"(^|/)(tests?/|testing(/|\.rs$)|[a-z_]*tests?\.rs$)")
PUBLIC = re.compile(r"^\s*pub (?:const |async |unsafe )*(?:fn|struct|enum|trait|type|const|static) ")
STRUCT = re.compile(r"^\s*(?:pub(?:\([a-z: ]+\))? )?struct (\w+)")
BOOLEAN = re.compile(r"^\s+(?:pub(?:\([a-z: ]+\))? )?\w+: bool,")


def production(revision):
    """The production files of a revision: crate, path in its `src`, lines."""
    archive = subprocess.run(["git", "archive", revision], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        for entry in tree:
            found = CRATE.match(entry.name)
            if entry.isfile() and found and not UNIT_TESTS.search(found[2]):
                lines = tree.extractfile(entry).read().decode().splitlines()
                yield found[1], found[2], without_tests(lines)


def without_tests(lines):
    """The lines outside of items under `#[cfg(test)]`: rustfmt ends a block with a brace at the item's indentation."""
    kept, rest = [], iter(lines)
    for line in rest:
        if line.strip() != "#[cfg(test)]":
            kept.append(line)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        for skipped in rest:
            if skipped.rstrip() == indent + "}" or (skipped.startswith(indent) and skipped.endswith((";", "; }"))
                                                    and not skipped.startswith(indent + " ")):
                break
    return kept


def is_code(line):
    return bool(line.strip()) and not line.lstrip().startswith("//")


def flags(files):
    """Boolean fields of each struct that has any."""
    count = Counter()
    for crate, path, lines in files:
        struct = None
        for line in lines:
            if found := STRUCT.match(line):
                struct = f"{crate}/src/{path} {found[1]}"
            elif line.strip() == "}":
                struct = None
            elif struct and BOOLEAN.match(line):
                count[struct] += 1
    return count


def figures(revision):
    """Rows of the table, by name."""
    files = list(production(revision))
    sizes = sorted(len(lines) for _, _, lines in files)
    lines, public = Counter(), Counter()
    for crate, _, text in files:
        lines[crate] += len(text)
        public[crate] += sum(bool(PUBLIC.match(line)) for line in text)
    booleans = flags(files)
    longest = sorted(((len(text), path) for _, path, text in files), reverse=True)[:3]
    most = [(n, f"{name.split('/src/')[0].split('/')[-1]} {name.split()[-1]}") for name, n in booleans.most_common(3)]
    code = sum(is_code(line) for _, _, text in files for line in text)
    rows = {"lines of production code": sum(sizes), "lines of code": code, "files": len(sizes)}
    rows |= {"median lines of a file": round(statistics.median(sizes))}
    rows |= {f"files of more than {limit} lines": sum(size > limit for size in sizes) for limit in (200, 300, 400)}
    rows |= {"longest files": named(longest), "public items": public.total()}
    rows |= {"boolean fields of structs": booleans.total()}
    rows |= {f"structs with {least} of them or more": sum(n >= least for n in booleans.values()) for least in (3, 5)}
    rows |= {"structs with most": named(most)}
    rows |= {f"lines of `{crate}`": lines[crate] for crate in sorted(lines)}
    rows |= {f"public items of `{crate}`": public[crate] for crate in sorted(public)}
    return rows


def named(counts):
    return ", ".join(f"{name} {count}" for count, name in counts)


def cell(value):
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else value


def table(revisions):
    columns = [figures(revision) for revision in revisions]
    print("| |", *(f"{revision} |" for revision in revisions))
    print("|---|" + "---:|" * len(revisions))
    for row in sorted({row: None for column in columns for row in column}, key=order):
        print(f"| {row} |", *(f"{cell(column[row])} |" if row in column else "|" for column in columns))


def order(row):
    return (row.startswith("public items of"), row.startswith("lines of `"), row if "`" in row else "")


def main(arguments):
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
    elif arguments[:1] == ["--files"]:
        sizes = [(len(lines), f"{crate}/src/{path}") for crate, path, lines in production(arguments[1])]
        print(*(f"{size:5} {path}" for size, path in sorted(sizes, reverse=True)), sep="\n")
    elif arguments[:1] == ["--flags"]:
        print(*(f"{n:3} {name}" for name, n in flags(production(arguments[1])).most_common()), sep="\n")
    else:
        table(arguments or ["HEAD"])


main(sys.argv[1:])
