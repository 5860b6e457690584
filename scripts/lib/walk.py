#!/usr/bin/env python3
"""Runs the commands of a document and compares what they print with what the document says.

    walk.py DOCUMENT            compares; exits with 1 and the differences if there are any
    walk.py --write DOCUMENT    puts what they print into the document

Commands are the lines that begin with "$ " in blocks of ```console; what they print follows them. All run in one shell.
Numbers are not compared, nor blanks, nor the order of the lines of one command.
"""

import re
import subprocess
import sys
import time

END = "== end of the command =="


class Shell:
    def __init__(self):
        self.bash = subprocess.Popen(["bash", "-m"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.run("true")  # What the shell says about its terminal.

    def run(self, command):
        """What the command prints, with what programs in the background print meanwhile."""
        self.bash.stdin.write(f"{command}\n")
        if command.endswith("&"):
            self.bash.stdin.flush()
            time.sleep(1)
        self.bash.stdin.write(f"echo '{END}'\n")
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            if line.rstrip("\n") == END:
                return lines
            lines.append(line.rstrip())
        raise SystemExit(f"the shell has ended in: {command}")


def blocks(text):
    """The document in parts: text, and lists of (command, lines) for its blocks of commands."""
    for part in re.split(r"(^```console\n.*?^```\n)", text, flags=re.M | re.S):
        if not part.startswith("```console\n"):
            yield part
            continue
        commands = []
        for line in part.splitlines()[1:-1]:
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        yield commands


def comparable(lines):
    return sorted(" ".join(re.sub(r"\d[\d.,]*", "#", line).split()) for line in lines if line.strip())


def main(arguments):
    writes = arguments[:1] == ["--write"]
    (name,) = arguments[writes:]
    with open(name) as document:
        parts = list(blocks(document.read()))
    shell, result, differences, count = Shell(), [], [], 0
    for part in parts:
        if isinstance(part, str):
            result.append(part)
            continue
        result.append("```console\n")
        for command, expected in part:
            printed = shell.run(command)
            count += 1
            result.append(f"$ {command}\n" + "".join(f"{line}\n" for line in printed))
            if comparable(printed) != comparable(expected):
                differences.append(f"$ {command}\n-- expected\n" + "\n".join(expected) + "\n-- printed\n" + "\n".join(printed))
        result.append("```\n")
    if writes:
        with open(name, "w") as document:
            document.write("".join(result))
    elif differences or not count:
        print("\n\n".join(differences) or "no command in the document")
        raise SystemExit(1)
    print(f"{count} commands")


main(sys.argv[1:])
