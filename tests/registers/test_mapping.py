"""A mapping is refused in words that name each key that is wrong."""

import re
import tomllib
from pathlib import Path

import pytest

from app.registers.mapping import BadMapping, Mapping, read_mapping
from app.registers.words import Handler
from tests.registers.registers import MAPPING, Clerk, row

DOCS = Path(__file__).parents[2] / "docs"


def complaint(tmp_path: Path, text: str | bytes) -> str:
    file = tmp_path / "m.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(BadMapping) as refused:
        read_mapping(file)
    assert refused.value.detail is not None
    return refused.value.detail


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('register = "buku-aduan"', 'register = "Buku Aduan"', "register: String should match pattern"),
        ('register = "buku-aduan"', "", "register: Field required"),
        ('source = "resident"', 'source = "twitter"', "source: Input should be"),
        ('source = "resident"', 'sources = "resident"', "sources: there is no such key"),
        ("Asia/Jakarta", "Asia/Surabaya", "time_zone: not a time zone such as Asia/Jakarta"),
        ('resolution = "served"', 'resolution = "repaired"', "resolution: Input should be"),
        ('row = "no"', 'row = ""', "columns.row: "),
        ('row = "no"', 'row = "no"\nnama_pelapor = "nama"', "columns.nama_pelapor: there is no such key"),
        ('row = "no"', 'row = "no"\ntitle = "judul"', "columns: either text or title is needed"),
        ('text = "uraian"', "", "columns: either text or title is needed"),
        ('text = "uraian"', 'text = "uraian"\ndescription = "isi"', "columns: text is the description already"),
        ('row = "no"', 'row = "no"\nlatitude = "lat"', "columns: latitude and longitude go together"),
        ('"35.75.03.1005"', '"Bakalan"', "area.values.Bakalan: a code looks like 35"),
        ('"saluran-tersumbat"', '"Saluran"', "category.values.saluran: String should match pattern"),
        ('default = "lainnya"', 'default = "lainnya"\nlabel = "x"', "category.label: there is no such key"),
        ('"agency:DISHUB"', '"DISHUB"', "handled_by.values.PJU: one of kelurahan, kecamatan, nobody, or agency:CODE"),
        ('by = "kelurahan"', 'by = "lurah"', "handled_by.patterns.0.by: one of kelurahan"),
        ('column = "jenis"\ndefault = "lainnya"', "", "category: a column or a default is needed"),
    ],
)
def test_each_key_that_is_wrong_is_named(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    assert before in MAPPING
    told = complaint(tmp_path, MAPPING.replace(before, after))
    assert sentence in told
    assert "\n" not in told
    assert "input" not in told.replace("Input should be", "")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "register: Field required"),
        ("register = ", "this is not TOML (Invalid value"),
        ("a = " + "[" * 5_000, "this is not TOML ("),
        (b"register = '\xff'", "this is not UTF-8 text"),
        ("register = '\0'", "this is not TOML ("),
        ("#" * 1_000_001, "larger than a mapping can be"),
        ("no,uraian\n1,a\n", "this is not TOML ("),
    ],
    ids=["empty", "half", "deep", "latin", "nul", "large", "csv"],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    assert sentence in complaint(tmp_path, content)


def test_a_mapping_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadMapping, match="No such file"):
        read_mapping(tmp_path / "m.toml")
    with pytest.raises(BadMapping, match="Is a directory"):
        read_mapping(tmp_path)


def test_many_wrong_keys_are_told_with_an_end(tmp_path: Path) -> None:
    told = complaint(tmp_path, MAPPING + "".join(f'"x{number}" = 1\n' for number in range(30)))
    assert told.endswith("; and 20 more")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('text = "uraian"', 'text = "isi"', "No column is headed isi."),
        ('"lainnya"', '"lain-lain"', "category: no active category has the code lain-lain."),
        ("agency:DISHUB", "agency:DISHUB2", "handled_by: no active agency has the code DISHUB2 or UPT01."),
        ('"35.75.03.1005"', '"35.75.03.1099"', "area: no kelurahan or desa of 35.75 has the code 35.75.03.1099."),
    ],
)
def test_what_the_mapping_names_must_be_there_before_anything_is_written(
    clerk: Clerk, before: str, after: str, sentence: str
) -> None:
    if "UPT01" not in sentence:
        clerk.opens_an_agency_that_works_in_gadingrejo_alone()
    stored = clerk.stored()
    with pytest.raises(Exception, match=re.escape(sentence)):
        clerk.takes(row(1), mapping=MAPPING.replace(before, after))
    assert clerk.stored() == stored


def test_words_of_cells_are_compared_without_case_and_with_one_space() -> None:
    text = MAPPING.replace('"PJU" =', '" Dinas   PERHUBUNGAN kota" =')
    mapping = Mapping.model_validate(tomllib.loads(text))
    assert mapping.handled_by is not None
    assert mapping.handled_by.values["dinas perhubungan kota"] == "agency:DISHUB"
    assert Handler.named("agency:DISHUB") == Handler("agency", "DISHUB")


def test_the_mappings_of_the_documentation_are_mappings(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", (DOCS / "registers.md").read_text(), re.DOTALL)
    texts = [file.read_text() for file in (DOCS / "mappings").glob("*.toml")]
    assert examples
    assert texts
    for text in [*examples, *texts]:
        Mapping.model_validate(tomllib.loads(text))


def test_the_documentation_knows_every_key() -> None:
    page = (DOCS / "registers.md").read_text()
    schema = Mapping.model_json_schema()
    shapes = [schema, *schema["$defs"].values()]
    words = set(re.findall(r"`[^`\n]+`", page))
    keys = {key for shape in shapes for key in shape.get("properties", {})}
    assert len(keys) > 20
    assert [key for key in sorted(keys) if not {f"`{key}`", f"`[{key}]`"} & words] == []
