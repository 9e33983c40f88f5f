"""Cleaning: markup and noise are removed, and what carries a fact is kept."""

import html
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.text.cleaning import Profile, clean, clean_all, clean_without_shortcuts

PROFILES: tuple[Profile, ...] = ("catalogue", "reference")
SCRAPS = [
    *"`aB1 .,!?&;#<>/\"'-*=_|{}[]()\\~^+$%@\n\t\u200b\u200d™•é＜﹥",
    "&quot;",
    "<b>",
    "</p>",
    "&#151",
    "amp;",
    "(TM)",
]
SCRAPS += ["nbsp;", "quot;", "andquot;", "deg;", "#8217;", "eacute;", "frac12;", " amp; "]
SCRAPS += ["var a = ", "function(x) {", "});", "return b.c();", "</s>", "pad", "extra_id_7"]
DIRT = st.lists(st.sampled_from(SCRAPS), max_size=40).map("".join)
LANGUAGES = (
    "Das große Wörterbuch für Anfänger",
    "Le petit déjeuner à la française",
    "Книга о вкусной и здоровой пище",
    "دليل المستخدم للهاتف المحمول",
    "می‌خواهم این کتاب را بخرم",
    "हिन्दी व्याकरण की पुस्तक",
    "শিশুদের জন্য গল্পের বই",
    "தமிழ் இலக்கிய வரலாறு",
    "คู่มือการใช้งานโทรศัพท์มือถือ",
    "高效能系列硬碟",
    "日本語の文法ハンドブック",
    "한국어 문법 책",
    "Cafe\u0301 cre\u0300me",
)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("Kerr&#8217;s best&#8211;selling cat", "Kerr's best-selling cat"),
        ("Kerr&#x2019;s cat &amp; dog", "Kerr's cat & dog"),
        ("a moon&#151;and a star&#133;", "a moon - and a star."),
        ("&quotThe best&quot of all", '"The best" of all'),
        ("5&nbsp;m &NBSP; long", "5 m long"),
        ("&amp;quot;twice&amp;quot; &amp;amp;lt;b&amp;amp;gt;thrice", '"twice" thrice'),
        ("Q&A, AT&T, R&D &c", "Q&A, AT&T, R&D &c"),
        ("fun&not work, Arts&center", "fun&not work, Arts&center"),
        ("<p>One</p><p>Two</p>", "One Two"),
        ('8<sup>1</sup>/<sub>2</sub>" and 7<sup>1/2</sup> inch', '8 1/2" and 7 1/2 inch'),
        ("10<sup>6</sup> cycles, 3 <sup>1</sup>&frasl;<sub>4</sub>", "10^6 cycles, 3 1/4"),
        ("1<sup>st</sup> H<sub>2</sub>O", "1st H2O"),
        ("m<sup>2</sup> of <em>Vogue</em>'s <b>new</b>! paper", "m2 of Vogue's new! paper"),
        ("&lt;i&gt;encoded&lt;/i&gt; markup", "encoded markup"),
        ('<a title="a > b" href="x">link</a>', "link"),
        ("<script>var a = '<b>';</script><style>.a{b:c}</style>Text", "Text"),
        ("<!-- .header { margin: 0 } -->Text", "Text"),
        (".hdr { color: #333; margin: 0 } Text", "Text"),
        ("cut <scr", "cut"),
        ("Never closed <style> .a { b: c }", "Never closed"),
        ('<span class="a-size-medium a-color-secondary"', ""),
        ("Lamp <span class='x' id=3 in brass", "Lamp in brass"),
        ("noise < 5% and <2W, > 300 V", "noise < 5% and <2W, > 300 V"),
        ("10-inch, 1/2\", 50%, don't, $5, A&B, C++, #2", "10-inch, 1/2\", 50%, don't, $5, A&B, C++, #2"),
        ("4*6 in, ~5 kg, 10^3, C#, USB_C, 20 °C, ±2, 3×4", "4*6 in, ~5 kg, 10^3, C#, USB_C, 20 °C, ±2, 3×4"),
        ("Intel® Core™2 Duo®, new™!", "Intel Core 2 Duo, new!"),
        ("• one ★ two ✔ 😀 | three ***", "one two three"),
        ("👨\u200d👩\u200d👧 family ❤\ufe0f 1\ufe0f\u20e3", "family 1"),
        ("Energy class A+++, SPF 50 PA++++, +++ new +++", "Energy class A+++, SPF 50 PA++++, new"),
        ("1500cd/m^2 and 10^3, B♭ Trumpet, ⌀ 12 mm", "1500cd/m^2 and 10^3, B♭ Trumpet, ⌀ 12 mm"),
        ("(R)-lipoic acid by Acme (R), Super(TM) Glue", "(R)-lipoic acid by Acme, Super Glue"),
        ("中国——北京", "中国 - 北京"),
        ("covers the &lt;script&gt; tag, and much more", "covers the tag, and much more"),
        ("Set {a: 1, b: 2} and {color: red} p { margin: 0; }", "Set a: 1, b: 2 and p"),
        ("75&degF, R&ampB, ma&ntildeana, Q&paranormal, &amplifier", "75°F, R&B, mañana, Q&paranormal, &amplifier"),
        ("Wow!!! Really?!?! Yes...and no,, -- end", "Wow! Really? Yes. and no, - end"),
        ("range 1...5", "range 1. 5"),
        ("size ,8-inch ,blue .", "size, 8-inch, blue."),
        ("and then ... end ...", "and then. end."),
        ("is simple. ... or not.. .", "is simple. or not."),
        ("stop .,", "stop."),
        ("5amp;quot; x 8amp;quot;, 7 1/2amp; quot; x 3quot;", '5" x 8", 7 1/2" x 3"'),
        ("Thenbsp;modelnbsp;is, warranty:andnbsp;andnbsp;90 days", "The model is, warranty: 90 days"),
        ("Mr fujiandquot;s and youandquot;ll, microsoftandrsquo;s", "Mr fuji's and you'll, microsoft's"),
        ("tool andndash; togetherand#8211; cafeacute; it#39;s", "tool - together- café it's"),
        ("Green amp; black, 90deg; elbow, 5frac12; x 3 plusmn;2", "Green & black, 90° elbow, 5 1/2 x 3 ±2"),
        ("R&D; stamp; champ; camp; lamp; aliquot; trade; not;", "R&D; stamp; champ; camp; lamp; aliquot; trade; not"),
        ("a guitar amp; a cable, 5amp; 10 amp; the amp; red", "a guitar amp; a cable, 5amp; 10 amp; the amp; red"),
        (
            "22-18 AWG #8, #10; 16 AWG, 1.8 deg; 2 felt; bolt; engrave; margrave",
            "22-18 AWG #8, #10; 16 AWG, 1.8 deg; 2 felt; bolt; engrave; margrave",
        ),
        ("5&amp;nbsp;m &amp;amp;quot;x&amp;quot;", '5 m "x"'),
        ("1, 2 -  - 3 (() )", "1, 2 - 3"),
        ("v10.4 ... and .5 of 1 , , 2", "v10.4. and .5 of 1, 2"),
        ("a\tb\n\x00c\x1f d\x7f\u2028e", "a b c d e"),
        ("so\u00adft hy\u200bphen\ufeff", "soft hyphen"),
        ("12'' x 3\"\" “quoted” ‘it’s’", '12" x 3" "quoted" \'it\'s\''),
        ('say \\"hi\\"\\nand', 'say "hi" nand'),
        ("gone (TM) and () [ ]", "gone and"),
        ('""', ""),
        ("--- ... !", ""),
        ("", ""),
        ("Lamp ＜/s＞ of ﹤pad﹥ brass <ｅxtra_id_12＞", "Lamp of brass"),
        ("＜新品＞ ヘッドホン ﹤SONY﹥ ＜ 5 W", "新品 ヘッドホン SONY < 5 W"),
        ("&amp;amp;amp;lt;/s&amp;amp;amp;gt; Kettle", "Kettle"),
        ("var start = (new Date()).getTime();\nvar ue_t0=ue_t0||+new Date();", ""),
        ("(function(f) {var n=(window.P.ns('D'));if(n.guard){n.guard(f)(n);}}(function(P) { P.when('a'); }));", ""),
        (
            "P.when('A', 'B').execute(function(A){ A.on('x'); }); A lamp for the whole family.",
            "A lamp for the whole family.",
        ),
        (
            "Great lamp. var a = 1; var b = 'a, b and c'; It lights the whole room.",
            "Great lamp. It lights the whole room.",
        ),
        ("$(document).ready(function(){ $('#x').hide(); return false; }); // end", ""),
        ("if (window.ue) { ue.count('a', 1); } items.map((x) => { return x.y(); });", ""),
        (
            "window.layer = window.layer || []; gtag('js', new Date()); never cut off var x = f(",
            "never cut off var x = f(",
        ),
        (
            "Learn why var x = 5 works, what a function (of state) is, and if {a} or b",
            "Learn why var x = 5 works, what a function (of state) is, and if a or b",
        ),
    ],
)
def test_the_catalogue_profile_keeps_only_facts(raw: str, cleaned: str) -> None:
    assert clean(raw, "catalogue") == cleaned


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("10-inch, 1/2\" don't!", "10 inch, 1 2 dont!"),
        ("<b>What?</b> A&amp;B... $5.00", "What? A B. 5.00"),
        ("snake_case #2", "snake case 2"),
        ("É è ü № 50%", "É è ü 50"),
    ],
)
def test_the_reference_profile_keeps_letters_digits_and_four_marks(raw: str, cleaned: str) -> None:
    assert clean(raw, "reference") == cleaned


