"""HTML removed from text: entities are decoded, also those that lost their `&`, tags, comments, scripts and styles removed, also if truncated.

Scripts that lost their tags when a page was scraped are removed too.
"""

import re
from html.entities import html5

_UNMISTAKABLE = (  # names of entities in which no word ends
    *("nbsp", "lsquo", "rsquo", "ldquo", "rdquo", "ndash", "mdash", "hellip"),
    *("plusmn", "frac12", "frac14", "frac34", "sup2", "sup3", "ntilde", "ccedil"),
    *(vowel + accent for vowel in "aeiou" for accent in ("acute", "grave", "circ", "uml")),
)
_TYPOGRAPHIC = tuple(f"#8{digits}" for digits in ("211", "212", "216", "217", "220", "221", "222", "226", "230", "482"))
_OTHERS = ("quot", "apos", "amp", "lt", "gt", "deg", "#39", "#34")
_ENDINGS = (*_UNMISTAKABLE, *_TYPOGRAPHIC, *_OTHERS)
_LOST_AMPERSAND = re.compile(
    r"(?<!&)(?<!amp;)(?:"
    r"(?P<apostrophe>(?<=[a-z])andquot;(?=(?:[smtd]|ll|re|ve)\b))"
    rf"|(?:(?<![A-Za-z])amp;\s?|and)(?P<named>{'|'.join(_ENDINGS)});"
    rf"|(?P<bare>{'|'.join(_UNMISTAKABLE)}|(?<![A-Za-z])quot|(?<=\d)deg|(?<=[a-z])#39(?=;[a-z])"
    rf"|(?<!\w)(?:{'|'.join(_TYPOGRAPHIC)}));"
    r"|(?<=[a-z] )(?P<word>amp);(?= [A-Za-z]))"
)
_ELECTRIC = re.compile(
    r"\bamps?\b(?!;)|amplif|guitar|\bbass\b|speaker|\bfuse|\bvolt|\b(?:an?|the|your|this|each) amp;", re.IGNORECASE
)

_MAX_ROUNDS = 4  # of decoding: `&amp;amp;quot;` needs three

_ENTITY = re.compile(r"&(?:#\s?(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,8}));?|([A-Za-z][A-Za-z0-9]{1,30})(;?))")
_JOINED_TO_WORD = re.compile(
    r"quot|nbsp|apos|[lr][sd]quo|[mn]dash|hellip|bull|deg(?=[CF]$)|amp(?=[A-Z])"
    r"|[A-Za-z](?:grave|acute|circ|tilde|uml|cedil)|[Aa]ring|[Oo]slash|AElig|aelig|szlig"
)
_NAMES = {name.rstrip(";"): text for name, text in html5.items()}
_WORDS = frozenset(("not", "cent", "sect", "para", "micro", "divide", "shy", "uml", "times", "pound", "die"))
_LENIENT = (frozenset(name for name in html5 if not name.endswith(";")) - _WORDS) | {
    *("apos", "mdash", "ndash", "lsquo", "rsquo", "ldquo", "rdquo", "hellip", "bull", "trade")
}

