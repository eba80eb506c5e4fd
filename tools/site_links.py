"""Checks the links of the built site: that each leads to a file and a place in it, or that each answers.

python tools/site_links.py [--outside]
"""

import concurrent.futures
import html.parser
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request

HTML = pathlib.Path(__file__).resolve().parent.parent / "build" / "site" / "html"
# Answers to a program although a person gets a page: not wrong, and not to be reported.
SHY = {401, 403, 405, 406, 418, 429, 503, 999}


class Page(html.parser.HTMLParser):
    """The links of a page, and the places in it that a link can lead to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.places = [], {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.places |= {known[name] for name in ("id", "name") if known.get(name)}
        for name in ("href", "src"):
            if known.get(name) and known.get("rel") not in ("canonical", "alternate", "preconnect"):
                self.links.append(known[name])

    handle_startendtag = handle_starttag


def pages(folder):
    """Dict from each page's path to its `Page`."""
    return {
        path: Page(path.read_text(encoding="utf-8")) for path in sorted(pathlib.Path(folder).rglob("*.html"))
    }


def inside(folder):
    """One line for each link that leads to nothing in the site."""
    folder = pathlib.Path(folder).resolve()
    known = pages(folder)
    broken = []
    for path, page in known.items():
        for link in sorted(set(page.links)):
            address = urllib.parse.urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = path.parent / urllib.parse.unquote(address.path) if address.path else path
            target = target.resolve() / "index.html" if target.is_dir() else target.resolve()
            place = urllib.parse.unquote(address.fragment)
            if folder not in target.parents or not target.is_file():
                broken.append(f"{path.relative_to(folder)}: {link} is not there.")
            elif target in known and place not in known[target].places:
                broken.append(f"{path.relative_to(folder)}: {link} leads to no place in that page.")
    return broken


def outside(folder):
    """One line for each address that does not answer, after asking each once."""
    asked = {}
    for path, page in pages(folder).items():
        for link in page.links:
            if link.startswith(("http://", "https://")):
                asked.setdefault(link.partition("#")[0], path.relative_to(folder))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = pool.map(_answer, asked)
        return [
            f"{page}: {link}: {said}"
            for (link, page), said in zip(asked.items(), answers, strict=True)
            if said
        ]


def _answer(address):
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (link check)"})
    try:
        with urllib.request.urlopen(request, timeout=30):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code in SHY else f"status {error.code}"
    except (OSError, ValueError) as error:
        return str(error)


def main():
    check = outside if "--outside" in sys.argv[1:] else inside
    broken = check(HTML)
    print(*broken, sep="\n")
    print(f"{len(broken)} links lead nowhere.")
    raise SystemExit(bool(broken))


if __name__ == "__main__":
    main()
