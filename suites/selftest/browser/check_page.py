"""What every page of ours must be, at both widths and in both schemes."""
import os

from browser import Wrong


LOOKS = [(width, scheme) for width in (1400, 420) for scheme in ("dark", "light")]


def check(browser, url, shots, name, looks=LOOKS):
    """What is wrong, one line a finding; a picture of each look goes to the folder `shots`, if one is given."""
    bad = []
    for width, scheme in looks:
        page = browser.page(width, 900, scheme)
        page.open(url)
        where = "%d px, %s: " % (width, scheme)
        try:
            page.need_quiet(url if url.startswith("file:") else "/".join(url.split("/")[:3]))
        except Wrong as e:
            bad.append(where + str(e))
        if page.sideways() > 0:
            bad.append(where + "wider than its window by %d px" % page.sideways())
        if shots:
            page.shot(os.path.join(shots, "%s-%d-%s.png" % (name, width, scheme)))
        bad += [where + finding for finding in page.axe()]
        page.close()
    return bad