@pytest.mark.parametrize("text", LANGUAGES)
@pytest.mark.parametrize("profile", PROFILES)
def test_text_in_any_language_is_unchanged(text: str, profile: Profile) -> None:
    assert clean(text, profile) == text


@given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1))
def test_letters_and_digits_of_any_script_are_unchanged(text: str) -> None:
    assert clean(text, "catalogue") == text
    assert clean(text, "reference") == text


@settings(deadline=None, max_examples=300)
@given(DIRT | st.text())
def test_shortcuts_do_not_change_the_result(text: str) -> None:
    for profile in PROFILES:
        assert clean(text, profile) == clean_all([text], profile)[0] == clean_without_shortcuts(text, profile)


PUNCTUATION = [
    *".,;:!?-/\"'",
    "...",
    "..",
    "…",
    "--",
    "—",
    " - ",
    '""',
    "''",
    "”",
    "’",
    "(",
    "()",
    "™",
    "•",
    "|",
    "***",
]
WORDS = ["word", "Word", "5", "3.5", "10-inch", '12"', "it's", "A&B", "(M/M)", "C++", "$5", "50%", "é", "中"]
SPACES = [" ", " ", " ", "  ", "\n", "&nbsp;", "&amp;", "&quot;", "<br>", "<b>", "</b>"]
PUNCTUATED = st.lists(
    st.sampled_from(PUNCTUATION + WORDS + SPACES),
    max_size=25,
).map("".join)


