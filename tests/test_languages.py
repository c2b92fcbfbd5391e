import importlib.util

import pytest

from xproj.errors import RecipeError
from xproj.languages import ALIASES, all_languages, lookup


def test_the_table_is_complete_and_consistent():
    languages = all_languages()
    assert len(languages) == 207
    assert len({language.code for language in languages}) == 207
    assert len({language.bcp47 for language in languages}) == 207
    assert [language.code for language in languages] == sorted(language.code for language in languages)
    for language in languages:
        assert language.code == f"{language.iso639_3}_{language.script}"
        assert language.name == language.name.strip() != ""


def test_spacy_has_every_language_that_the_table_says():
    for code in {language.spacy for language in all_languages()}:
        assert importlib.util.find_spec(f"spacy.lang.{code}") is not None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("swh_Latn", "swh_Latn"),
        ("zh", "zho_Hans"),
        ("zh-Hant", "zho_Hant"),
        ("zh-TW", "zho_Hant"),
        ("zho", "zho_Hans"),
        ("sw", "swh_Latn"),
        ("swa", "swh_Latn"),
        ("fa", "pes_Arab"),
        ("ms", "zsm_Latn"),
        ("tl", "tgl_Latn"),
        ("no", "nob_Latn"),
        ("ace", "ace_Latn"),
        ("min", "min_Latn"),
        ("ar", "arb_Arab"),
        ("pt-BR", "por_Latn"),
        ("DEU", "deu_Latn"),
        ("deu-latn", "deu_Latn"),
        ("Hausa", "hau_Latn"),
    ],
)
def test_lookup_accepts_many_codes(code, expected):
    assert lookup(code).code == expected


def test_every_code_finds_its_language():
    for language in all_languages():
        assert lookup(language.code) is language
        assert lookup(language.bcp47) is language
    for alias, code in ALIASES.items():
        assert lookup(alias).code == code


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("eng_Lat", "did you mean 'eng_Latn'"),
        ("swahil", "did you mean swh_Latn (Swahili)?"),
        ("qqqq", "`xproj languages` lists the 207 known codes"),
        ("", "unknown language ''"),
    ],
)
def test_an_unknown_code_names_the_closest(code, message):
    with pytest.raises(RecipeError) as raised:
        lookup(code)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_facts():
    assert not lookup("th").spaces and not lookup("ja").spaces and lookup("ko").spaces
    assert lookup("ar").right_to_left and lookup("yi").right_to_left and not lookup("en").right_to_left
    assert lookup("ha").spacy == "xx" and lookup("de").spacy == "de"


def test_apertium_has_its_own_codes():
    assert lookup("es").apertium == ("spa", "es") and lookup("nb").apertium[:2] == ("nob", "nb")
    assert lookup("an").name == "Aragonese" and lookup("frp").apertium == ("frp",)
    assert lookup("ha").apertium == ()
    for language in all_languages():
        assert len(set(language.apertium)) == len(language.apertium)
        assert not any("-" in code for code in language.apertium)


