"""Text without HTML: entities decoded, tags, comments, scripts and styles taken out, also where a scraper cut them off."""

import re
from html.entities import html5

_ROUNDS = 4  # `&amp;amp;quot;` and markup that was encoded as text

_ENTITY = re.compile(r"&(?:#\s?(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,8}));?|([A-Za-z][A-Za-z0-9]{1,30})(;?))")
_RUN_INTO_WORD = re.compile(r"(?:quot|nbsp|apos|[lr][sd]quo|[mn]dash|hellip|bull)")
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
_SILENT = re.compile(
    r"<(script|style|noscript|template|svg)\b[^<>]*>.*?(?:</\1\s*>|\Z) | <!--.*?(?:-->|\Z) | <!\[CDATA\[ | \]\]>",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_JOINING = re.compile(r"</?(?:sup|sub|wbr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"""<[A-Za-z/!?](?:[^<>"']|"[^"<]{0,2000}"|'[^'<]{0,2000}')*+> | <[A-Za-z/!?][^<>]*+>""", re.VERBOSE)
_CLOSING = re.compile(r"[.,!?;:)](?!\w)|['’]s\b")
_FRAGMENT = re.compile(
    rf"</?(?:{_ELEMENTS})\b(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"?|'[^'<>]*'?|[^\s<>\"']*))*+\s*/?>?",
    re.IGNORECASE,
)
_CUT_OFF = re.compile(r"</?[A-Za-z]*\Z")
_CSS_RULE = re.compile(r"(?:[.#@][\w-]+[\w\s.#:>,-]*)?\{\s*[a-z-]+\s*:[^{}]*\}", re.IGNORECASE)


def without_markup(text: str) -> str:
    """The text that a browser would show, on one line; plain text passes as it is."""
    for _ in range(_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        before = text
        if "<" in text:
            text = _without_tags(text)
        if "&" in text:
            text = _ENTITY.sub(_decoded, text)
        if text == before:
            break
    return _CSS_RULE.sub(" ", text) if "{" in text else text


def _without_tags(text: str) -> str:
    text = _JOINING.sub("", _SILENT.sub(" ", text))
    return _CUT_OFF.sub(" ", _FRAGMENT.sub(" ", _TAG.sub(_gap, text)))


def _gap(match: re.Match[str]) -> str:
    """What a tag leaves behind: nothing before a closing mark, as in `<em>Vogue</em>'s` or `<b>new</b>!`, else a space."""
    return "" if _CLOSING.match(match.string, match.end()) else " "


def _decoded(match: re.Match[str]) -> str:
    hexadecimal, decimal, name, end = match.groups()
    if name is None:
        return _character(int(hexadecimal, 16) if hexadecimal else int(decimal))
    if end:
        found = _NAMES.get(name) or _NAMES.get(name.lower())
        return found if found else match[0]
    if name in _LENIENT:
        return _NAMES[name]
    begun = _RUN_INTO_WORD.match(name)  # `&quotBest of all&quot`
    return _NAMES[begun[0]] + name[begun.end() :] if begun else match[0]


def _character(code: int) -> str:
    """A character by number; 128 to 159 are Windows-1252, as in browsers; a space for what is no character."""
    if 128 <= code <= 159:
        return bytes([code]).decode("cp1252", errors="replace")
    if code < 32 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return " "
    return chr(code)