_ELEMENTS = (
    "a|abbr|address|article|aside|audio|b|base|blockquote|body|br|button|canvas|caption|center|cite|code|col|"
    "colgroup|dd|del|details|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|h1|h2|h3|h4|h5|h6|"
    "head|header|hr|html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark|meta|nav|noscript|object|"
    "ol|option|p|param|picture|pre|q|s|script|section|select|small|source|span|strike|strong|style|sub|summary|"
    "sup|svg|table|tbody|td|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|wbr"
)
_INVISIBLE = ("script", "style", "noscript", "template", "svg")
_OPENING = re.compile(rf"<({'|'.join(_INVISIBLE)})\b[^<>]*>|<!--", re.IGNORECASE)
_COMMENT = "!--"
_ENDS = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in _INVISIBLE} | {_COMMENT: re.compile("-->")}
_CDATA = re.compile(r"<!\[CDATA\[|\]\]>", re.IGNORECASE)
_JOINING = re.compile(r"</?(?:sup|sub|wbr)\b[^<>]*>", re.IGNORECASE)
_RAISED_NUMBER = re.compile(r"(?<=\d)\s*<sup\b[^<>]*>\s*(?=\d)", re.IGNORECASE)
_FRACTION = re.compile(r"\d+\s*(?:</sup\s*>)?\s*(?:[/\u2044]|&frasl;)", re.IGNORECASE)
_TAG = re.compile(r"""<[A-Za-z/!?](?:[^<>"']|"[^"<]{0,2000}"|'[^'<]{0,2000}')*+> | <[A-Za-z/!?][^<>]*+>""", re.VERBOSE)
_CLOSING = re.compile(r"[.,!?;:)](?!\w)|['’]s\b")
_FRAGMENT = re.compile(
    rf"</?(?:{_ELEMENTS})\b(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"?|'[^'<>]*'?|[^\s<>\"']*))*+\s*/?>?",
    re.IGNORECASE,
)
_TRUNCATED = re.compile(r"</?[A-Za-z]*\Z")
_CSS_PROPERTY = "background|border|color|display|float|font|height|line|list|margin|padding|text|width"
_CSS_RULE = re.compile(  # bounded parts before `{`, because a match is tried at many positions
    r"(?:[.#@][\w-]{1,60}[\w\s.#:>,-]{0,200})\{\s*[a-z-]+\s*:[^{}]*\}"
    rf"|\{{\s*(?:[a-z-]{{1,40}}\s*:[^{{}};]*;|(?:{_CSS_PROPERTY})[a-z-]{{0,40}}\s*:)[^{{}}]*\}}",
    re.IGNORECASE,
)
_PARAMETERS = r"\(\s*[\w$]*(?:\s*,\s*[\w$]+){0,20}\s*\)"
_SCRIPT_START = re.compile(  # tried at the beginnings of words only, and each part is bounded, so that time is linear
    r"(?<![\w$.])(?:"
    r"(?:var|let|const)\s+[\w$]{1,100}\s*=(?!=)"
    r"|window\.[\w$.]{1,200}\s*=(?!=)"
    r"|[(!]?(?:[\w$]{1,100}(?:\.[\w$]{1,100}|\([^(){};]{0,200}\)){0,10}\(\s*)?"  # a call with a function as its argument
    rf"(?:function\b\s*[\w$]{{0,100}}\s*{_PARAMETERS}|{_PARAMETERS}\s*=>)\s*\{{"
    r"|if\s*\([^;{}]{0,200}[.=!&|][^;{}]{0,200}\)\s*\{"
    r")"
)
_SCRIPT_PART = re.compile(r"[^;{}\n]{0,300}[;{}\n]?")
_MAX_UNDECIDED = 300  # characters after which a text without `;` and `{` is not a script, so that time is linear
_STRING = re.compile(r"\"[^\"\n]{0,500}\"|'[^'\n]{0,500}'")
_PROSE = re.compile(r"(?:[^\W\d_]{2,}[,]?\s+){3}[^\W\d_]{2,}")
_CODE = re.compile(r"[=()\[\]]|^(?:return|else|try|catch|finally|do|case|break|continue|throw|var|let|const)\b|^/[/*]")
_METHOD_CALL = re.compile(r"[\w$)]\.[\w$]+\(")


def with_ampersands(text: str) -> str:
    """Return the text with the `&` of entities that a source has lost or spelled out: `5amp;quot;`, `Thenbsp;model`, `todayandquot;s`.

    `amp;` between two words is one as well, unless the text is about an amplifier or a current.
    """
    return _LOST_AMPERSAND.sub(_with_ampersand, text) if _may_lack_ampersands(text) else text


def _may_lack_ampersands(text: str) -> bool:
    """Return whether the name of an entity ends before a semicolon that does not have its `&`. The search takes ten times as long."""
    for part in text.split(";")[:-1]:
        if part.endswith(_ENDINGS):
            start = part.rfind("&") + 1
            if not start or part[start:] not in _ENDINGS:
                return True
    return False


