"""What can be set of a worker in the config: what --rows prints of it, and its values as Python has them."""
from types import SimpleNamespace
from typing import Dict, Iterable

DURATIONS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
SIZES = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
         "TiB": 1 << 40}


def _with_unit(text: str, units: Dict[str, float]) -> float:
    number = text.rstrip("".join(set("".join(units))))
    return float(number) * (units[text[len(number):].strip()] if len(number) < len(text) else 1)


# What the supervisor has checked, as Python has it: durations are seconds, sizes bytes.
VALUES = {"bool": lambda text: text in ("yes", "true", "on", "1"), "int": lambda text: int(float(text)), "real": float,
          "duration": lambda text: _with_unit(text, DURATIONS), "size": lambda text: int(_with_unit(text, SIZES)),
          "text": str, "choice": str}
LIMIT_UNITS = {"duration": 1e9}  # what --rows says in nanoseconds


class Row:
    """One of them: `kind` is one of bool, int, real, duration, size, text, choice; `fallback` its default, as a person
    would write it; least and most bound numbers, durations (in seconds) and sizes, if not both 0."""

    def __init__(self, name: str, kind: str, fallback: str, text: str, least: float = 0, most: float = 0,
                 choices: Iterable[str] = ()):
        self.name, self.kind, self.fallback, self.text = name, kind, fallback, text
        self.limits = [value * LIMIT_UNITS.get(kind, 1) for value in (least, most)]
        self.choices = "|".join(choices)
        self.value(fallback)  # one that is wrong is a bug, and shows at once

    def value(self, text: str):
        return VALUES[self.kind](text)

    def line(self) -> str:
        return "\t".join([self.name, self.kind, *("%.17g" % limit for limit in self.limits), self.fallback,
                          self.choices, self.text])


def describe(rows: Iterable[Row], needs: Iterable[tuple]) -> str:
    """What --rows prints."""
    return "".join(line + "\n" for line in [*(row.line() for row in rows), *("\tneed\t%s\t%s" % need for need in needs)])


def apply(rows: Iterable[Row], given: Dict[str, str]) -> SimpleNamespace:
    """Each row's value. What else was set is of whose place this worker plays, and none of its business."""
    return SimpleNamespace(**{row.name: row.value(given.get(row.name, row.fallback)) for row in rows})
