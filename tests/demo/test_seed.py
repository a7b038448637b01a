from sqlmodel import col, func, select

from app.agencies.models import Agency, Category, Responsibility
from app.areas.models import Area
from app.areas.words import Level
from app.kit.house import House
from app.town.seed import CITY, sow_town
from app.workdays.models import Limit


def test_sowing_twice_changes_nothing(house: House) -> None:
    first, again = sow_town(house), sow_town(house)

    assert first.areas.levels == {Level.PROVINCE: 1, Level.REGENCY: 1, Level.DISTRICT: 4, Level.VILLAGE: 34}
    assert first.rows > 150
    assert again.rows == 0


def test_what_an_admin_changed_stays(house: House) -> None:
    sow_town(house)
    with house.database.write() as session:
        session.get_one(Agency, "PUPR").name = "Dinas PU Bina Marga"
        session.get_one(Category, "lampu-jalan").proof_required = False
        session.get_one(Limit, ("ordinary", "resolve")).amount = 20

    assert sow_town(house).rows == 0
    with house.database.read() as session:
        assert session.get_one(Agency, "PUPR").name == "Dinas PU Bina Marga"
        assert session.get_one(Category, "lampu-jalan").proof_required is False
        assert session.get_one(Limit, ("ordinary", "resolve")).amount == 20


def test_every_category_has_somebody_responsible_but_the_rest(house: House) -> None:
    sow_town(house)
    with house.database.read() as session:
        ruled = set(session.exec(select(Responsibility.category_code)))
        orphans = session.exec(
            select(Category.code).where(col(Category.parent_code).is_(None), col(Category.code).not_in(ruled))
        ).all()
        assert session.exec(select(func.count()).select_from(Area).where(col(Area.parent_code) == CITY)).one() == 4
        below = {
            code: set(session.exec(select(Category.code).where(col(Category.parent_code) == code))) for code in orphans
        }
    assert [code for code, children in below.items() if not children or not children <= ruled] == ["lainnya"]
