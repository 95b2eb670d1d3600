"""Hypothesis strategies for messages and records: well-formed, not necessarily valid."""

from __future__ import annotations

from hypothesis import strategies as st

from consensus import messages as m
from consensus import wal_records as w
from consensus.certificates import CommitCertificate, PreparedCertificate, indexes_of
from consensus.codec import MAX_VIEW
from consensus.types import Proposal

u64 = st.integers(0, 2**64 - 1)
views = st.integers(0, MAX_VIEW)
hashes = st.binary(min_size=32, max_size=32)
signatures = st.binary(min_size=65, max_size=65)
senders = st.integers(0, 2**16 - 1)
bitmaps = st.integers(0, 2**12 - 1) | st.sampled_from([1 << 255, (1 << 255) | 1])


@st.composite
def commit_certificates(draw: st.DrawFn) -> CommitCertificate:
    bitmap = draw(bitmaps)
    seals = tuple(draw(signatures) for _ in indexes_of(bitmap))
    return CommitCertificate(draw(u64), draw(u64), draw(u64), draw(hashes), bitmap, seals)


@st.composite
def prepared_certificates(draw: st.DrawFn) -> PreparedCertificate:
    bitmap = draw(bitmaps)
    prepares = tuple(draw(signatures) for _ in indexes_of(bitmap))
    return PreparedCertificate(draw(u64), draw(views), draw(u64), draw(hashes), draw(signatures), bitmap, prepares)


proposals = st.builds(Proposal, st.binary(max_size=200), st.binary(max_size=100))
votes = (u64, views, u64, hashes)
pre_prepares = st.builds(m.PrePrepare, *votes, proposals, senders, signatures)
view_changes = st.builds(
    m.ViewChange,
    u64,
    views,
    u64,
    st.none() | commit_certificates(),
    st.lists(prepared_certificates(), max_size=2).map(tuple),
    senders,
    signatures,
)
new_views = st.builds(
    m.NewView,
    u64,
    views,
    st.lists(view_changes, max_size=3, unique_by=lambda c: c.sender).map(
        lambda found: tuple(sorted(found, key=lambda c: c.sender))
    ),
    st.lists(st.builds(m.Reproposal, u64, hashes, signatures), max_size=2, unique_by=lambda r: r.height).map(
        lambda found: tuple(sorted(found, key=lambda r: r.height))
    ),
    senders,
    signatures,
)
repairs = st.lists(commit_certificates(), max_size=3, unique_by=lambda c: c.height).map(
    lambda found: m.Repair(tuple(sorted(found, key=lambda c: c.height)))
)
messages = st.one_of(
    pre_prepares,
    st.builds(m.Prepare, *votes, senders, signatures),
    st.builds(m.Commit, *votes, senders, signatures),
    st.builds(m.Complain, u64, views, u64, st.sampled_from(m.Reason), st.booleans(), senders, signatures),
    view_changes,
    new_views,
    st.builds(m.Status, u64, u64, views, views, st.booleans(), senders, signatures),
    repairs,
)
records = st.one_of(
    st.builds(w.Proposed, pre_prepares),
    st.builds(w.AcceptedPrePrepare, pre_prepares),
    st.builds(w.Prepared, prepared_certificates()),
    st.builds(w.ViewPromise, view_changes),
    st.builds(w.NewViewSent, new_views),
    st.builds(w.EnteredView, new_views),
    st.builds(w.Committed, u64),
    st.builds(
        w.State,
        u64,
        u64,
        st.none() | view_changes,
        st.none() | new_views,
        st.lists(pre_prepares, max_size=2).map(tuple),
        st.lists(prepared_certificates(), max_size=2).map(tuple),
    ),
)
