"""What happened to a problem, what was said about it, what was shown."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlmodel import col

from app.evidence.models import Photo
from app.journal.facts import IMPORT_POST
from app.journal.models import Entry
from app.kit.house import Work
from app.kit.paging import Page, Slice
from app.kit.refusals import NotFound
from app.people.actors import Actor
from app.people.words import PostKind
from app.problems import policy
from app.problems.facts import FACTS
from app.problems.models import Comment, ProblemPhoto
from app.problems.queries.aggregate import bodies_of
from app.problems.queries.details import visible
from app.problems.schemas.answers import CommentOut, HistoryOut, PhotoOut


def history(work: Work[Actor], problem_id: UUID, slicing: Slice) -> Page[HistoryOut]:
    """Everything that happened to a problem, oldest first; internal comments of another side are left out."""
    visible(work, problem_id)
    statement = select(Entry).where(col(Entry.subject) == problem_id)
    entries = work.session.scalars(slicing.apply(statement, col(Entry.version), descending=False)).all()
    shown, after = slicing.cut(entries, "version")
    return Page(items=_told(work, shown), next=after)


def _told(work: Work[Actor], entries: Sequence[Entry]) -> list[HistoryOut]:
    hidden = _hidden_comments(work, entries)
    bodies = bodies_of(work.session, entries)
    return [
        HistoryOut(
            position=entry.position,
            log=entry.log,
            version=entry.version,
            kind=entry.kind,
            label=FACTS[entry.kind].label,
            at=entry.at,
            happened_at=entry.happened_at,
            by={**entry.author, "post_label": _post_label(entry.author["post"])},
            data={name: value for name, value in entry.data.items() if name != "texts"}
            | bodies[entry.subject, entry.version],
        )
        for entry in entries
        if entry.data.get("comment") not in hidden
    ]


def _hidden_comments(work: Work[Actor], entries: Iterable[Entry]) -> set[str]:
    """Ids of internal comments among these entries that stay on another side."""
    internal = {entry.data["comment"]: entry.subject for entry in entries if entry.data.get("internal")}
    if not internal:
        return set()
    statement = select(col(Comment.id)).where(
        col(Comment.problem_id).in_(set(internal.values())),
        col(Comment.internal),
        col(Comment.side) != policy.territory_side(work.caller),
    )
    return internal.keys() & {str(each) for each in work.session.scalars(statement)}


@dataclass(frozen=True)
class Opened:
    """All there is of a problem, for a device that wants it whole."""

    history: list[HistoryOut]
    comments: list[CommentOut]
    photos: list[PhotoOut]


def opened(work: Work[Actor], problem_ids: Collection[UUID]) -> dict[UUID, Opened]:
    """History, comments and photos of problems that the caller sees; statements do not grow with their number."""
    found = {each: Opened([], [], []) for each in problem_ids}
    session = work.session
    entries = session.scalars(
        select(Entry).where(col(Entry.subject).in_(problem_ids)).order_by(col(Entry.subject), col(Entry.version))
    ).all()
    subjects = {(entry.log, entry.position): entry.subject for entry in entries}
    for told in _told(work, entries):
        found[subjects[told.log, told.position]].history.append(told)
    remarks = select(Comment).where(
        col(Comment.problem_id).in_(problem_ids),
        or_(~col(Comment.internal), col(Comment.side) == policy.territory_side(work.caller)),
    )
    for comment in session.scalars(remarks.order_by(col(Comment.at), col(Comment.id))):
        found[comment.problem_id].comments.append(comment_out(comment))
    owned = (
        select(ProblemPhoto, Photo)
        .join(Photo, col(Photo.id) == col(ProblemPhoto.photo_id))
        .where(col(ProblemPhoto.problem_id).in_(problem_ids))
        .order_by(col(ProblemPhoto.problem_id), col(ProblemPhoto.version))
    )
    for owning, photo in session.execute(owned):
        found[owning.problem_id].photos.append(photo_out(owning, photo))
    return found


def _post_label(post: str) -> str:
    kind = post.partition(":")[0]
    if kind in frozenset(PostKind):
        return PostKind(kind).label
    return "Impor" if post.startswith(IMPORT_POST) else "Sistem"


def comments(work: Work[Actor], problem_id: UUID, slicing: Slice) -> Page[CommentOut]:
    """What was said about a problem, newest first, as far as it was said to this side."""
    visible(work, problem_id)
    statement = select(Comment).where(
        col(Comment.problem_id) == problem_id,
        or_(~col(Comment.internal), col(Comment.side) == policy.territory_side(work.caller)),
    )
    rows = work.session.scalars(slicing.apply(statement, col(Comment.at), col(Comment.id))).all()
    shown, after = slicing.cut(rows, "at", "id")
    return Page(items=[comment_out(each) for each in shown], next=after)


def comment_out(comment: Comment) -> CommentOut:
    return CommentOut(
        id=comment.id,
        problem_id=comment.problem_id,
        text=comment.text,
        internal=comment.internal,
        late=comment.late,
        at=comment.at,
        by=comment.author,
        post=comment.post,
    )


def photo(work: Work[Actor], problem_id: UUID, photo_id: UUID) -> Photo:
    """A photo of a problem that the caller may see."""
    visible(work, problem_id)
    statement = (
        select(Photo)
        .join(ProblemPhoto, col(ProblemPhoto.photo_id) == col(Photo.id))
        .where(col(ProblemPhoto.problem_id) == problem_id, col(Photo.id) == photo_id)
    )
    found = work.session.scalar(statement)
    if found is None:
        raise PhotoNotFound
    return found


class PhotoNotFound(NotFound):
    code, title, judul = "photo_not_found", "No such photo of this problem", "Foto tidak ditemukan pada masalah ini"


def photo_out(owned: ProblemPhoto, photo: Photo) -> PhotoOut:
    return PhotoOut(
        id=photo.id,
        problem_id=owned.problem_id,
        awaited=photo.is_awaited,
        width=photo.width,
        height=photo.height,
        size=photo.size,
        sha256=photo.sha256,
        seen_before=owned.seen_before,
        late=owned.late,
        created_at=photo.created_at,
    )
