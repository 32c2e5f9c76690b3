"""A stranger that is broken in every way harms nobody else: no other process dies, what can be put right is, what
cannot is set aside and said, and the pipeline goes on. Kinds of damage and their seeds: wrecks.py."""
import json

from harness import await_, check, main
from wrecks import SEEDS, finish, goes_on, play, wrecked


def seeds(*modes):
    """A test that plays these kinds of damage with the seeds that are pinned for them."""
    def test(make):
        for mode in modes:
            for seed in SEEDS[mode]:
                play(make, mode, seed)
    return test


def seats_and_head(make):
    """What the supervisor knows better is put right; whoever starts afterwards starts."""
    for mode in "seats", "head":
        for seed in SEEDS[mode]:
            p = play(make, mode, seed, ["processor.1", "storer", "display"])
            check(mode == "seats" or p.journal("set-aside"), "nothing was said of the head")


def words(make):
    """Slots whose words cannot be right are set aside, and the stream goes on with the rest."""
    for seed in SEEDS["words"]:
        p = wrecked(make, "words", seed)
        await_(lambda: p.journal("set-aside"), "a slot to be set aside")
        goes_on(p)
        told = json.loads(p.troupe("slots", "--json", "-n", p.name).stdout)
        check(any(slot["phase"] == "ASIDE" for slot in told), "slots does not show them")
        aside = len([w for w in p.ledger.words() if w.phase == "ASIDE"])
        check(0 < aside <= 12, "%d slots are set aside" % aside)
        check(p.status()["pipeline"]["stream"][0]["slots_aside"] == aside, "status counts others")
        text = p.troupe("status", "-n", p.name).stdout
        check("cam1: %d slot" % aside in text and "set aside" in text, "status does not say it: %s" % text)
        finish(p)
        p.verify(code=None)


def behind(make):
    """What a stranger is owed and does not take is written off, and status says for whom."""
    p = wrecked(make, "slow", SEEDS["slow"][0])
    await_(lambda: p.journal("written-off"), "it to be said what is written off")
    goes_on(p)
    off = p.status()["pipeline"]["stream"][0]["written_off"]
    check([o["worker"] for o in off] == ["wreck"] and int(off[0]["count"]) > 0, "status says %s" % off)
    text = p.troupe("status", "-n", p.name).stdout
    check("written off that wreck was owed" in text, "status does not say it: %s" % text)
    finish(p)


if __name__ == "__main__":
    main(dict({t.__name__: t for t in (seats_and_head, words, behind)}, messages=seeds("messages"),
              claims=seeds("claims"), board_playback_and_areas=seeds("board", "playback", "areas"),
              records_and_rows=seeds("records", "rows")))
