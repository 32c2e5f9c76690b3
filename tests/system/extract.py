"""Takes the one code block of a language out of a document: what people are told to write is what the tests run.
Usage: extract.py DOCUMENT LANGUAGE OUT"""
import os
import re
import sys


def main(document, language, out):
    with open(document) as file:
        blocks = re.findall(r"^```%s\n(.*?)^```$" % language, file.read(), re.S | re.M)
    if len(blocks) != 1:
        sys.exit("%s: has %d blocks of %s, wanted 1" % (document, len(blocks), language))
    with open(out, "w") as file:
        file.write(blocks[0])
    if blocks[0].startswith("#!"):
        os.chmod(out, 0o755)


main(*sys.argv[1:])