XTREME = (
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th "
    "tl tr ur vi yo zh"
).split()
MASAKHANER2 = "bam ewe fon hau ibo kin lug luo mos nya sna swa tsn twi wol xho yor zul".split()
# code of the data set: NLLB, M2M-100, the first of Marian, MADLAD, the first of Apertium, script, word splitter
DATA_SETS = """
af  afr_Latn af afr      af  afr Latn icu
ar  arb_Arab ar ara      ar  ara Arab icu
bg  bul_Cyrl bg bul      bg  bul Cyrl icu
bn  ben_Beng bn ben      bn  -   Beng icu
de  deu_Latn de deu      de  deu Latn icu
el  ell_Grek el ell      el  -   Grek icu
es  spa_Latn es spa      es  spa Latn icu
et  est_Latn et est      et  est Latn icu
eu  eus_Latn -  eus      eu  eus Latn icu
fa  pes_Arab fa pes      fa  pes Arab icu
fi  fin_Latn fi fin      fi  fin Latn icu
fr  fra_Latn fr fra      fr  fra Latn icu
he  heb_Hebr he heb      he  -   Hebr icu
hi  hin_Deva hi hin      hi  hin Deva icu
hu  hun_Latn hu hun      hu  hun Latn icu
id  ind_Latn id ind      id  ind Latn icu
it  ita_Latn it ita      it  ita Latn icu
ja  jpn_Jpan ja jpn      ja  -   Jpan characters
jv  jav_Latn jv jav_Latn jv  -   Latn icu
ka  kat_Geor ka kat      ka  -   Geor icu
kk  kaz_Cyrl kk kaz_Cyrl kk  kaz Cyrl icu
ko  kor_Hang ko kor      ko  -   Hang icu
ml  mal_Mlym ml mal      ml  -   Mlym icu
mr  mar_Deva mr mar      mr  mar Deva icu
ms  zsm_Latn ms zsm_Latn ms  zlm Latn icu
my  mya_Mymr my mya      my  -   Mymr icu
nl  nld_Latn nl nld      nl  nld Latn icu
pt  por_Latn pt por      pt  por Latn icu
ru  rus_Cyrl ru rus      ru  rus Cyrl icu
sw  swh_Latn sw swh      sw  swa Latn icu
ta  tam_Taml ta tam      ta  -   Taml icu
te  tel_Telu -  tel      te  -   Telu icu
th  tha_Thai th tha      th  -   Thai characters
tl  tgl_Latn tl tgl_Latn fil tgl Latn icu
tr  tur_Latn tr tur      tr  tur Latn icu
ur  urd_Arab ur urd      ur  urd Arab icu
vi  vie_Latn vi vie      vi  -   Latn icu
yo  yor_Latn yo yor      yo  -   Latn icu
zh  zho_Hans zh cmn_Hans zh  -   Hans characters
bam bam_Latn -  bam      bm  -   Latn icu
ewe ewe_Latn -  ewe      ee  -   Latn icu
fon fon_Latn -  fon      fon -   Latn icu
hau hau_Latn ha hau      ha  -   Latn icu
ibo ibo_Latn ig ibo      ig  -   Latn icu
kin kin_Latn -  kin      rw  -   Latn icu
lug lug_Latn lg lug      lg  -   Latn icu
luo luo_Latn -  luo      -   -   Latn icu
mos mos_Latn -  mos      -   -   Latn icu
nya nya_Latn -  nya      ny  -   Latn icu
sna sna_Latn -  sna      sn  -   Latn icu
swa swh_Latn sw swh      sw  swa Latn icu
tsn tsn_Latn tn tsn      tn  -   Latn icu
twi twi_Latn -  twi      ak  -   Latn icu
wol wol_Latn wo wol      wo  -   Latn icu
xho xho_Latn xh xho      xh  -   Latn icu
yor yor_Latn yo yor      yo  -   Latn icu
zul zul_Latn zu zul      zu  -   Latn icu
"""


def test_the_data_sets_of_the_paper():
    rows = [line.split() for line in DATA_SETS.strip().splitlines()]
    assert [row[0] for row in rows] == XTREME + MASAKHANER2 and len(rows) == 57
    found = []
    for row in rows:
        it = lookup(row[0])
        codes = (
            it.code,
            it.m2m100 or "-",
            it.marian[0],
            it.madlad or "-",
            (*it.apertium, "-")[0],
            it.script,
            it.splitter,
        )
        found.append([row[0], *codes])
    assert found == rows
    assert len({row[1] for row in rows}) == 55


def test_columns_of_engines():
    languages = all_languages()
    m2m100 = [language.m2m100 for language in languages if language.m2m100]
    assert len(m2m100) == len(set(m2m100)) == 99  # all of its 100 languages but West Frisian, which NLLB lacks
    madlad = {language.madlad for language in languages if language.madlad}
    assert {"sw", "fil", "ak", "no", "zh"} <= madlad and not madlad & {"tl", "nb", "luo", "mos"}
    assert all(language.marian and language.splitter in ("icu", "characters") for language in languages)