def without_markup(text: str) -> str:
    """Return the text that a browser would show; plain text is unchanged."""
    for number in range(_MAX_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        before = text
        if "<" in text:
            # a script may be truncated, but a decoded `&lt;script&gt;` may be just a word
            text = _without_tags(_without_invisible(text, may_be_truncated=number == 0))
        if "&" in text:
            text = _ENTITY.sub(_entity_replacement, text)
        if text == before:
            break
    return _CSS_RULE.sub(" ", text) if "{" in text else text


def without_scripts(text: str) -> str:
    """Return the text without JavaScript that has no tags around it; plain text is unchanged."""
    kept, position = [], 0
    while start := _SCRIPT_START.search(text, position):
        end = _end_of_script(text, start)
        kept += [text[position : start.start()], " "] if end else [text[position : start.end()]]
        position = end or start.end()
    return "".join([*kept, text[position:]]) if kept else text


def _end_of_script(text: str, start: re.Match[str]) -> int | None:
    """Return where the script ends, which is before the first part that reads as prose, or None if it is not a script."""
    end, marks = start.end(), start[0].count("{")
    for part in _SCRIPT_PART.finditer(text, end):
        code = part[0].strip(" \t\r\n;{}")
        is_first = part.start() == start.end()
        if not part[0] or (code and (_PROSE.search(_STRING.sub("", code)) or not (is_first or _CODE.search(code)))):
            break
        if marks < 2 and end - start.end() > _MAX_UNDECIDED:
            return None
        end = part.end()
        marks += part[0][-1] in ";{}"
    return end if marks >= 2 or (marks and _METHOD_CALL.search(text, start.start(), end)) else None


def _without_invisible(text: str, *, may_be_truncated: bool) -> str:
    """Return the text without scripts, styles and comments, in time linear in its length.

    `may_be_truncated`: remove one that has no end as well, up to the end of the text.
    """
    kept, position, searched, without_end = [], 0, 0, set[str]()
    while start := _OPENING.search(text, searched):
        name = (start[1] or _COMMENT).lower()
        end = None if name in without_end else _ENDS[name].search(text, start.end())
        if end is None and not may_be_truncated:
            without_end.add(name)  # no later one has an end either
            searched = start.end()
            continue
        kept.append(text[position : start.start()])
        position = searched = end.end() if end else len(text)
    return _CDATA.sub(" ", " ".join([*kept, text[position:]]))


def _without_tags(text: str) -> str:
    text = _JOINING.sub("", _RAISED_NUMBER.sub(_separator, text))
    return _TRUNCATED.sub(" ", _FRAGMENT.sub(" ", _TAG.sub(_tag_replacement, text)))


def _separator(match: re.Match[str]) -> str:
    """Return what stands between a number and a raised one: a space if that is a fraction, as in `8 1/2`, else `^`, as in `10^6`."""
    return " " if _FRACTION.match(match.string, match.end()) else "^"


def _tag_replacement(match: re.Match[str]) -> str:
    """Return what replaces a tag: nothing before closing punctuation, as in `<em>Vogue</em>'s` or `<b>new</b>!`, else a space."""
    return "" if _CLOSING.match(match.string, match.end()) else " "


def _with_ampersand(match: re.Match[str]) -> str:
    if match["apostrophe"]:
        return "'"
    if match["word"] and _ELECTRIC.search(match.string):
        return match[0]
    return f"&{match['named'] or match['bare'] or match['word']};"


def _entity_replacement(match: re.Match[str]) -> str:
    hexadecimal, decimal, name, end = match.groups()
    if name is None:
        return _character(int(hexadecimal, 16) if hexadecimal else int(decimal))
    if end:
        return _NAMES.get(name) or _NAMES.get(name.lower()) or match[0]
    if name in _LENIENT:
        return _NAMES[name]
    known = _JOINED_TO_WORD.match(name)  # `&quotBest of all&quot`, `75&degF`, `ma&ntildeana`
    return _NAMES[known[0]] + name[known.end() :] if known and known[0] in _NAMES else match[0]


def _character(code: int) -> str:
    """Return the character with this number: 128 to 159 are Windows-1252, as in browsers. An invalid number is a space."""
    if 128 <= code <= 159:
        return bytes([code]).decode("cp1252", errors="replace")
    if code < 32 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return " "
    return chr(code)
