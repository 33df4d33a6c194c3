"""What an HTML report must be, read by Python's own parser: every element is closed, ids are there once, links lead somewhere, no style and no handler
stands in the markup, the policy's hashes are those of what is there, the data island is JSON."""
import base64, hashlib, html.parser, json, re

VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}
LEAF = {"path", "rect", "circle", "use"}  # of SVG: closed by themselves


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.bad, self.ids, self.links, self.headings = [], [], [], [], []
        self.policy, self.raw, self.words, self.tags = "", {}, [], {}

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if len(names) != len(set(names)):
            self.bad.append("an attribute twice in <%s>" % tag)
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.bad.append("<%s %s=>" % (tag, name))
            if name == "id":
                self.ids.append(value)
            if name == "href":
                self.links.append(value)
            if name in ("src", "action", "srcset", "data", "xlink:href"):
                self.bad.append("<%s %s=%s>" % (tag, name, value))
        if tag == "meta" and dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.bad.append("</%s> closes %s" % (tag, self.open[-1][0] if self.open else "nothing"))
        else:
            self.open.pop()

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ("", {})
        if inside[0] in ("script", "style"):
            key = inside[1].get("id", inside[0])
            self.raw[key] = self.raw.get(key, "") + data
        else:
            self.words.append(data)


def digest(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def read(path):
    """The reader, with all that is wrong in its `bad`."""
    data = open(path, "rb").read()
    reader = Reader()
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        reader.bad.append("it is no UTF-8: %s" % e)
        return reader
    reader.feed(text)
    reader.close()
    bad = reader.bad
    bad += ["<%s> is never closed" % tag for tag, _ in reader.open]
    bad += ["the id %s is there twice" % i for i in sorted(set(reader.ids)) if reader.ids.count(i) > 1]
    bad += ["a link to %s, which is not there" % a for a in reader.links if not (a.startswith("#") and a[1:] in reader.ids)]
    if re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text):
        bad.append("it has control characters")
    if len(data) > 300000:
        bad.append("it has %d bytes" % len(data))
    if reader.headings[:1] != [1] and 1 not in reader.headings or reader.headings.count(1) != 1:
        bad.append("it has not one h1")
    for word, part in (("style-src", "style"), ("script-src", "script")):
        if "%s '%s'" % (word, digest(reader.raw.get(part, ""))) not in reader.policy:
            bad.append("%s has not the hash of the page's %s: %s" % (word, part, reader.policy))
    if not reader.policy.startswith("default-src 'none';") or "unsafe" in reader.policy:
        bad.append("its policy is " + reader.policy)
    if "data" in reader.raw:
        island = json.loads(reader.raw["data"])
        if len(island["requests"]) != len(island["good"]) or any(len(e["tries"]) != len(island["requests"]) for e in island["endpoints"]):
            bad.append("the island's rows are not of one length")
    return reader
