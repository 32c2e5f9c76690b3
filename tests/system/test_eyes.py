"""What a careful stranger tries with `troupe reload` and what is told of a pipeline: limits that add up, signals that
come at the wrong moment, files that are no files."""
from harness import await_, check, main

SMALL = dict(frames=0, fps=50, size="160x120")


def strangers(first, count):
    """So many that end at once, and are tried again and again."""
    return "".join('worker "w%d" { exec = "/bin/true"  takes = "view"  max_restarts = 1000  backoff = "20s"  backoff_max = "20s" }\n' % number
                   for number in range(first, first + count))


def reload(p, code=0, **changes):
    p.write_config(**changes)
    return p.troupe("reload", "-n", p.name, code=code)


def refused(p, words, **changes):
    before = set(p.names())
    said = reload(p, code=1, **changes).stderr
    check(words in said and said.count("\n") == 1, "refused with: %s" % said)
    check(set(p.names()) == before, "there are others now: %s" % set(p.names()).symmetric_difference(before))


def more_than_there_can_be(make):
    """Whoever has been in a run counts, for it may come back."""
    p = make(processors=1, **SMALL).up()
    reload(p, extra=strangers(0, 50))
    check(len([n for n in p.names() if n.startswith("w")]) == 50, "not all are there: %s" % p.names())
    reload(p, extra=strangers(100, 50))
    refused(p, "names that were there", extra=strangers(200, 50))
    reload(p, extra=strangers(0, 50))
    reload(p, extra="")
    await_(lambda: not [n for n in p.names() if n.startswith("w")], "all strangers to be gone")


if __name__ == "__main__":
    main({t.__name__: t for t in (more_than_there_can_be,)})
