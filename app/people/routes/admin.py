"""HTTP of administering people: accounts, their devices, who holds which post, and what admins did."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query

from app.agencies.queries import UnknownAgency
from app.agencies.words import AgencyCode
from app.areas.queries import UnknownArea
from app.areas.words import AreaCode
from app.kit.doors import WRITES, CallerDoor
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import NotPermitted, Unauthenticated, refused
from app.kit.rules import by_admin
from app.people import queries
from app.people.actions import accounts, devices, posts
from app.people.actions.accounts import LastAdmin, UsernameTaken
from app.people.actions.posts import (
    AccountDisabled,
    NotOneHolder,
    PostAlreadyHeld,
    PostEnded,
    PostTaken,
    WrongScope,
    WrongTerm,
)
from app.people.passwords import passwords
from app.people.queries import AccountNotFound, PostNotFound
from app.people.routes.own import unstored
from app.people.schemas import (
    AccountIn,
    AdminAccountOut,
    AdministrationOut,
    Appointment,
    DeviceOut,
    Ending,
    HolderOut,
    OneTimePassword,
    ReplacedOut,
    Replacement,
    Revoked,
)
from app.people.words import PersonName, PostKind

router = APIRouter(prefix="/admin", tags=["admin"])

_replacements = {
    "an account there is": {
        "summary": "Somebody with an account becomes lurah",
        "value": {
            "kind": "lurah",
            "area": "35.75.03.1005",
            "account": "0198c0de-0000-7000-8000-000000000001",
        },
    },
    "a new account": {
        "summary": "Somebody new becomes acting lurah (Plt)",
        "value": {
            "kind": "lurah",
            "area": "35.75.03.1005",
            "new_account": {"username": "siti.rahmawati", "name": "Siti Rahmawati"},
            "acting": True,
        },
    },
}


@router.get("/accounts", summary="Accounts", responses=refused(Unauthenticated, NotPermitted, BadCursor))
async def list_accounts(
    door: CallerDoor,
    slicing: Slicing,
    q: Annotated[PersonName | None, Query(description="Part of a username or name.", examples=["bakalan"])] = None,
) -> Page[AdminAccountOut]:
    """Accounts with the posts they hold now, newest first."""
    page = await door.read(by_admin(lambda work: queries.accounts(work.session, slicing, q, work.now)))
    door.link(page.next)
    return page


@router.post(
    "/accounts",
    status_code=201,
    summary="Create an account",
    dependencies=[Depends(unstored)],
    responses=refused(Unauthenticated, NotPermitted, UsernameTaken),
)
async def create_account(door: CallerDoor, body: AccountIn) -> OneTimePassword:
    """The one-time password is said in this answer only, which is why no Idempotency-Key repeats it.

    It is good for choosing a password of one's own, and for nothing else. If the answer was lost, reset it.
    """
    async with passwords(door.house).turns.one():
        return await door.steps(lambda: accounts.open_account(door, body))


@router.get("/accounts/{id}", summary="One account", responses=refused(Unauthenticated, NotPermitted, AccountNotFound))
async def read_account(door: CallerDoor, id: UUID) -> AdminAccountOut:  # noqa: A002 - the name in the path
    """One account with the posts it holds now."""
    return await door.read(by_admin(lambda work: queries.account(work.session, id, work.now)))


@router.post(
    "/accounts/{id}/password",
    summary="Reset a password",
    dependencies=[Depends(unstored)],
    responses=refused(Unauthenticated, NotPermitted, AccountNotFound),
)
async def reset_password(door: CallerDoor, id: UUID) -> OneTimePassword:  # noqa: A002 - the name in the path
    """A new one-time password, said in this answer only; all devices of the account are logged out."""
    async with passwords(door.house).turns.one():
        return await door.steps(lambda: accounts.renew_password(door, id))


@router.post(
    "/accounts/{id}/disable",
    summary="Disable an account",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, AccountNotFound, LastAdmin),
)
async def disable_account(door: CallerDoor, id: UUID) -> AdminAccountOut:  # noqa: A002 - the name in the path
    """Nobody logs in with it any more, and its devices are logged out. What was done with it stays signed by it."""
    return await door.write(by_admin(lambda work: accounts.disable(work, id)))


@router.post(
    "/accounts/{id}/enable",
    summary="Enable an account",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, AccountNotFound),
)
async def enable_account(door: CallerDoor, id: UUID) -> AdminAccountOut:  # noqa: A002 - the name in the path
    """It can be logged in with again, with the password it had."""
    return await door.write(by_admin(lambda work: accounts.enable(work, id)))


@router.get(
    "/accounts/{id}/sessions",
    summary="Devices of an account",
    responses=refused(Unauthenticated, NotPermitted, AccountNotFound, BadCursor),
)
async def list_account_devices(
    door: CallerDoor,
    slicing: Slicing,
    id: UUID,  # noqa: A002 - the name in the path
) -> Page[DeviceOut]:
    """The devices on which somebody is logged in, newest first."""
    page = await door.read(by_admin(lambda work: queries.devices_of(work, slicing, id)))
    door.link(page.next)
    return page


@router.delete(
    "/accounts/{id}/sessions",
    summary="Log all devices out",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, AccountNotFound),
)
async def revoke_account_devices(door: CallerDoor, id: UUID) -> Revoked:  # noqa: A002 - the name in the path
    """Every device of the account is logged out; the password stays."""
    return await door.write(by_admin(lambda work: devices.revoke_all(work, id)))


@router.get("/posts", summary="Who holds which post", responses=refused(Unauthenticated, NotPermitted, BadCursor))
async def list_posts(
    door: CallerDoor,
    slicing: Slicing,
    kind: Annotated[PostKind | None, Query(description="Posts of this kind.")] = None,
    area: Annotated[AreaCode | None, Query(description="In this area and all below it.")] = None,
    agency: Annotated[AgencyCode | None, Query(description="Of this agency.")] = None,
    account: Annotated[UUID | None, Query(description="Held by this account.")] = None,
    past: Annotated[bool, Query(description="Also posts whose time is over.")] = False,
) -> Page[HolderOut]:
    """Holdings of posts, the latest first."""
    page = await door.read(
        by_admin(
            lambda work: queries.holders(
                work.session, slicing, work.now, kind=kind, area=area, agency=agency, account_id=account, past=past
            )
        )
    )
    door.link(page.next)
    return page


@router.post(
    "/posts",
    status_code=201,
    summary="Appoint to a post",
    responses=refused(
        Unauthenticated,
        NotPermitted,
        *WRITES,
        AccountNotFound,
        AccountDisabled,
        PostTaken,
        PostAlreadyHeld,
        WrongScope,
        WrongTerm,
        UnknownArea,
        UnknownAgency,
    ),
)
async def appoint(door: CallerDoor, body: Appointment) -> HolderOut:
    """Somebody holds a post, from now or a later moment, for good or for a term, or as acting (Plt, Plh).

    A kelurahan, a kecamatan, an agency and the city have one head at a time for good; acting holders stand beside.
    """
    return await door.write(by_admin(lambda work: posts.holder(work, posts.appoint(work, body))))


@router.post(
    "/posts/replace",
    summary="Hand an office over",
    dependencies=[Depends(unstored)],
    responses=refused(
        Unauthenticated,
        NotPermitted,
        AccountNotFound,
        AccountDisabled,
        UsernameTaken,
        PostTaken,
        PostAlreadyHeld,
        NotOneHolder,
        WrongScope,
        UnknownArea,
        UnknownAgency,
    ),
)
async def replace_holder(
    door: CallerDoor, body: Annotated[Replacement, Body(openapi_examples=_replacements)]
) -> ReplacedOut:
    """A new lurah, camat, head or mayor in one call: who held the post, acting or for good, holds it no more.

    Work lies on the desks of offices, so what is open passes on as it is. A new account's one-time password is said
    in this answer only, which is why no Idempotency-Key repeats it.
    """
    async with passwords(door.house).turns.one():
        return await door.steps(lambda: posts.hand_over(door, body))


@router.post(
    "/posts/{id}/end",
    summary="End a post",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, PostNotFound, PostEnded, LastAdmin),
)
async def end_post(
    door: CallerDoor,
    id: UUID,  # noqa: A002 - the name in the path
    body: Ending | None = None,
) -> HolderOut:
    """The post stops being held, now or at the moment given; one that has not begun never will."""
    until = body.until if body else None
    return await door.write(by_admin(lambda work: posts.holder(work, posts.end_post(work, id, until))))


@router.get("/journal", summary="What admins did", responses=refused(Unauthenticated, NotPermitted, BadCursor))
async def list_administration(
    door: CallerDoor,
    slicing: Slicing,
    kind: Annotated[
        str | None,
        Query(pattern=r"^[a-z_]+\.[a-z_]+$", max_length=64, description="What was done.", examples=["post.replaced"]),
    ] = None,
    subject: Annotated[
        PersonName | None, Query(description="To what or whom.", examples=["lurah:35.75.03.1005"])
    ] = None,
    by: Annotated[UUID | None, Query(description="Account of whoever did it.")] = None,
) -> Page[AdministrationOut]:
    """The journal of administration, the latest first."""
    page = await door.read(
        by_admin(lambda work: queries.administration(work.session, slicing, kind=kind, subject=subject, by=by))
    )
    door.link(page.next)
    return page