@settings(deadline=None, max_examples=500)
@given(PUNCTUATED)
@example("and then ... end ..")
@example("simple. ... or not.. . .,. ,, . !! .. ?")
def test_a_cleaned_text_does_not_change_if_it_is_cleaned_again(text: str) -> None:
    for profile in PROFILES:
        cleaned = clean(text, profile)
        assert clean(cleaned, profile) == cleaned


@given(DIRT | st.text())
def test_a_cleaned_text_is_one_line_of_words(text: str) -> None:
    cleaned = clean(text, "catalogue")
    assert cleaned == " ".join(cleaned.split())
    assert not [
        mark for mark in cleaned if unicodedata.category(mark) in ("Cc", "Co", "Cs", "Cn", "So") and mark not in "°№℃℉"
    ]
    assert cleaned == "" or any(character.isalnum() for character in cleaned)


@pytest.mark.parametrize(
    "scrap",
    [
        "<a b='",
        "<style",
        "<script>",
        "<!--",
        "&#",
        "{a:",
        ".a ",
        "® ",
        "( ",
        "a.b(",
        "var a = ",
        "function(a",
        "if (a.",
        "(a,",
        "＜s",
    ],
)
def test_a_repeated_scrap_is_cleaned_in_linear_time(scrap: str) -> None:
    text = scrap * (200_000 // len(scrap)) + " = {"
    assert len(clean(text, "catalogue")) <= len(text)  # quadratic time would exceed the timeout


@given(DIRT | st.text())
def test_the_reference_profile_keeps_only_its_characters(text: str) -> None:
    cleaned = clean(text, "reference")
    assert all(mark in " .,!?\u200c\u200d" or unicodedata.category(mark)[0] in "LMN" for mark in cleaned)


@given(st.text(st.sampled_from("abcXYZ 019é\"'.,&")), st.sampled_from(["decimal", "hexadecimal", "named", "twice"]))
def test_the_encoding_of_entities_does_not_matter(text: str, how: str) -> None:
    encoded = {
        "decimal": "".join(f"&#{ord(character)};" for character in text),
        "hexadecimal": "".join(f"&#x{ord(character):X};" for character in text),
        "named": html.escape(text),
        "twice": html.escape(html.escape(text)),
    }[how]
    assert clean(encoded, "catalogue") == clean(text, "catalogue")


def test_a_lone_surrogate_is_removed_and_changes_no_other_text() -> None:
    assert clean_all(["Lamp \ud83d of brass", "Desk"], "catalogue") == ["Lamp of brass", "Desk"]


@pytest.mark.timeout(30)
def test_a_long_text_that_resembles_css_is_cleaned_in_linear_time() -> None:
    text = "3.5 x 4.2 cm www.shop.com item.code " * 6000 + "{"
    assert clean(text, "catalogue").startswith("3.5 x 4.2 cm www.shop.com")


FORMS: dict[str, list[str]] = {}
"""Every character that Unicode's compatibility forms turn into this one, for those that T5's special tokens are made of."""

for code in range(0x110000):
    normal = unicodedata.normalize("NFKC", chr(code))
    if normal in set("<>/_spadunkextri0123456789"):
        FORMS.setdefault(normal, []).append(chr(code))

SPECIAL_TOKENS = ["<pad>", "</s>", "<s>", "<unk>", *(f"<extra_id_{number}>" for number in range(100))]
UNSEEN = ["", "\u200b", "\u200c", "\u200d", "\u00ad", "\u2060", "\ufe0f", "\ufeff", "\u0301"]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SPECIAL_TOKENS), st.data())
def test_no_spelling_of_a_special_token_remains(token: str, data: st.DataObject) -> None:
    spelled = "".join(
        data.draw(st.sampled_from(FORMS[character])) + data.draw(st.sampled_from(UNSEEN)) for character in token
    )
    for written in (spelled, html.escape(spelled), "".join(f"&#{ord(character)};" for character in spelled)):
        for profile in PROFILES:
            cleaned = unicodedata.normalize("NFKC", clean(f"Lamp {written} of {written}brass", profile))
            seen = "".join(character for character in cleaned if unicodedata.category(character) not in ("Cf", "Mn"))
            assert not any(special in seen for special in SPECIAL_TOKENS)
            assert seen.startswith("Lamp")
            assert seen.endswith("brass")
