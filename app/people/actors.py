"""Who asks: a person and the post that person acts under, or a system of an agency."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import Depends

from app.kit.doors import CallerDoor, Door, open_door, open_to
from app.people.words import KeyVerb, PostKind


@dataclass(frozen=True)
class Actor:
    """Somebody acting under a post of theirs; or a system, which acts as its agency as far as its key says.

    A system has no account, no post and no device: the id of its key stands for all three.
    """

    account_id: UUID
    name: str
    post_id: UUID
    kind: PostKind
    area_code: str | None
    agency_code: str | None
    acting: bool
    session_id: UUID
    must_change_password: bool
    last_used_at: datetime | None = None
    """When their device was last noted as used."""
    verbs: frozenset[str] | None = None
    """What a system may do with its key (`KeyVerb`), or a link; None for a person, who may do what their post may."""
    part_id: UUID | None = None
    """The one assignment that a link is for; it acts on nothing else."""

    def grants(self, verb: str) -> bool:
        """Whether the key or link itself allows it; what the post may do is the policy's to say."""
        return self.verbs is None or verb in self.verbs

    @property
    def person_id(self) -> UUID | None:
        """The account of a person, for columns that refer to one; None for a system, and for a link."""
        return self.account_id if self.verbs is None else None

    @property
    def is_admin(self) -> bool:
        return self.kind is PostKind.ADMIN

    @property
    def view(self) -> str:
        """Names what this post may see, such as `lurah:35.75.03.1005`; also how facts name it."""
        return view(self.kind, self.area_code, self.agency_code)

    @property
    def seat(self) -> "Actor":
        """This post, whoever holds it: what a list shows depends on nothing else."""
        nobody = UUID(int=0)
        return replace(
            self,
            account_id=nobody,
            name="",
            post_id=nobody,
            session_id=nobody,
            last_used_at=None,
            verbs=None,
            part_id=None,
        )

    @property
    def office(self) -> str:
        """The office whose desks are this post's: `kelurahan:…`, `kecamatan:…`, `agency:…`, `city:…` or `admin`."""
        return office(self.kind, self.area_code, self.agency_code)


def system_actor(
    key_id: UUID,
    name: str,
    agency_code: str,
    verbs: frozenset[str],
    *,
    part_id: UUID | None = None,
    last_used_at: datetime | None = None,
) -> Actor:
    """Nobody by name, who acts as the head of an agency does, as far as a key or a link says."""
    return Actor(
        account_id=key_id,
        name=name,
        post_id=key_id,
        kind=PostKind.HEAD,
        area_code=None,
        agency_code=agency_code,
        acting=False,
        session_id=key_id,
        must_change_password=False,
        last_used_at=last_used_at,
        verbs=verbs,
        part_id=part_id,
    )


def view(kind: PostKind, area_code: str | None, agency_code: str | None) -> str:
    """A post by its kind and place, whoever holds it."""
    place = area_code or agency_code
    return f"{kind}:{place}" if place else str(kind)


def office(kind: PostKind, area_code: str | None, agency_code: str | None) -> str:
    """The office a post belongs to."""
    if kind is PostKind.ADMIN:
        return "admin"
    return f"{_OFFICES[kind]}:{area_code or agency_code}"


_OFFICES = {
    PostKind.OPERATOR: "kelurahan",
    PostKind.LURAH: "kelurahan",
    PostKind.STAFF: "kecamatan",
    PostKind.CAMAT: "kecamatan",
    PostKind.OFFICER: "agency",
    PostKind.HEAD: "agency",
    PostKind.MONITOR: "city",
    PostKind.MAYOR: "city",
}


@dataclass(frozen=True)
class Person:
    """Somebody logged in, for what concerns their own account: no post is needed, nor a password of their own yet."""

    account_id: UUID
    username: str
    name: str
    post_id: UUID | None
    """The post they would act under, where they hold one."""
    session_id: UUID
    must_change_password: bool
    last_used_at: datetime

    @property
    def is_admin(self) -> bool:
        return False

    @property
    def view(self) -> str:
        return f"account:{self.account_id}"


async def _open_person_door(door: CallerDoor) -> Door[Person]:
    return cast(Door[Person], door.for_account())


ActorDoor = Annotated[Door[Actor], Depends(open_door)]
"""The door of a route for whoever acts under a post. No system's key opens it."""

PersonDoor = Annotated[Door[Person], Depends(_open_person_door)]
"""The door of the few routes about the caller's own account."""

PART_VERBS: Final = tuple(verb for verb in KeyVerb if verb.startswith("assignment."))

ReadDoor = Annotated[Door[Actor], Depends(open_to(KeyVerb.READ))]
"""The door of a route for whoever acts under a post, and for systems that may read; those below are alike."""
EventsDoor = Annotated[Door[Actor], Depends(open_to(KeyVerb.EVENTS))]
EndpointsDoor = Annotated[Door[Actor], Depends(open_to(KeyVerb.ENDPOINTS))]
CommentDoor = Annotated[Door[Actor], Depends(open_to(KeyVerb.COMMENT))]
AttachDoor = Annotated[Door[Actor], Depends(open_to(KeyVerb.ATTACH))]
AskDoor = Annotated[Door[Actor], Depends(open_to(KeyVerb.ASK))]
StepDoor = Annotated[Door[Actor], Depends(open_to(*PART_VERBS))]
"""For systems that may do anything to their agency's part; which verb it is, the write path looks at."""
